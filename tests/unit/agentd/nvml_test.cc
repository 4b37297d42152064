#include "agentd/probe/nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/agentd/fake_gpus.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kTwo[] =
    "gpu uuid=GPU-a name=NVIDIA_A100-SXM4-80GB memory=1000 used=400 util=35 power=300000 temp=60"
    " ecc=0 pci=00000000:07:00.0\n"
    "gpu uuid=GPU-b name=NVIDIA_H100_80GB_HBM3 memory=2000 pci=00000001:0A:00.0\n";

class NvmlTest : public ::testing::Test {
 protected:
  std::unique_ptr<Nvml> Open() {
    auto nvml = Nvml::Open(FakeGpus::Library(), gpus_.tree().root());
    EXPECT_TRUE(nvml.ok()) << nvml.status();
    return nvml.ok() ? *std::move(nvml) : nullptr;
  }
  static std::vector<std::string> Reasons(const GpuReading& reading) {
    std::vector<std::string> reasons;
    for (const ProbedDevice& device : reading.devices) reasons.push_back(device.unhealthy_reason);
    return reasons;
  }

  const FakeGpus gpus_{kTwo};
};

TEST_F(NvmlTest, ReadsWhatAGpuIsAndDoes) {
  gpus_.tree().Write("/sys/bus/pci/devices/0001:0a:00.0/numa_node", "1\n");
  gpus_.tree().Write("/sys/bus/pci/devices/0000:07:00.0/numa_node", "-1\n");
  const auto nvml = Open();
  const GpuReading reading = nvml->Read();
  EXPECT_THAT(reading.devices, ElementsAre(ProbedDevice{.id = "GPU-a",
                                                        .kind = "gpu",
                                                        .model = "A100-SXM4-80GB",
                                                        .memory_bytes = 1000},
                                           ProbedDevice{.id = "GPU-b",
                                                        .kind = "gpu",
                                                        .model = "H100-80GB-HBM3",
                                                        .memory_bytes = 2000,
                                                        .numa_node = 1}));
  EXPECT_THAT(reading.usage, ElementsAre(DeviceUsage{.id = "GPU-a",
                                                     .utilisation_percent = 35,
                                                     .memory_used_bytes = 400,
                                                     .power_milliwatts = 300'000,
                                                     .temperature_celsius = 60},
                                         DeviceUsage{.id = "GPU-b"}));
}

TEST_F(NvmlTest, TellsWhichProcessesUseIt) {
  std::string script = kTwo;
  for (int i = 1; i <= 100; ++i) {
    script += "process gpu=GPU-a pid=" + std::to_string(i) +
              " memory=10 sm=" + std::to_string(i % 50) + "\n";
  }
  gpus_.Set(script);
  const auto nvml = Open();
  const GpuReading reading = nvml->Read();
  ASSERT_EQ(reading.processes.size(), 100u);
  EXPECT_EQ(reading.processes[6],
            (ProcessDeviceUsage{
                .pid = 7, .device = "GPU-a", .memory_used_bytes = 10, .utilisation_percent = 7}));
}

TEST_F(NvmlTest, AddsUpTheLinksBetweenGpus) {
  gpus_.Set(std::string(kTwo) +
            "link from=GPU-a to=GPU-b version=3\nlink from=GPU-a to=GPU-b version=3\n"
            "near a=GPU-a b=GPU-b level=10\n");
  const auto nvml = Open();
  const GpuReading reading = nvml->Read();
  EXPECT_THAT(reading.devices[0].links,
              ElementsAre(PeerLink{"GPU-b", PeerLink::Kind::kNvlink, 50'000'000'000}));
  EXPECT_THAT(reading.devices[1].links, ElementsAre(PeerLink{"GPU-a", PeerLink::Kind::kPcie, 0}));
}

TEST_F(NvmlTest, ReachesEveryGpuThroughASwitch) {
  gpus_.Set(std::string(kTwo) +
            "gpu uuid=GPU-c name=x memory=1 pci=00000002:00:00.0\n"
            "link from=GPU-a to=switch version=4\nlink from=GPU-a to=switch version=4\n");
  const auto nvml = Open();
  EXPECT_THAT(nvml->Read().devices[0].links,
              ElementsAre(PeerLink{"GPU-b", PeerLink::Kind::kNvswitch, 50'000'000'000},
                          PeerLink{"GPU-c", PeerLink::Kind::kNvswitch, 50'000'000'000}));
}

TEST_F(NvmlTest, TellsOfSlicesInsteadOfTheGpuThatIsCut) {
  gpus_.Set(
      "gpu uuid=GPU-a name=NVIDIA_A100-SXM4-80GB memory=1000 mig=1 pci=00000000:07:00.0\n"
      "slice gpu=GPU-a uuid=MIG-1 name=NVIDIA_A100-SXM4-80GB_MIG_1g.10gb memory=100 used=7\n"
      "slice gpu=GPU-a uuid=MIG-2 name=NVIDIA_A100-SXM4-80GB_MIG_3g.40gb memory=400\n"
      "gpu uuid=GPU-b name=NVIDIA_A100-SXM4-80GB memory=1000 mig=0 pci=00000000:08:00.0\n");
  const auto nvml = Open();
  const GpuReading reading = nvml->Read();
  EXPECT_THAT(
      reading.devices,
      ElementsAre(
          ProbedDevice{.id = "MIG-1", .kind = "mig", .model = "1g.10gb", .memory_bytes = 100},
          ProbedDevice{.id = "MIG-2", .kind = "mig", .model = "3g.40gb", .memory_bytes = 400},
          ProbedDevice{
              .id = "GPU-b", .kind = "gpu", .model = "A100-SXM4-80GB", .memory_bytes = 1000}));
  EXPECT_EQ(reading.usage[0].memory_used_bytes, 7);
}

TEST_F(NvmlTest, AGpuThatFallsOffTheBusStaysAsSick) {
  const auto nvml = Open();
  nvml->Read();
  gpus_.Set(
      "gpu uuid=GPU-a name=x memory=1 fault=15 pci=0\n"
      "gpu uuid=GPU-b name=NVIDIA_H100_80GB_HBM3 memory=2000 pci=00000001:0A:00.0\n");
  GpuReading reading = nvml->Read();
  EXPECT_THAT(Reasons(reading), ElementsAre("the GPU has fallen off the bus", ""));
  EXPECT_EQ(reading.devices[0].model, "A100-SXM4-80GB");
  EXPECT_EQ(reading.devices[0].memory_bytes, 1000);

  gpus_.Set("gpu uuid=GPU-b name=NVIDIA_H100_80GB_HBM3 memory=2000 pci=00000001:0A:00.0\n");
  EXPECT_THAT(Reasons(nvml->Read()), ElementsAre("the GPU has fallen off the bus", ""));
  gpus_.Set(kTwo);
  EXPECT_THAT(Reasons(nvml->Read()), ElementsAre("", ""));
  gpus_.Set("");
  EXPECT_THAT(Reasons(nvml->Read()),
              ElementsAre("the driver no longer counts it", "the driver no longer counts it"));
}

TEST_F(NvmlTest, ASickGpuSaysWhy) {
  gpus_.Set(
      "gpu uuid=GPU-a name=x memory=1 fault=16 pci=0\n"
      "gpu uuid=GPU-b name=x memory=1 ecc=3 pci=1\n"
      "gpu uuid=GPU-c name=x memory=1 fault=999 pci=2\n");
  const auto nvml = Open();
  EXPECT_THAT(Reasons(nvml->Read()),
              ElementsAre("the GPU must be reset",
                          "3 uncorrected memory errors since the driver was loaded",
                          "the driver says: an error out of the script"));
}

TEST_F(NvmlTest, ACriticalXidLastsAndAProgramsDoesNotCount) {
  const auto nvml = Open();
  nvml->Read();
  EXPECT_FALSE(nvml->AwaitErrors(std::chrono::milliseconds(0)));
  gpus_.Set(std::string(kTwo) + "xid gpu=GPU-a number=31\n");
  EXPECT_FALSE(nvml->AwaitErrors(std::chrono::milliseconds(0)));
  EXPECT_THAT(Reasons(nvml->Read()), ElementsAre("", ""));
  gpus_.Set(std::string(kTwo) + "xid gpu=GPU-b number=79\n");
  EXPECT_TRUE(nvml->AwaitErrors(std::chrono::milliseconds(0)));
  EXPECT_THAT(Reasons(nvml->Read()), ElementsAre("", "XID 79"));
  gpus_.Set(kTwo);
  EXPECT_THAT(Reasons(nvml->Read()), ElementsAre("", "XID 79"));
}

TEST_F(NvmlTest, AMachineWithoutADriverHasNoGpus) {
  EXPECT_TRUE(absl::IsNotFound(Nvml::Open("libno-such-library.so.1", "").status()));
  unsetenv("BERTH_FAKE_NVML");
  const absl::Status unloaded = Nvml::Open(FakeGpus::Library(), "").status();
  EXPECT_TRUE(absl::IsNotFound(unloaded));
  EXPECT_THAT(std::string(unloaded.message()), HasSubstr("its driver is not loaded"));
  const absl::Status other = Nvml::Open("libc.so.6", "").status();
  EXPECT_THAT(std::string(other.message()), HasSubstr("libc.so.6 has no nvml"));
}

}  // namespace
}  // namespace berth::agentd
