#include "agentd/agent.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "agentd/cgroups/detect.h"
#include "agentd/channels/diagnosis_server.h"
#include "agentd/channels/forward_server.h"
#include "agentd/drivers/oci_bundle.h"
#include "agentd/probe/cpu_probe.h"
#include "agentd/probe/disk_probe.h"
#include "agentd/probe/node_examination.h"
#include "agentd/probe/usage_probe.h"
#include "base/fixed_hash.h"
#include "base/ipv4_subnet.h"
#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "berth/resources.h"
#include "shim/container.h"
#include "shim/lease_file.h"

namespace berth::agentd {
namespace {

constexpr int64_t kSweepMs = 3600 * 1000;
constexpr int64_t kTendMs = 5000;
// A node's first health check is waited for; berthd counts on hearing from it before long.
constexpr int64_t kFirstCheckMs = 10'000;
constexpr int64_t kCleanUpMs = 30'000;
constexpr int64_t kFirstDialPauseMs = 100;
constexpr int64_t kMostDialPauseMs = 10'000;
// With less room than that left on its disk, the node ends who takes up too much of it.
constexpr int64_t kLeastFreeShare = 100;
constexpr int64_t kLeastFreeBytes = int64_t{64} << 20;
constexpr int64_t kMostLeastFreeBytes = int64_t{1} << 30;

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
      tails_(store_),
      loop_(clock),
      commands_(loop_, clock) {}

Agent::~Agent() {
  // From the outside in: first what can still call in, last what the loop's thread uses.
  link_.reset();
  if (channels_) channels_->Stop();
  output_.reset();
  beside_.reset();
  if (users_) users_->Stop();
  if (images_) images_->Stop();
  sweeper_.Stop();
  scratch_.reset();
  networks_.reset();
  examiner_.Stop();
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
  std::vector<CpuPool::Node> cpus;
  for (auto& [number, each] : CpusByNuma("", OwnCpus())) cpus.push_back({number, each});
  CpuPool pool(std::move(cpus));
  most_dedicated_cpus_ = pool.most(false);
  BERTH_ASSIGN_OR_RETURN(cgroups_,
                         OpenCgroups(cgroup_tree_, ParseCgroupMounts(mountinfo), config.isolation,
                                     config.cgroup_root, std::move(pool)));

  ProcessDriver::Node node;
  node.name = config.node_name;
  node.allow_root = config.allow_root;
  node.agent_uid = geteuid();
  node.agent_gid = getegid();
  if (const char* path = getenv("PATH"); path != nullptr && *path != '\0') node.path = path;
  if (const char* lang = getenv("LANG"); lang != nullptr && *lang != '\0') node.lang = lang;
  node.open_files_soft = options_.open_files_soft;
  node.lease_path = directory_.lease_path();
  process_driver_ = std::make_unique<ProcessDriver>(std::move(node));
  process_driver_->SetDevices(watch_->inventory());
  inventory_ = watch_->inventory();
  BERTH_RETURN_IF_ERROR(OpenImages());
  users_ = std::make_unique<UserDirectory>(
      clock_, [this](EventLoop::Callback work) { loop_.Post(std::move(work)); });

  const CgroupPowers powers = cgroups_->powers();
  core_ = std::make_unique<AgentCore>(
      AgentCore::Options{.node = config.node_name,
                         .version = options_.version,
                         .isolation = std::string(cgroups_->isolation()),
                         .inventory = Told(watch_->inventory(), ""),
                         .fresh_incarnation = base::NewUuid(),
                         .powers = {.cpu_limit = powers.cpu_limit,
                                    .dedicated_cpus = powers.dedicated_cpus,
                                    .io_weight = powers.io_weight && DisksWeigh("")}});
  BERTH_ASSIGN_OR_RETURN(JournalFile file, OpenJournal());
  pump_ = std::make_unique<CorePump>(*core_, static_cast<AgentHands&>(*this));

  BERTH_RETURN_IF_ERROR(PrepareCare());
  runner_ = std::make_unique<TaskRunner>(
      TaskRunner::Parts{loop_, clock_, *cgroups_, *users_, *driver_, store_, *hooks_, *networks_,
                        options_.shim_program},
      [this](Event event) {
        if (const auto* started = std::get_if<TaskStarted>(&event)) {
          output_->Changed(started->key, false);
          output_watch_->Started(started->key);
        } else if (auto* ended = std::get_if<TaskEnded>(&event)) {
          ended->tails = tails_.AtEnd(ended->key);
        } else if (auto* lost = std::get_if<TaskLost>(&event)) {
          lost->tails = tails_.AtEnd(lost->key);
        }
        Report(std::move(event));
      },
      [this](const AttemptKey& key) {
        checks_->Unwatch(key);
        scratch_->Unwatch(key);
        beside_->Ended(key);
      });
  BERTH_RETURN_IF_ERROR(runner_->Open());

  const std::shared_ptr<grpc::Channel> channel = MakeChannel(target);
  channels_ = std::make_unique<ChannelHub>(clock_, channel);
  output_ = std::make_unique<OutputServer>(store_, *channels_);
  output_watch_ = std::make_unique<OutputWatch>(loop_, clock_, store_);
  beside_ = std::make_unique<CommandServer>(CommandServer::Parts{
      store_, *channels_, config.node_name, options_.shim_program, options_.files_program,
      [this](const shim::StatusRecord& start, const std::string& spec) {
        return driver_->Explain(start, spec);
      }});
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
      Backoff(kFirstDialPauseMs, kMostDialPauseMs, base::FixedHash(identity)),
      std::move(callbacks));

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

// What looks after tasks beside their shims.
absl::Status Agent::PrepareCare() {
  const config::AgentConfig& config = options_.config;
  const auto subnet = base::ParseIpv4Subnet(config.task_subnet);
  if (!subnet) return absl::InvalidArgumentError(base::A("taskSubnet " + config.task_subnet));
  networks_ = std::make_unique<TaskNetworks>(
      *subnet, config.state_dir, [this](EventLoop::Callback work) { loop_.Post(std::move(work)); });
  networks_->Open();
  latencies_ = std::make_unique<PeerLatencies>(loop_, clock_);
  hooks_ = std::make_unique<TaskHooks>(commands_, config.prolog, config.epilog);
  check_commands_ = std::make_unique<BesideCommands>(
      BesideCommands::Parts{loop_, clock_, store_, options_.shim_program,
                            [this](const AttemptKey& key) { return GuestOf(key); },
                            [this](const shim::StatusRecord& start, const std::string& spec) {
                              return driver_->Explain(start, spec);
                            }});
  checks_ = std::make_unique<TaskChecks>(loop_, clock_, *check_commands_,
                                         [this](Event event) { Report(std::move(event)); });
  health_ = std::make_unique<NodeHealth>(loop_, clock_, commands_, config.health_check,
                                         [this] { UpdateInventory(inventory_); });
  BERTH_ASSIGN_OR_RETURN(const Filesystem disk, ProbeFilesystem(config.state_dir));
  const int64_t least_free =
      std::clamp(disk.size_bytes / kLeastFreeShare, kLeastFreeBytes, kMostLeastFreeBytes);
  scratch_ = std::make_unique<ScratchWatch>(
      ScratchWatch::Options{.root = config.state_dir,
                            .least_free_bytes = std::max(least_free, config.reserve.storage_bytes)},
      [this](const AttemptKey& key, const std::string& why) {
        loop_.Post([this, key, why] {
          Report(TaskCondemned{key, v1::ATTEMPT_END_OUT_OF_STORAGE, v1::REASON_CODE_OUT_OF_STORAGE,
                               why, true});
        });
      });
  return absl::OkStatus();
}

absl::Status Agent::OpenImages() {
  const config::AgentConfig& config = options_.config;
  images_ = std::make_unique<images::ImageStore>(
      images::ImageStore::Options{
          .folder = config.state_dir + "/images",
          .most_bytes = config.image_store_bytes,
          .podman = config.podman,
          .in_use = [folder = store_.bundles()] { return ImagesInUse(folder); }},
      clock_, [this](EventLoop::Callback work) { loop_.Post(std::move(work)); });
  BERTH_RETURN_IF_ERROR(images_->Open());
  char host_name[HOST_NAME_MAX + 1] = {};
  if (gethostname(host_name, HOST_NAME_MAX) != 0) {
    return absl::ErrnoToStatus(errno, "cannot tell this machine's name");
  }
  oci_driver_ =
      std::make_unique<OciDriver>(*process_driver_, *images_,
                                  OciDriver::Options{.runtime = config.oci_runtime,
                                                     .shim_program = options_.shim_program,
                                                     .host_name = host_name,
                                                     .cdi_folders = config.cdi_spec_dirs});
  driver_ = std::make_unique<DriverChoice>(*process_driver_, *oci_driver_);
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
  // A node that is not well must not be taken for one that is, only because its agent is new.
  health_->Start([this] { Dial(); });
  loop_.At(clock_.MonotonicMs() + kFirstCheckMs, [this] {
    awaits_health_ = false;
    Dial();
  });
  watch_->Start([this](const v1::NodeInventory& inventory) {
    loop_.Post([this, inventory] { UpdateInventory(inventory); });
  });
}

void Agent::StartLink() {
  may_dial_ = true;
  Dial();
}

void Agent::Dial() {
  if (!may_dial_ || (awaits_health_ && !health_->is_known())) return;
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
  process_driver_->SetDevices(inventory);
  inventory_ = inventory;
  Report(InventoryChanged{Told(std::move(inventory), health_->fault())});
}

v1::NodeInventory Agent::Told(v1::NodeInventory inventory, const std::string& fault) const {
  AddHealthTaints(fault, inventory);
  // Where the kernel cannot keep CPUs apart there is nothing to run out of: such a task runs there,
  // and that it has no CPUs of its own is shown.
  const int64_t whole = inventory.capacity().cpu_milli() / kMilliPerCpu;
  (*inventory.mutable_capacity()->mutable_extended())[kDedicatedCpus] =
      cgroups_->powers().dedicated_cpus ? std::min<int64_t>(whole, most_dedicated_cpus_) : whole;
  return inventory;
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
  output_watch_->Tend();
  loop_.At(clock_.MonotonicMs() + kTendMs, [this] { TendTasks(); });
}

// ---- effects ----

void Agent::Do(Effect& effect) {
  std::visit([this](auto& each) { Do(each); }, effect);
}

void Agent::Do(Launch& effect) {
  runner_->Launch(effect.key, std::move(effect.start), effect.lease_until_ms);
}

void Agent::Do(Inspect& effect) { runner_->Inspect(effect.key, std::move(effect.start)); }

void Agent::Do(const StopAttempt& effect) { runner_->Stop(effect.key, effect.grace_ms); }

void Agent::Do(const ForceKill& effect) { runner_->ForceKill(effect.key); }

void Agent::Do(const WatchAttempt& effect) {
  checks_->Watch(effect.key, effect.start, networks_->PathOf(effect.key));
  const AttemptPaths paths = store_.Paths(effect.key);
  const std::string layer = paths.bundle + "/" + shim::kUpperName;
  const bool has_layer = access(layer.c_str(), F_OK) == 0;
  if (has_layer || access(paths.scratch.c_str(), F_OK) == 0) {
    scratch_->Watch(effect.key, paths.scratch, has_layer ? layer : "",
                    effect.start.resources().storage_bytes());
  }
}

void Agent::Do(const TidyAttempt& effect) {
  checks_->Unwatch(effect.key);
  scratch_->Unwatch(effect.key);
  output_watch_->Ended(effect.key);
  output_->Changed(effect.key, true);
  if (store_.Tidy(effect.key, !output_->Serves(effect.key))) {
    sweeper_.Post([this] { store_.RemoveBundles(); });
  }
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
  for (auto& [key, usage] : sampled.attempts) usage.set_scratch_bytes(scratch_->Bytes(key));
  sampled.latencies = latencies_->Known();
  sampled.boot_time_ms = clock_.MonotonicMs();
  sampled.unix_ms = clock_.WallMs();
  Report(std::move(sampled));
}

void Agent::Do(const ReadTails& effect) {
  if (effect.anew) tails_.BeginAnew(effect.ended);
  Report(TailsRead{tails_.Round(effect.running)});
}

void Agent::Do(OpenDataChannel& effect) {
  switch (effect.request.request_case()) {
    case v1::OpenData::kReadOutput: {
      const AttemptKey key = FromProto(effect.request.read_output().key());
      output_->Open(std::move(effect.request), core_->Knows(key), core_->IsLive(key));
      break;
    }
    case v1::OpenData::kAttach: {
      const AttemptKey key = FromProto(effect.request.attach().key());
      output_->Open(std::move(effect.request), core_->Knows(key), core_->IsLive(key));
      break;
    }
    case v1::OpenData::kExec: {
      const AttemptKey key = FromProto(effect.request.exec().key());
      beside_->OpenExec(std::move(effect.request), GuestOf(key));
      break;
    }
    case v1::OpenData::kReadPath:
    case v1::OpenData::kWritePath: {
      const bool writes = effect.request.has_write_path();
      const AttemptKey key =
          FromProto(writes ? effect.request.write_path().key() : effect.request.read_path().key());
      beside_->OpenFiles(std::move(effect.request), core_->IsLive(key));
      break;
    }
    case v1::OpenData::kForward: {
      const AttemptKey key = FromProto(effect.request.forward().key());
      const std::string token = effect.request.token();
      channels_->Open(token, [node = options_.config.node_name, live = core_->IsLive(key),
                              network = networks_->PathOf(key),
                              request = effect.request.forward()](DataCall& call) {
        return std::make_unique<ForwardServer>(call, request, live, node, [network](uint16_t port) {
          return ConnectToLoopback(network, port);
        });
      });
      break;
    }
    case v1::OpenData::kDiagnose:
      Diagnose(effect.request.token());
      break;
    default:  // of a kind that a newer berthd has
      break;
  }
}

CommandServer::Guest Agent::GuestOf(const AttemptKey& key) {
  if (!runner_->AddGuest(key)) return nullptr;
  // Of no bytes: the pointer alone counts.
  return {static_cast<void*>(this),
          [this, key](void*) { loop_.Post([this, key] { runner_->RemoveGuest(key); }); }};
}

void Agent::Diagnose(const std::string& token) {
  NodeExamination node;
  node.state_dir = options_.config.state_dir;
  node.shim_program = options_.shim_program;
  node.isolation = std::string(cgroups_->isolation());
  absl::StatusOr<TaskCgroup> cgroup = cgroups_->Take(TaskLimits{});
  node.cgroup_made = cgroup.status();
  if (cgroup.ok()) cgroups_->GiveBack(*cgroup, true, 0);
  node.journal_bytes = journal_->bytes();
  node.unanswered_ms = core_->unanswered_ms(clock_.MonotonicMs());
  node.heartbeat_interval_ms = core_->heartbeat_interval_ms();
  for (const ProbedDevice& device : watch_->Gpus().devices) {
    ++node.gpus;
    if (!device.unhealthy_reason.empty()) ++node.sick_gpus;
  }
  node.oci_runtime = options_.config.oci_runtime;
  node.podman = options_.config.podman;
  examiner_.Post([this, token, node = std::move(node)] {
    loop_.Post([this, token, diagnosis = Examine(node)] {
      channels_->Open(token, [diagnosis](DataCall& call) {
        return std::make_unique<DiagnosisServer>(call, diagnosis);
      });
    });
  });
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
