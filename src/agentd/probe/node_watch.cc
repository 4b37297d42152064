#include "agentd/probe/node_watch.h"

#include <google/protobuf/util/message_differencer.h>
#include <pthread.h>

#include <utility>

#include "agentd/probe/inventory.h"
#include "agentd/probe/machine_probe.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace berth::agentd {

absl::StatusOr<std::unique_ptr<NodeWatch>> NodeWatch::Open(Options options) {
  std::unique_ptr<NodeWatch> watch(new NodeWatch(std::move(options)));
  if (watch->gpus_ != nullptr) {
    const absl::Status gpus = watch->gpus_->AwaitFirst(watch->options_.first_wait);
    if (absl::IsDeadlineExceeded(gpus)) {
      BERTH_LOG_ERROR("{}: its GPUs are told of when it does", gpus.message());
    }
  }
  BERTH_ASSIGN_OR_RETURN(const Machine machine, watch->Probe());
  const Options& given = watch->options_;
  BERTH_ASSIGN_OR_RETURN(watch->told_, MakeInventory(machine, given.declared, given.reserve));
  return watch;
}

NodeWatch::NodeWatch(Options options)
    : options_(std::move(options)),
      data_sets_(options_.data_roots),
      models_(options_.model_roots),
      declared_(options_.declared),
      reserve_(options_.reserve) {
  if (options_.declared.devices.empty()) {
    gpus_ = std::make_unique<GpuMonitor>(options_.gpus, [this] { Kick(); });
  }
}

NodeWatch::~NodeWatch() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    kicked_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void NodeWatch::Start(OnChange on_change) {
  on_change_ = std::move(on_change);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "probe");
    Run();
  });
}

absl::Status NodeWatch::Redeclare(config::InventoryConfig declared, config::ReserveConfig reserve) {
  BERTH_ASSIGN_OR_RETURN(const Machine machine,
                         ProbeMachine(options_.root, options_.scratch_folder));
  const auto inventory = MakeInventory(machine, declared, reserve);
  if (!inventory.ok()) return inventory.status();
  base::MutexLock lock(mutex_);
  declared_ = std::move(declared);
  reserve_ = reserve;
  is_kicked_ = true;
  kicked_.NotifyAll();
  return absl::OkStatus();
}

GpuReading NodeWatch::Gpus() const { return gpus_ == nullptr ? GpuReading{} : gpus_->Latest(); }

absl::StatusOr<Machine> NodeWatch::Probe() {
  BERTH_ASSIGN_OR_RETURN(Machine machine, ProbeMachine(options_.root, options_.scratch_folder));
  std::vector<ProbedDevice> gpus = Gpus().devices;
  machine.devices.insert(machine.devices.end(), gpus.begin(), gpus.end());
  if (scratch_bytes_ < 0) scratch_bytes_ = machine.scratch_bytes;
  machine.scratch_bytes = scratch_bytes_;
  return machine;
}

void NodeWatch::Kick() {
  base::MutexLock lock(mutex_);
  is_kicked_ = true;
  kicked_.NotifyAll();
}

void NodeWatch::Run() {
  for (;;) {
    config::InventoryConfig declared;
    config::ReserveConfig reserve;
    {
      base::MutexLock lock(mutex_);
      const auto next = std::chrono::steady_clock::now() + options_.interval;
      while (!stopping_ && !is_kicked_ && std::chrono::steady_clock::now() < next) {
        kicked_.WaitUntil(mutex_, next);
      }
      if (stopping_) return;
      is_kicked_ = false;
      declared = declared_;
      reserve = reserve_;
    }
    auto machine = Probe();
    if (!machine.ok()) {
      BERTH_LOG_ERROR("the node's inventory stays as it was: {}", machine.status().message());
      continue;
    }
    machine->data_sets = data_sets_.Find();
    machine->models = models_.Find();
    auto inventory = MakeInventory(*machine, declared, reserve);
    if (!inventory.ok()) {
      BERTH_LOG_ERROR("the node's inventory stays as it was: {}", inventory.status().message());
      continue;
    }
    if (google::protobuf::util::MessageDifferencer::Equals(*inventory, told_)) continue;
    told_ = *std::move(inventory);
    on_change_(told_);
  }
}

}  // namespace berth::agentd
