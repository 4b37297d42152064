// Watches what the node has.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentd/probe/gpu_monitor.h"
#include "agentd/probe/local_data.h"
#include "agentd/probe/machine.h"
#include "base/mutex.h"
#include "berth/v1/agent.pb.h"
#include "config/agent_config.h"

namespace berth::agentd {

// Probes the machine on a thread of its own, and tells when what the node offers has changed: a
// device was lost or is back, memory was added, a data set came.
//
// Threading: one owner; Redeclare and Gpus from any thread.
class NodeWatch {
 public:
  struct Options {
    config::InventoryConfig declared;
    config::ReserveConfig reserve;
    std::vector<std::string> data_roots;
    std::vector<std::string> model_roots;
    std::string scratch_folder;  // exists
    std::string root;            // of the tree with /proc and /sys; "": this machine's
    GpuMonitor::Options gpus;
    // How long Open waits for the driver of GPUs.
    std::chrono::milliseconds first_wait{10'000};
    std::chrono::milliseconds interval{30'000};
  };
  // On the watch's thread.
  using OnChange = std::function<void(const v1::NodeInventory&)>;

  // Probes once, data apart: that is told of when it was measured. A driver of GPUs that is not
  // heard of in time is logged, and its GPUs come when it answers. Errors: /proc is not there;
  // nothing is left beside the reserve.
  static absl::StatusOr<std::unique_ptr<NodeWatch>> Open(Options options);
  NodeWatch(const NodeWatch&) = delete;
  NodeWatch& operator=(const NodeWatch&) = delete;
  ~NodeWatch();

  // As of Open, until Start.
  [[nodiscard]] const v1::NodeInventory& inventory() const { return told_; }
  // Watches from now on.
  void Start(OnChange on_change);

  // The configuration says something else; tells of what changes by it before long. Errors as
  // Open's; then all stays as it was.
  absl::Status Redeclare(config::InventoryConfig declared, config::ReserveConfig reserve);

  // What the GPUs do. Empty where devices are declared.
  [[nodiscard]] GpuReading Gpus() const;

 private:
  explicit NodeWatch(Options options);

  absl::StatusOr<Machine> Probe();
  void Kick();
  void Run();

  const Options options_;
  LocalData data_sets_;  // the thread's
  LocalData models_;     // the thread's
  OnChange on_change_;
  v1::NodeInventory told_;  // the thread's after Start
  // As of Open: what tasks fill of it later is theirs.
  int64_t scratch_bytes_ = -1;

  mutable base::Mutex mutex_;
  base::CondVar kicked_;
  bool stopping_ BERTH_GUARDED_BY(mutex_) = false;
  bool is_kicked_ BERTH_GUARDED_BY(mutex_) = true;  // the data is still to be measured
  config::InventoryConfig declared_ BERTH_GUARDED_BY(mutex_);
  config::ReserveConfig reserve_ BERTH_GUARDED_BY(mutex_);

  std::unique_ptr<GpuMonitor> gpus_;  // null: devices are declared. It kicks: what is above
  std::thread thread_;                // last: it uses all of it
};

}  // namespace berth::agentd
