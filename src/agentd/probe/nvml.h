// GPUs through NVIDIA's management library.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agentd/probe/machine.h"

namespace berth::agentd {

// What a GPU, or a slice of one, does now.
struct DeviceUsage {
  std::string id;                    // ProbedDevice::id
  int32_t utilisation_percent = -1;  // of the driver's last sample; -1: not known
  int64_t memory_used_bytes = 0;
  int32_t power_milliwatts = -1;     // -1: not known
  int32_t temperature_celsius = -1;  // -1: not known
  int64_t uncorrected_errors = 0;    // of its memory, since the driver was loaded

  friend bool operator==(const DeviceUsage&, const DeviceUsage&) = default;
};

// A process's use of one device.
struct ProcessDeviceUsage {
  int64_t pid = 0;
  std::string device;                // ProbedDevice::id
  int64_t memory_used_bytes = 0;     // 0: not known
  int32_t utilisation_percent = -1;  // -1: not known

  friend bool operator==(const ProcessDeviceUsage&, const ProcessDeviceUsage&) = default;
};

struct GpuReading {
  std::vector<ProbedDevice> devices;
  std::vector<DeviceUsage> usage;
  std::vector<ProcessDeviceUsage> processes;

  friend bool operator==(const GpuReading&, const GpuReading&) = default;
};

// The library, opened at run time.
//
// A GPU that was seen once stays in every later reading: one that is lost, or is not counted any
// more, is unhealthy, and so is one with a critical XID since this was opened or with an
// uncorrected memory error since the driver was loaded. A GPU that is cut into MIG slices is told
// of as its slices: kind "mig", the profile ("1g.10gb") as the model.
//
// Threading: one owner. Every call may block for as long as the driver does.
class Nvml {
 public:
  // `library`: a path, or a name for the loader to find. `root`: of the tree with /sys; "": this
  // machine's. NotFound: no such library, or no driver, so no GPU of NVIDIA's. Other errors say
  // what is wrong.
  static absl::StatusOr<std::unique_ptr<Nvml>> Open(const std::string& library, std::string root);
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml();

  GpuReading Read();
  // Waits up to `patience` for an error that the driver reports; true: a GPU is no longer healthy.
  // Where the driver reports none it waits all the same.
  bool AwaitErrors(std::chrono::milliseconds patience);

 private:
  class Library;
  struct Gpu;

  Nvml(std::unique_ptr<Library> library, std::string root);

  void ListGpus();
  void Describe(Gpu& gpu);
  void DescribeSlices(Gpu& gpu);
  void Link();
  void ReadUsage(Gpu& gpu, GpuReading& reading);

  const std::unique_ptr<Library> library_;
  const std::string root_;
  std::map<std::string, Gpu> gpus_;  // by UUID
};

}  // namespace berth::agentd
