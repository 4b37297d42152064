#include "agentd/probe/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#include <type_traits>
#include <utility>

#include "agentd/probe/nvml_abi.h"
#include "agentd/probe/sysfs.h"
#include "base/logging.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

using nvml::Return;

constexpr int kDriverNotLoaded = 9;

// What the driver reports as XID and means the program, not the GPU: the next one will run well.
constexpr std::array<unsigned long long, 6> kProgramsXids = {13, 31, 43, 45, 68, 109};

// One way and for one link, by NVLink version.
constexpr std::array<int64_t, 6> kNvLinkBytesPerS = {
    0, 20'000'000'000, 25'000'000'000, 25'000'000'000, 25'000'000'000, 50'000'000'000};

// "NVIDIA A100-SXM4-80GB": "A100-SXM4-80GB". A word each, as jobs write it.
std::string ModelName(std::string_view name) {
  constexpr std::string_view kVendor = "NVIDIA ";
  if (name.starts_with(kVendor)) name.remove_prefix(kVendor.size());
  std::string model(name);
  std::replace(model.begin(), model.end(), ' ', '-');
  return model;
}

// NVML writes the domain with eight digits, sysfs with four: "00000000:07:00.0", "0000:07:00.0".
std::string SysfsAddress(const nvml::PciInfo& pci) {
  std::string address(pci.bus_id, strnlen(pci.bus_id, sizeof(pci.bus_id)));
  std::transform(address.begin(), address.end(), address.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (address.find(':') == 8) address.erase(0, 4);
  return address;
}

}  // namespace

// An optional function that the driver lacks answers kNotSupported.
class Nvml::Library : public nvml::Functions {
 public:
  static absl::StatusOr<std::unique_ptr<Library>> Open(const std::string& name);

  // Calls `function` if the driver has it.
  template <typename... Parameters, typename... Arguments>
  Return operator()(Return (*function)(Parameters...), Arguments... arguments) const {
    return function == nullptr ? nvml::kNotSupported : function(arguments...);
  }

  // What runs on a GPU or a slice. `newest_us`: of the samples that were seen; moved on.
  std::vector<ProcessDeviceUsage> ProcessesOn(nvml::Device handle, const std::string& id,
                                              unsigned long long* newest_us) const;

  nvml::EventSet events = nullptr;

 private:
  Library() : nvml::Functions{} {}
};

absl::StatusOr<std::unique_ptr<Nvml::Library>> Nvml::Library::Open(const std::string& name) {
  // Never closed: the library has threads of its own.
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return absl::NotFoundError(base::A(dlerror()));
  std::unique_ptr<Library> library(new Library);
  const char* missing = nullptr;
  const auto look_up = [&](const char* function, auto& pointer, bool is_required) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(dlsym(handle, function));
    if (pointer == nullptr && is_required && missing == nullptr) missing = function;
  };
#define BERTH_NVML_REQUIRED(function) look_up(#function, library->function, true)
#define BERTH_NVML_OPTIONAL(function) look_up(#function, library->function, false)
  BERTH_NVML_REQUIRED(nvmlInit_v2);
  BERTH_NVML_REQUIRED(nvmlErrorString);
  BERTH_NVML_REQUIRED(nvmlDeviceGetCount_v2);
  BERTH_NVML_REQUIRED(nvmlDeviceGetHandleByIndex_v2);
  BERTH_NVML_REQUIRED(nvmlDeviceGetUUID);
  BERTH_NVML_REQUIRED(nvmlDeviceGetName);
  BERTH_NVML_REQUIRED(nvmlDeviceGetMemoryInfo);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetPciInfo_v3);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetUtilizationRates);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetPowerUsage);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetTemperature);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetTotalEccErrors);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetMigMode);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetMaxMigDeviceCount);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetMigDeviceHandleByIndex);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetNvLinkState);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetNvLinkVersion);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetNvLinkRemoteDeviceType);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetNvLinkRemotePciInfo_v2);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetTopologyCommonAncestor);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetComputeRunningProcesses_v3);
  BERTH_NVML_OPTIONAL(nvmlDeviceGetProcessUtilization);
  BERTH_NVML_OPTIONAL(nvmlEventSetCreate);
  BERTH_NVML_OPTIONAL(nvmlDeviceRegisterEvents);
  BERTH_NVML_OPTIONAL(nvmlEventSetWait_v2);
  BERTH_NVML_OPTIONAL(nvmlEventSetFree);
  BERTH_NVML_OPTIONAL(nvmlShutdown);
#undef BERTH_NVML_REQUIRED
#undef BERTH_NVML_OPTIONAL
  if (missing != nullptr) {
    return absl::FailedPreconditionError(
        base::A(name + " has no " + missing + ": it is no driver of version 470 or newer"));
  }
  const Return result = library->nvmlInit_v2();
  if (result == kDriverNotLoaded) {
    return absl::NotFoundError(base::A(name + " is there, its driver is not loaded"));
  }
  if (result != nvml::kSuccess) {
    return absl::UnavailableError(
        base::A(name + " does not start: " + library->nvmlErrorString(result)));
  }
  return library;
}

std::vector<ProcessDeviceUsage> Nvml::Library::ProcessesOn(nvml::Device handle,
                                                           const std::string& id,
                                                           unsigned long long* newest_us) const {
  std::vector<ProcessDeviceUsage> processes;
  std::vector<nvml::ProcessInfo> found(64);
  auto count = static_cast<unsigned>(found.size());
  Return result = (*this)(nvmlDeviceGetComputeRunningProcesses_v3, handle, &count, found.data());
  if (result == nvml::kInsufficientSize) {
    found.resize(count + 64);  // some may start meanwhile
    count = static_cast<unsigned>(found.size());
    result = (*this)(nvmlDeviceGetComputeRunningProcesses_v3, handle, &count, found.data());
  }
  if (result != nvml::kSuccess) return processes;
  found.resize(count);
  for (const nvml::ProcessInfo& process : found) {
    const bool is_known = process.used_memory != ~0ULL;
    processes.push_back(
        {.pid = process.pid,
         .device = id,
         .memory_used_bytes = is_known ? static_cast<int64_t>(process.used_memory) : 0});
  }
  count = 0;
  if ((*this)(nvmlDeviceGetProcessUtilization, handle, nullptr, &count, *newest_us) !=
          nvml::kInsufficientSize ||
      count == 0) {
    return processes;
  }
  std::vector<nvml::ProcessUtilization> samples(count);
  if ((*this)(nvmlDeviceGetProcessUtilization, handle, samples.data(), &count, *newest_us) !=
      nvml::kSuccess) {
    return processes;
  }
  samples.resize(count);
  std::sort(samples.begin(), samples.end(),
            [](const auto& a, const auto& b) { return a.time_us < b.time_us; });
  for (const nvml::ProcessUtilization& sample : samples) {
    *newest_us = std::max(*newest_us, sample.time_us);
    for (ProcessDeviceUsage& process : processes) {
      if (process.pid == sample.pid) process.utilisation_percent = static_cast<int32_t>(sample.sm);
    }
  }
  return processes;
}

struct Nvml::Gpu {
  struct Slice {
    nvml::Device handle = nullptr;
    ProbedDevice device;
  };

  nvml::Device handle = nullptr;
  bool is_counted = false;  // in the last reading
  bool is_watched = false;  // for errors
  ProbedDevice device;
  std::string address;  // as sysfs has it; empty: not known
  std::vector<Slice> slices;
  std::string lasting_fault;         // since this was opened
  unsigned long long newest_us = 0;  // of its processes' samples
};

absl::StatusOr<std::unique_ptr<Nvml>> Nvml::Open(const std::string& library, std::string root) {
  auto opened = Library::Open(library);
  if (!opened.ok()) return opened.status();
  if ((**opened)((*opened)->nvmlEventSetCreate, &(*opened)->events) != nvml::kSuccess) {
    (*opened)->events = nullptr;
  }
  return std::unique_ptr<Nvml>(new Nvml(*std::move(opened), std::move(root)));
}

Nvml::Nvml(std::unique_ptr<Library> library, std::string root)
    : library_(std::move(library)), root_(std::move(root)) {}

Nvml::~Nvml() {
  const Library& nvml = *library_;
  if (nvml.events != nullptr) nvml(nvml.nvmlEventSetFree, nvml.events);
  nvml(nvml.nvmlShutdown);
}

GpuReading Nvml::Read() {
  ListGpus();
  GpuReading reading;
  for (auto& [uuid, gpu] : gpus_) {
    if (gpu.is_counted) Describe(gpu);
  }
  Link();
  for (auto& [uuid, gpu] : gpus_) {
    if (gpu.is_counted) ReadUsage(gpu, reading);
    if (!gpu.is_counted && gpu.device.unhealthy_reason.empty()) {
      gpu.device.unhealthy_reason = "the driver no longer counts it";
    }
    if (!gpu.lasting_fault.empty()) gpu.device.unhealthy_reason = gpu.lasting_fault;
    if (gpu.slices.empty()) {
      reading.devices.push_back(gpu.device);
      continue;
    }
    for (Gpu::Slice& slice : gpu.slices) {
      slice.device.unhealthy_reason = gpu.device.unhealthy_reason;
      reading.devices.push_back(slice.device);
    }
  }
  return reading;
}

void Nvml::ListGpus() {
  const Library& nvml = *library_;
  for (auto& [uuid, gpu] : gpus_) gpu.is_counted = false;
  unsigned count = 0;
  if (nvml.nvmlDeviceGetCount_v2(&count) != nvml::kSuccess) return;
  for (unsigned i = 0; i < count; ++i) {
    nvml::Device handle = nullptr;
    std::array<char, nvml::kUuidBytes> uuid = {};
    // One that is lost has no handle or no name any more; its UUID is known from before.
    if (nvml.nvmlDeviceGetHandleByIndex_v2(i, &handle) != nvml::kSuccess) continue;
    if (nvml.nvmlDeviceGetUUID(handle, uuid.data(), uuid.size() - 1) != nvml::kSuccess) continue;
    Gpu& gpu = gpus_[uuid.data()];
    gpu.handle = handle;
    gpu.is_counted = true;
    gpu.device.id = uuid.data();
    gpu.device.kind = "gpu";
  }
}

void Nvml::Describe(Gpu& gpu) {
  const Library& nvml = *library_;
  ProbedDevice& device = gpu.device;
  device.unhealthy_reason.clear();
  nvml::Memory memory = {};
  const Return answered = nvml.nvmlDeviceGetMemoryInfo(gpu.handle, &memory);
  if (answered == nvml::kGpuIsLost) {
    device.unhealthy_reason = "the GPU has fallen off the bus";
  } else if (answered == nvml::kResetRequired) {
    device.unhealthy_reason = "the GPU must be reset";
  } else if (answered != nvml::kSuccess && answered != nvml::kNotSupported) {
    device.unhealthy_reason = std::string("the driver says: ") + nvml.nvmlErrorString(answered);
  } else {
    device.memory_bytes = static_cast<int64_t>(memory.total);
  }
  if (device.model.empty()) {
    std::array<char, nvml::kNameBytes> name = {};
    if (nvml.nvmlDeviceGetName(gpu.handle, name.data(), name.size() - 1) == nvml::kSuccess) {
      device.model = ModelName(name.data());
    }
  }
  nvml::PciInfo pci = {};
  if (gpu.address.empty() &&
      nvml(nvml.nvmlDeviceGetPciInfo_v3, gpu.handle, &pci) == nvml::kSuccess) {
    gpu.address = SysfsAddress(pci);
    const auto numa = ReadNumber(root_ + "/sys/bus/pci/devices/" + gpu.address + "/numa_node");
    if (numa && *numa >= 0) device.numa_node = static_cast<int32_t>(*numa);
  }
  if (!gpu.is_watched && nvml.events != nullptr) {
    gpu.is_watched =
        nvml(nvml.nvmlDeviceRegisterEvents, gpu.handle, nvml::kEventXid | nvml::kEventDoubleBitEcc,
             nvml.events) == nvml::kSuccess;
  }
  unsigned long long errors = 0;
  if (nvml(nvml.nvmlDeviceGetTotalEccErrors, gpu.handle, nvml::kEccUncorrected, nvml::kEccVolatile,
           &errors) == nvml::kSuccess &&
      errors > 0 && device.unhealthy_reason.empty()) {
    device.unhealthy_reason =
        std::to_string(errors) + " uncorrected memory errors since the driver was loaded";
  }
  DescribeSlices(gpu);
}

void Nvml::DescribeSlices(Gpu& gpu) {
  const Library& nvml = *library_;
  unsigned mode = 0;
  unsigned pending = 0;
  unsigned count = 0;
  if (nvml(nvml.nvmlDeviceGetMigMode, gpu.handle, &mode, &pending) != nvml::kSuccess) {
    // A GPU that answers nothing has the slices that it had.
    if (gpu.device.unhealthy_reason.empty()) gpu.slices.clear();
    return;
  }
  std::vector<Gpu::Slice> slices;
  if (mode == nvml::kEnabled &&
      nvml(nvml.nvmlDeviceGetMaxMigDeviceCount, gpu.handle, &count) == nvml::kSuccess) {
    for (unsigned i = 0; i < count; ++i) {
      Gpu::Slice slice;
      std::array<char, nvml::kUuidBytes> uuid = {};
      std::array<char, nvml::kNameBytes> name = {};
      nvml::Memory memory = {};
      if (nvml(nvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu.handle, i, &slice.handle) !=
              nvml::kSuccess ||
          nvml.nvmlDeviceGetUUID(slice.handle, uuid.data(), uuid.size() - 1) != nvml::kSuccess) {
        continue;
      }
      slice.device = {.id = uuid.data(), .kind = "mig", .numa_node = gpu.device.numa_node};
      if (nvml.nvmlDeviceGetName(slice.handle, name.data(), name.size() - 1) == nvml::kSuccess) {
        // "NVIDIA A100-SXM4-80GB MIG 1g.10gb"
        const std::string_view text(name.data());
        const size_t at = text.rfind(' ');
        slice.device.model = text.substr(at == std::string_view::npos ? 0 : at + 1);
      }
      if (nvml.nvmlDeviceGetMemoryInfo(slice.handle, &memory) == nvml::kSuccess) {
        slice.device.memory_bytes = static_cast<int64_t>(memory.total);
      }
      slices.push_back(std::move(slice));
    }
  }
  gpu.slices = std::move(slices);
}

void Nvml::Link() {
  const Library& nvml = *library_;
  for (auto& [uuid, gpu] : gpus_) {
    if (!gpu.is_counted || !gpu.slices.empty()) continue;
    std::map<std::string, PeerLink> links;  // by peer
    const auto join = [&](const Gpu& peer, PeerLink::Kind kind, int64_t bandwidth) {
      if (&peer == &gpu || !peer.slices.empty()) return;
      const std::string& id = peer.device.id;
      PeerLink& link = links.try_emplace(id, PeerLink{.peer = id, .kind = kind}).first->second;
      link.kind = std::max(link.kind, kind);
      link.bandwidth_bytes_per_s += bandwidth;
    };
    for (unsigned i = 0; i < nvml::kMostNvLinks; ++i) {
      nvml::EnableState state = nvml::kDisabled;
      if (nvml(nvml.nvmlDeviceGetNvLinkState, gpu.handle, i, &state) != nvml::kSuccess ||
          state != nvml::kEnabled) {
        continue;
      }
      unsigned version = 0;
      nvml(nvml.nvmlDeviceGetNvLinkVersion, gpu.handle, i, &version);
      const int64_t bandwidth =
          version < kNvLinkBytesPerS.size() ? kNvLinkBytesPerS[version] : kNvLinkBytesPerS.back();
      nvml::LinkPeer other = nvml::kLinkPeerGpu;
      nvml(nvml.nvmlDeviceGetNvLinkRemoteDeviceType, gpu.handle, i, &other);
      if (other == nvml::kLinkPeerSwitch) {
        // Any GPU behind the switches is reached at the speed of all links.
        for (const auto& [id, peer] : gpus_) join(peer, PeerLink::Kind::kNvswitch, bandwidth);
        continue;
      }
      nvml::PciInfo pci = {};
      if (nvml(nvml.nvmlDeviceGetNvLinkRemotePciInfo_v2, gpu.handle, i, &pci) != nvml::kSuccess) {
        continue;
      }
      for (const auto& [id, peer] : gpus_) {
        if (peer.address == SysfsAddress(pci)) join(peer, PeerLink::Kind::kNvlink, bandwidth);
      }
    }
    for (const auto& [id, peer] : gpus_) {
      nvml::Topology distance = nvml::kHostBridge;
      if (!peer.is_counted || links.contains(id)) continue;
      if (nvml(nvml.nvmlDeviceGetTopologyCommonAncestor, gpu.handle, peer.handle, &distance) ==
              nvml::kSuccess &&
          distance <= nvml::kMultiple) {
        join(peer, PeerLink::Kind::kPcie, 0);
      }
    }
    gpu.device.links.clear();
    for (auto& [id, link] : links) gpu.device.links.push_back(std::move(link));
  }
}

void Nvml::ReadUsage(Gpu& gpu, GpuReading& reading) {
  const Library& nvml = *library_;
  const auto read = [&](nvml::Device handle, const std::string& id, bool is_whole) {
    std::vector<ProcessDeviceUsage> processes = nvml.ProcessesOn(handle, id, &gpu.newest_us);
    reading.processes.insert(reading.processes.end(), processes.begin(), processes.end());
    DeviceUsage usage{.id = id};
    nvml::Memory memory = {};
    if (nvml.nvmlDeviceGetMemoryInfo(handle, &memory) == nvml::kSuccess) {
      usage.memory_used_bytes = static_cast<int64_t>(memory.used);
    }
    nvml::Utilization utilisation = {};
    if (nvml(nvml.nvmlDeviceGetUtilizationRates, handle, &utilisation) == nvml::kSuccess) {
      usage.utilisation_percent = static_cast<int32_t>(utilisation.gpu);
    }
    if (is_whole) {
      unsigned amount = 0;
      if (nvml(nvml.nvmlDeviceGetPowerUsage, handle, &amount) == nvml::kSuccess) {
        usage.power_milliwatts = static_cast<int32_t>(amount);
      }
      if (nvml(nvml.nvmlDeviceGetTemperature, handle, nvml::kSensorGpu, &amount) ==
          nvml::kSuccess) {
        usage.temperature_celsius = static_cast<int32_t>(amount);
      }
      unsigned long long errors = 0;
      if (nvml(nvml.nvmlDeviceGetTotalEccErrors, handle, nvml::kEccUncorrected, nvml::kEccVolatile,
               &errors) == nvml::kSuccess) {
        usage.uncorrected_errors = static_cast<int64_t>(errors);
      }
    }
    reading.usage.push_back(std::move(usage));
  };
  if (gpu.slices.empty()) return read(gpu.handle, gpu.device.id, true);
  for (const Gpu::Slice& slice : gpu.slices) read(slice.handle, slice.device.id, false);
}

bool Nvml::AwaitErrors(std::chrono::milliseconds patience) {
  const Library& nvml = *library_;
  nvml::EventData event = {};
  const Return result = nvml.events == nullptr ? nvml::kNotSupported
                                               : nvml(nvml.nvmlEventSetWait_v2, nvml.events, &event,
                                                      static_cast<unsigned>(patience.count()));
  if (result == nvml::kTimeout) return false;
  if (result != nvml::kSuccess) {  // at once; the next reading says what is wrong
    std::this_thread::sleep_for(patience);
    return false;
  }
  const auto gpu = std::find_if(gpus_.begin(), gpus_.end(), [&](const auto& each) {
    return each.second.handle == event.device;
  });
  if (gpu == gpus_.end()) return false;
  std::string& fault = gpu->second.lasting_fault;
  if (event.event_type == nvml::kEventDoubleBitEcc) {
    fault = "an uncorrected memory error";
  } else if (std::find(kProgramsXids.begin(), kProgramsXids.end(), event.event_data) ==
             kProgramsXids.end()) {
    fault = "XID " + std::to_string(event.event_data);
  } else {
    return false;
  }
  BERTH_LOG_ERROR("GPU {}: {}; it gets no more tasks", gpu->first, fault);
  return true;
}

}  // namespace berth::agentd
