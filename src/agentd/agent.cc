#include "agentd/agent.h"

#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "agentd/cgroups/detect.h"
#include "agentd/probe/usage_probe.h"
#include "base/fixed_hash.h"
#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "shim/lease_file.h"

namespace berth::agentd {
namespace {

constexpr int64_t kSweepMs = 3600 * 1000;
constexpr int64_t kTendMs = 5000;
constexpr int64_t kCleanUpMs = 30'000;
constexpr int64_t kFirstRetryMs = 100;
constexpr int64_t kMostRetryMs = 10'000;

absl::StatusOr<std::string> BootId() {
  BERTH_ASSIGN_OR_RETURN(std::string id, base::ReadSmallFile("/proc/sys/kernel/random/boot_id"));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace

Agent::Agent(Options options, const base::Clock& clock, StateDirectory directory)
    : options_(std::move(options)),
      clock_(clock),
      directory_(std::move(directory)),
      store_(directory_.path(), clock),
      loop_(clock) {}

Agent::~Agent() {
  // From the outside in: first what can still call in, last what the loop's thread uses.
  link_.reset();
  output_.reset();
  if (users_) users_->Stop();
  sweeper_.Stop();
  journal_.reset();
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Create(Options options, const base::Clock& clock) {
  if (access(options.shim_program.c_str(), X_OK) != 0) {
    return absl::FailedPreconditionError(base::A("the shim " + options.shim_program +
                                                 " is not there or not executable: build it, or set"
                                                 " `shim` in agent.yaml to where it is"));
  }
  BERTH_ASSIGN_OR_RETURN(StateDirectory directory, StateDirectory::Open(options.config.state_dir));
  std::unique_ptr<Agent> agent(new Agent(std::move(options), clock, std::move(directory)));
  BERTH_RETURN_IF_ERROR(agent->Prepare());
  return agent;
}

absl::Status Agent::Prepare() {
  const config::AgentConfig& config = options_.config;
  BERTH_ASSIGN_OR_RETURN(const std::string target, GrpcTarget(config.server));
  BERTH_RETURN_IF_ERROR(store_.Open());
  BERTH_ASSIGN_OR_RETURN(watch_, NodeWatch::Open({.declared = config.inventory,
                                                  .reserve = config.reserve,
                                                  .data_roots = config.data_roots,
                                                  .model_roots = config.model_roots,
                                                  .scratch_folder = config.state_dir}));
  lease_.reset(shim::OpenLease(directory_.lease_path().c_str()));
  if (!lease_.valid()) {
    return absl::ErrnoToStatus(
        -lease_.get(),
        base::A("cannot open " + directory_.lease_path() +
                ": set `stateDir` in agent.yaml to a place that its user may write"));
  }
  BERTH_ASSIGN_OR_RETURN(const std::string mountinfo, base::ReadSmallFile("/proc/self/mountinfo"));
  BERTH_ASSIGN_OR_RETURN(cgroups_, OpenCgroups(cgroup_tree_, ParseCgroupMounts(mountinfo),
                                               config.isolation, config.cgroup_root));

  ProcessDriver::Node node;
  node.name = config.node_name;
  node.allow_root = config.allow_root;
  node.agent_uid = geteuid();
  node.agent_gid = getegid();
  if (const char* path = getenv("PATH"); path != nullptr && *path != '\0') node.path = path;
  if (const char* lang = getenv("LANG"); lang != nullptr && *lang != '\0') node.lang = lang;
  node.open_files_soft = options_.open_files_soft;
  node.lease_path = directory_.lease_path();
  driver_ = std::make_unique<ProcessDriver>(std::move(node));
  driver_->SetDevices(watch_->inventory());
  users_ = std::make_unique<UserDirectory>(
      clock_, [this](EventLoop::Callback work) { loop_.Post(std::move(work)); });

  core_ = std::make_unique<AgentCore>(AgentCore::Options{config.node_name, options_.version,
                                                         std::string(cgroups_->isolation()),
                                                         watch_->inventory(), base::NewUuid()});
  BERTH_ASSIGN_OR_RETURN(JournalFile file, OpenJournal());
  pump_ = std::make_unique<CorePump>(*core_, static_cast<AgentHands&>(*this));

  runner_ = std::make_unique<TaskRunner>(
      TaskRunner::Parts{loop_, clock_, *cgroups_, *users_, *driver_, store_, options_.shim_program},
      [this](Event event) {
        if (const auto* started = std::get_if<TaskStarted>(&event)) {
          output_->Changed(started->key, false);
        }
        Report(std::move(event));
      });
  BERTH_RETURN_IF_ERROR(runner_->Open());

  const std::shared_ptr<grpc::Channel> channel = MakeChannel(target);
  output_ = std::make_unique<OutputServer>(store_, clock_, channel);
  AgentLink::Callbacks callbacks;
  callbacks.on_up = [this](uint64_t link) { Report(LinkUp{link}); };
  callbacks.on_message = [this](uint64_t link, v1::DaemonMessage message) {
    if (message.has_welcome()) link_->Welcomed();
    Report(MessageReceived{link, std::move(message)});
  };
  callbacks.on_down = [this](uint64_t link) { Report(LinkDown{link}); };
  const std::string& identity =
      core_->incarnation().empty() ? config.node_name : core_->incarnation();
  link_ = std::make_unique<AgentLink>(
      loop_, clock_, channel, config.server,
      Backoff(kFirstRetryMs, kMostRetryMs, base::FixedHash(identity)), std::move(callbacks));

  loop_.set_end_of_turn([this] { EndOfTurn(); });
  loop_.set_next_deadline(
      [this] { return core_->deadline_ms().value_or(std::numeric_limits<int64_t>::max()); });
  journal_ = std::make_unique<Journal>(
      std::move(file),
      Journal::Callbacks{
          [this](uint64_t ticket, bool space_low) {
            loop_.Post([this, ticket, space_low] { pump_->Durable(ticket, space_low); });
          },
          [this](const absl::Status& error) { loop_.Post([this, error] { Fail(error); }); }});
  return absl::OkStatus();
}

absl::StatusOr<JournalFile> Agent::OpenJournal() {
  absl::StatusOr<JournalFile> file = JournalFile::Open(
      directory_.journal_path(), [this](std::string_view record) { return core_->Replay(record); });
  if (file.ok() && file->torn_bytes() > 0) {
    BERTH_LOG_WARN(
        "the journal's last {} bytes were not whole and were cut off: what they said had"
        " not been acted on",
        file->torn_bytes());
  }
  return file;
}

absl::Status Agent::Run() {
  BERTH_ASSIGN_OR_RETURN(std::string boot_id, BootId());
  Report(Began{std::move(boot_id), shim::ReadLease(directory_.lease_path().c_str())});
  EndOfTurn();  // also looks for each attempt that the journal knows
  loop_.Post([this] { Begin(); });
  loop_.Run();
  return fatal_;
}

void Agent::Begin() {
  // Effects of Began wait for the journal when it is new; then there is nothing to adopt.
  // What the journal does not know berthd does not know either, once it is told: it must be gone
  // before its room is given to others. What no signal ends must not keep the node away for ever.
  runner_->CleanUp([this](const AttemptKey& key) { return core_->Knows(key); },
                   [this] { StartLink(); });
  loop_.At(clock_.MonotonicMs() + kCleanUpMs, [this] { StartLink(); });
  SweepOutput();
  TendTasks();
  watch_->Start([this](const v1::NodeInventory& inventory) {
    loop_.Post([this, inventory] { UpdateInventory(inventory); });
  });
}

void Agent::StartLink() {
  if (!std::exchange(dials_, true)) link_->Start();
}

void Agent::Stop() {
  loop_.Post([this] {
    BERTH_LOG_INFO(
        "stopping: {} attempts go on under their shims, and are found again at the next"
        " start",
        core_->live_attempts());
    loop_.Stop();
  });
}

absl::Status Agent::Redeclare(const config::InventoryConfig& declared,
                              const config::ReserveConfig& reserve) {
  return watch_->Redeclare(declared, reserve);
}

void Agent::UpdateInventory(v1::NodeInventory inventory) {
  driver_->SetDevices(inventory);
  Report(InventoryChanged{std::move(inventory)});
}

// ---- what the pump acts with ----

void Agent::EndOfTurn() {
  while (pump_->Pass(clock_.MonotonicMs())) {
  }
}

void Agent::Append(std::vector<std::string> records, uint64_t ticket) {
  journal_->Append(std::move(records), ticket);
}

void Agent::AppendLater(std::vector<std::string> records) {
  journal_->AppendLater(std::move(records));
}

void Agent::Replace(std::vector<std::string> snapshot, uint64_t ticket) {
  journal_->Replace(std::move(snapshot), ticket);
}

uint64_t Agent::journal_bytes() const { return journal_->bytes(); }

void Agent::Fail(absl::Status error) {
  fatal_ = std::move(error);
  pump_->Halt();
  loop_.Stop();
}

void Agent::SweepOutput() {
  sweeper_.Post([this] { store_.Sweep(); });
  loop_.At(clock_.MonotonicMs() + kSweepMs, [this] { SweepOutput(); });
}

// Also while berthd is away.
void Agent::TendTasks() {
  runner_->Tend();
  loop_.At(clock_.MonotonicMs() + kTendMs, [this] { TendTasks(); });
}

// ---- effects ----

void Agent::Do(Effect& effect) {
  std::visit([this](auto& each) { Do(each); }, effect);
}

void Agent::Do(Launch& effect) {
  runner_->Launch(effect.key, std::move(effect.start), effect.lease_until_ms);
}

void Agent::Do(const Inspect& effect) { runner_->Inspect(effect.key); }

void Agent::Do(const StopAttempt& effect) { runner_->Stop(effect.key, effect.grace_ms); }

void Agent::Do(const ForceKill& effect) { runner_->ForceKill(effect.key); }

void Agent::Do(const TidyAttempt& effect) {
  output_->Changed(effect.key, true);
  store_.Tidy(effect.key, !output_->Serves(effect.key));
}

void Agent::Do(const RenewLease& effect) {
  const int error = shim::WriteLease(lease_.get(), effect.lease);
  if (error == 0) return;
  BERTH_LOG_ERROR(
      "{}; tasks with onPartition: kill end when the lease that it still shows has passed",
      absl::ErrnoToStatus(error, base::A("cannot write " + directory_.lease_path())).ToString());
}

void Agent::Do(Send& effect) { link_->Send(effect.link, std::move(effect.message)); }

void Agent::Do(const CloseLink& effect) { link_->Close(effect.link, effect.slow_retry); }

void Agent::Do(const SampleUsage&) {
  UsageSampled sampled;
  const GpuReading gpus = watch_->Gpus();
  sampled.node = ProbeUsage();
  sampled.parts = ProbeParts("", options_.config.state_dir);
  if (!gpus.usage.empty()) *sampled.parts.mutable_devices() = ToProto(gpus.usage);
  sampled.attempts = runner_->SampleUsage(gpus.processes);
  sampled.boot_time_ms = clock_.MonotonicMs();
  sampled.unix_ms = clock_.WallMs();
  Report(std::move(sampled));
}

void Agent::Do(OpenDataChannel& effect) {
  const AttemptKey key = FromProto(effect.request.read_output().key());
  output_->Open(std::move(effect.request), core_->Knows(key), core_->IsLive(key));
}

void Agent::Do(const Say& effect) {
  switch (effect.level) {
    case Say::Level::kDebug:
      BERTH_LOG_DEBUG("{}", effect.text);
      break;
    case Say::Level::kInfo:
      BERTH_LOG_INFO("{}", effect.text);
      break;
    case Say::Level::kWarn:
      BERTH_LOG_WARN("{}", effect.text);
      break;
    case Say::Level::kError:
      BERTH_LOG_ERROR("{}", effect.text);
      break;
  }
}

}  // namespace berth::agentd
