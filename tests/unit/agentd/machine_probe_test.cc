#include "agentd/probe/machine_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agentd/probe/cpu_probe.h"
#include "agentd/probe/disk_probe.h"
#include "agentd/probe/network_probe.h"
#include "agentd/probe/sysfs.h"
#include "agentd/probe/tpu_probe.h"
#include "agentd/probe/usage_probe.h"
#include "tests/support/file_tree.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SysfsTest, ReadsListsOfCpus) {
  EXPECT_THAT(ParseCpuList("0-3,8\n"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(ParseCpuList(""), IsEmpty());
  EXPECT_THAT(ParseCpuList("2,x"), ElementsAre(2));
  EXPECT_THAT(ParseCpuList("3-1"), IsEmpty());
  EXPECT_THAT(ParseCpuList("0-99999999"), IsEmpty());
}

TEST(CpuProbeTest, ReadsMeminfo) {
  constexpr char kMeminfo[] =
      "MemTotal:       24615436 kB\nMemFree:         1000 kB\nMemAvailable:   20000000 kB\n";
  EXPECT_EQ(MemInfoBytes(kMeminfo, "MemTotal"), 24615436LL * 1024);
  EXPECT_EQ(MemInfoBytes(kMeminfo, "MemAvailable"), 20000000LL * 1024);
  EXPECT_EQ(MemInfoBytes(kMeminfo, "Mem"), 0);
  EXPECT_EQ(MemInfoBytes("", "MemTotal"), 0);
  EXPECT_EQ(MemInfoBytes("MemTotal: none", "MemTotal"), 0);
}

TEST(CpuProbeTest, ReadsTheProcessorsName) {
  EXPECT_EQ(
      CpuModel("processor\t: 0\nmodel\t\t: 17\nmodel name\t: AMD EPYC 9654\n\nprocessor\t: 1\n"
               "model name\t: another\n"),
      "AMD EPYC 9654");
  EXPECT_EQ(CpuModel("processor : 0\nCPU implementer : 0x41\n"), "");
}

TEST(CpuProbeTest, CountsTheCpusOfEachNumaNodeThatAreItsOwn) {
  const berth::testing::FileTree tree;
  const std::string nodes = "/sys/devices/system/node/";
  tree.Write(nodes + "online", "0,2\n");
  tree.Write(nodes + "node0/cpulist", "0-3\n");
  tree.Write(nodes + "node0/meminfo", "Node 0 MemTotal:  1024 kB\nNode 0 MemFree: 1 kB\n");
  tree.Write(nodes + "node2/cpulist", "4-7\n");
  tree.Write(nodes + "node2/meminfo", "Node 2 MemTotal:  2048 kB\n");
  EXPECT_THAT(ProbeNuma(tree.root(), {1, 2, 3, 4}),
              ElementsAre(NumaNode{3000, 1 << 20}, NumaNode{}, NumaNode{1000, 2 << 20}));
  EXPECT_THAT(ProbeNuma(tree.At("/nothing"), {0}), IsEmpty());
}

TEST(DiskProbeTest, TellsHardwareByClass) {
  const berth::testing::FileTree tree;
  const auto add = [&](const std::string& name, const std::string& sectors,
                       const std::string& rotational, bool is_hardware) {
    tree.Write("/sys/block/" + name + "/size", sectors + "\n");
    tree.Write("/sys/block/" + name + "/removable", "0\n");
    tree.Write("/sys/block/" + name + "/queue/rotational", rotational + "\n");
    if (is_hardware) tree.Folder("/sys/block/" + name + "/device");
  };
  add("sdb", "200", "1", true);
  add("sda", "100", "0", true);
  add("nvme0n1", "300", "0", true);
  add("loop0", "300", "0", false);
  add("sr0", "0", "1", true);
  EXPECT_THAT(ProbeDisks(tree.root()), ElementsAre(Disk{"nvme0n1", DiskClass::kNvme, 300 * 512},
                                                   Disk{"sda", DiskClass::kSsd, 100 * 512},
                                                   Disk{"sdb", DiskClass::kHdd, 200 * 512}));
  EXPECT_THAT(ProbeDisks(tree.At("/nothing")), IsEmpty());
}

TEST(DiskProbeTest, NamesAFolderThatIsNotThere) {
  EXPECT_FALSE(ProbeFilesystem("/no/such/folder").ok());
  const auto root = ProbeFilesystem("/");
  ASSERT_TRUE(root.ok());
  EXPECT_GT(root->size_bytes, 0);
  EXPECT_LE(root->free_bytes, root->size_bytes);
}

class NetworkProbeTest : public ::testing::Test {
 protected:
  void Add(const std::string& name, const std::string& state, const std::string& speed) const {
    tree_.Folder("/sys/class/net/" + name + "/device");
    tree_.Write("/sys/class/net/" + name + "/operstate", state + "\n");
    if (!speed.empty()) tree_.Write("/sys/class/net/" + name + "/speed", speed + "\n");
  }

  const berth::testing::FileTree tree_;
};

TEST_F(NetworkProbeTest, FindsPhysicalInterfaces) {
  Add("eth0", "up", "25000");
  Add("eth1", "down", "-1");
  Add("ib0", "up", "");
  tree_.Write("/sys/class/net/eth0/device/numa_node", "1\n");
  tree_.Write("/sys/class/net/eth1/device/numa_node", "-1\n");
  tree_.Write("/sys/class/net/lo/operstate", "unknown\n");
  EXPECT_THAT(
      ProbeInterfaces(tree_.root()),
      ElementsAre(NetworkInterface{"eth0", true, 25'000'000'000, 1},
                  NetworkInterface{"eth1", false, 0, {}}, NetworkInterface{"ib0", true, 0, {}}));
}

TEST_F(NetworkProbeTest, TakesTheBandwidthOfTheDefaultRouteElseTheFastest) {
  const std::vector<NetworkInterface> interfaces = {{"eth0", true, 10, {}},
                                                    {"eth1", false, 99, {}},
                                                    {"eth2", true, 40, {}},
                                                    {"ib0", true, 0, {}}};
  EXPECT_EQ(BandwidthOf(interfaces, "eth0"), 10);
  EXPECT_EQ(BandwidthOf(interfaces, "br0"), 40);
  EXPECT_EQ(BandwidthOf(interfaces, "ib0"), 40);
  EXPECT_EQ(BandwidthOf({}, ""), 0);
}

TEST_F(NetworkProbeTest, ReadsTheDefaultRoute) {
  EXPECT_EQ(DefaultInterface("Iface\tDestination\tGateway\neth1\t0000FEA9\t00000000\n"
                             "eth0\t00000000\t010011AC\n"),
            "eth0");
  EXPECT_EQ(DefaultInterface("Iface\tDestination\n"), "");
  EXPECT_EQ(DefaultInterface(""), "");
}

TEST(TpuProbeTest, FindsChipsByTheirPciAddresses) {
  const berth::testing::FileTree tree;
  const auto add = [&](const std::string& address, const std::string& vendor,
                       const std::string& device) {
    tree.Write("/sys/bus/pci/devices/" + address + "/vendor", vendor + "\n");
    tree.Write("/sys/bus/pci/devices/" + address + "/device", device + "\n");
  };
  add("0000:00:05.0", "0x1ae0", "0x0063");
  tree.Write("/sys/bus/pci/devices/0000:00:05.0/numa_node", "1\n");
  tree.Link("/sys/bus/pci/devices/0000:00:05.0/iommu_group", "../../../kernel/iommu_groups/7");
  tree.Write("/dev/vfio/7", "");
  add("0000:00:04.0", "0x1ae0", "0x005e");
  tree.Folder("/sys/bus/pci/devices/0000:00:04.0/accel/accel3");
  tree.Write("/dev/accel3", "");
  add("0000:00:06.0", "0x1ae0", "0x0063");  // no device file
  add("0000:00:07.0", "0x1ae0", "0x0042");  // Google's network interface
  add("0000:00:08.0", "0x10de", "0x005e");

  const std::vector<ProbedDevice> tpus = ProbeTpus(tree.root());
  ASSERT_EQ(tpus.size(), 3u);
  EXPECT_EQ(tpus[0], (ProbedDevice{.id = "tpu-0", .kind = "tpu", .model = "v4"}));
  EXPECT_EQ(tpus[1], (ProbedDevice{.id = "tpu-1", .kind = "tpu", .model = "v5e", .numa_node = 1}));
  EXPECT_EQ(tpus[2].unhealthy_reason, "the chip at 0000:00:06.0 has no device file");
}

TEST(MachineProbeTest, FindsThisMachine) {
  const auto machine = ProbeMachine("", "/");
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_GE(machine->cpu_milli, 1000);
  EXPECT_GT(machine->memory_bytes, 64 << 20);
  EXPECT_EQ(machine->labels.at("berth/os"), "linux");
  EXPECT_GT(machine->scratch_bytes, 0);
}

TEST(MachineProbeTest, ReadsAnotherMachinesTree) {
  const berth::testing::FileTree tree;
  tree.Write("/proc/meminfo", "MemTotal: 4096 kB\n");
  tree.Write("/proc/cpuinfo", "model name : A CPU\n");
  tree.Write("/proc/net/route", "eth0 00000000 0\n");
  tree.Folder("/sys/class/net/eth0/device");
  tree.Write("/sys/class/net/eth0/operstate", "up\n");
  tree.Write("/sys/class/net/eth0/speed", "1000\n");
  tree.Write("/etc/os-release", "NAME=x\nID=debian\nVERSION_ID=\"12\"\n");
  const auto machine = ProbeMachine(tree.root(), tree.root());
  ASSERT_TRUE(machine.ok()) << machine.status();
  EXPECT_EQ(machine->memory_bytes, 4 << 20);
  EXPECT_EQ(machine->cpu_model, "A CPU");
  EXPECT_EQ(machine->bandwidth_bits_per_s, 1'000'000'000);
  EXPECT_EQ(machine->labels.at("berth/os-release"), "debian-12");
  tree.Remove("/proc");
  EXPECT_FALSE(ProbeMachine(tree.root(), tree.root()).ok());
}

TEST(UsageProbeTest, ReadsWhatEachPartDoes) {
  const berth::testing::FileTree tree;
  tree.Write("/proc/pressure/cpu",
             "some avg10=1.53 avg60=9.00 avg300=0.00 total=1\n"
             "full avg10=0.25 avg60=0.00 avg300=0.00 total=0\n");
  tree.Write("/proc/pressure/io", "some avg10=100.00 avg60=0.00 avg300=0.00 total=1\n");
  tree.Folder("/sys/block/sda/device");
  tree.Write("/sys/block/sda/size", "100\n");
  tree.Write("/sys/block/sda/stat", "    1  2  10  4  5  6  20  8  9  77  11\n");
  tree.Folder("/sys/block/sdb/device");
  tree.Write("/sys/block/sdb/size", "100\n");  // it says nothing more
  tree.Folder("/sys/class/net/eth0/device");
  tree.Write("/sys/class/net/eth0/statistics/rx_bytes", "1000\n");
  tree.Write("/sys/class/net/eth0/statistics/tx_bytes", "2000\n");
  const v1::NodeUsage usage = ProbeParts(tree.root(), tree.root());
  EXPECT_EQ(usage.cpu_pressure().some_milli(), 15);
  EXPECT_EQ(usage.cpu_pressure().full_milli(), 2);
  EXPECT_FALSE(usage.has_memory_pressure());
  EXPECT_EQ(usage.io_pressure().some_milli(), 1000);
  EXPECT_GT(usage.scratch().free_bytes(), 0);
  ASSERT_EQ(usage.disks().disks_size(), 1);
  EXPECT_EQ(usage.disks().disks(0).read_bytes(), 10 * 512);
  EXPECT_EQ(usage.disks().disks(0).written_bytes(), 20 * 512);
  EXPECT_EQ(usage.disks().disks(0).busy_ms(), 77);
  ASSERT_EQ(usage.interfaces().interfaces_size(), 1);
  EXPECT_EQ(usage.interfaces().interfaces(0).sent_bytes(), 2000);
  EXPECT_FALSE(ProbeParts(tree.At("/nothing"), "/nothing").has_scratch());
}

TEST(UsageProbeTest, CountsBusyTimeWithoutIdleAndGuests) {
  // user nice system idle iowait irq softirq steal guest guest_nice
  EXPECT_EQ(BusyCpuMs("cpu  100 20 30 5000 400 1 2 3 50 50\ncpu0 1 1 1 1\n", 100), 1560);
  EXPECT_EQ(BusyCpuMs("intr 1 2 3\n", 100), 0);
  EXPECT_EQ(BusyCpuMs("", 100), 0);
  EXPECT_GT(ProbeUsage().cpu_time_ms(), 0);
}

}  // namespace
}  // namespace berth::agentd
