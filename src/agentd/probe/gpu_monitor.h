// Reads GPUs again and again on a thread of its own, so that a driver that hangs holds up nobody.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "agentd/probe/nvml.h"

namespace berth::agentd {

// Threading: one owner, who may ask from any thread.
class GpuMonitor {
 public:
  struct Options {
    std::string library = "libnvidia-ml.so.1";
    std::string root;  // of the tree with /sys; "": this machine's
    std::chrono::milliseconds interval{10'000};
    // A driver that keeps a call for longer hangs: its GPUs are unhealthy until it answers.
    std::chrono::milliseconds patience{30'000};
    // Between two tries where there is no driver: it may be loaded later.
    std::chrono::milliseconds retry{60'000};
  };
  // Told when a reading finds other devices, or others healthy, than the one before; on the
  // monitor's thread. Must not call the monitor. A driver that begins to hang is not told of: ask.
  using OnChange = std::function<void()>;

  GpuMonitor(Options options, OnChange on_change);
  GpuMonitor(const GpuMonitor&) = delete;
  GpuMonitor& operator=(const GpuMonitor&) = delete;
  // Waits a moment for the thread to leave the driver; from one that hangs it does not come back,
  // and is left behind.
  ~GpuMonitor();

  // Waits for the first reading, or the word that there is no driver. NotFound: no driver, so no
  // GPU of NVIDIA's. DeadlineExceeded: neither came within `patience`.
  absl::Status AwaitFirst(std::chrono::milliseconds patience);

  // The last reading; while the driver hangs every device of it is unhealthy.
  GpuReading Latest() const;

 private:
  struct State;

  static void Run(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;  // shared with the thread
};

}  // namespace berth::agentd
