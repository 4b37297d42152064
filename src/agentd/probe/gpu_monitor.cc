#include "agentd/probe/gpu_monitor.h"

#include <pthread.h>

#include <thread>
#include <utility>

#include "base/logging.h"
#include "base/mutex.h"

namespace berth::agentd {
namespace {

using std::chrono::steady_clock;

// Between two looks whether to stop.
constexpr std::chrono::milliseconds kMostWait{250};
constexpr std::chrono::milliseconds kMostFarewell{2000};

}  // namespace

struct GpuMonitor::State {
  State(Options given, OnChange told) : options(std::move(given)), on_change(std::move(told)) {}

  // Back from the driver. False: to stop.
  bool Returned() BERTH_REQUIRES(mutex) {
    returned_at = steady_clock::now();
    return !stopping;
  }

  const Options options;

  mutable base::Mutex mutex;
  base::CondVar changed;
  OnChange on_change BERTH_GUARDED_BY(mutex);
  bool stopping BERTH_GUARDED_BY(mutex) = false;
  bool has_ended BERTH_GUARDED_BY(mutex) = false;
  bool is_known BERTH_GUARDED_BY(mutex) = false;  // whether there is a driver
  absl::Status opened BERTH_GUARDED_BY(mutex);
  steady_clock::time_point returned_at BERTH_GUARDED_BY(mutex) = steady_clock::now();
  GpuReading latest BERTH_GUARDED_BY(mutex);
};

GpuMonitor::GpuMonitor(Options options, OnChange on_change)
    : state_(std::make_shared<State>(std::move(options), std::move(on_change))) {
  std::thread([state = state_] {
    pthread_setname_np(pthread_self(), "gpus");
    Run(state);
    base::MutexLock lock(state->mutex);
    state->has_ended = true;
    state->changed.NotifyAll();
  }).detach();
}

GpuMonitor::~GpuMonitor() {
  base::MutexLock lock(state_->mutex);
  state_->stopping = true;
  state_->on_change = nullptr;
  state_->changed.NotifyAll();
  const auto deadline = steady_clock::now() + kMostFarewell;
  while (!state_->has_ended && steady_clock::now() < deadline) {
    state_->changed.WaitUntil(state_->mutex, deadline);
  }
}

absl::Status GpuMonitor::AwaitFirst(std::chrono::milliseconds patience) {
  base::MutexLock lock(state_->mutex);
  const auto deadline = steady_clock::now() + patience;
  while (!state_->is_known) {
    if (!state_->changed.WaitUntil(state_->mutex, deadline)) {
      return absl::DeadlineExceededError("NVIDIA's driver does not answer");
    }
  }
  return state_->opened;
}

GpuReading GpuMonitor::Latest() const {
  base::MutexLock lock(state_->mutex);
  GpuReading reading = state_->latest;
  if (steady_clock::now() - state_->returned_at > state_->options.patience) {
    for (ProbedDevice& device : reading.devices) {
      device.unhealthy_reason = "NVIDIA's driver does not answer";
    }
    reading.usage.clear();
    reading.processes.clear();
  }
  return reading;
}

void GpuMonitor::Run(const std::shared_ptr<State>& state) {
  std::unique_ptr<Nvml> nvml;
  while (nvml == nullptr) {
    auto opened = Nvml::Open(state->options.library, state->options.root);
    base::MutexLock lock(state->mutex);
    state->is_known = true;
    state->opened = opened.status();
    if (opened.ok()) {
      state->is_known = false;  // until it has been read
      nvml = *std::move(opened);
    } else if (!absl::IsNotFound(opened.status())) {
      BERTH_LOG_ERROR("GPUs are not seen: {}", opened.status().message());
    }
    state->changed.NotifyAll();
    const auto next = steady_clock::now() + state->options.retry;
    while (nvml == nullptr && !state->stopping && steady_clock::now() < next) {
      state->changed.WaitUntil(state->mutex, next);
    }
    if (!state->Returned()) return;
  }
  for (;;) {
    GpuReading reading = nvml->Read();
    {
      base::MutexLock lock(state->mutex);
      const bool has_changed = reading.devices != state->latest.devices;
      state->latest = std::move(reading);
      state->is_known = true;
      state->changed.NotifyAll();
      if (!state->Returned()) return;
      // Under the mutex: whoever is told is there until the destructor has had it.
      if (has_changed) state->on_change();
    }
    const auto next = steady_clock::now() + state->options.interval;
    bool has_error = false;
    while (!has_error && steady_clock::now() < next) {
      has_error = nvml->AwaitErrors(kMostWait);
      base::MutexLock lock(state->mutex);
      if (!state->Returned()) return;
    }
  }
}

}  // namespace berth::agentd
