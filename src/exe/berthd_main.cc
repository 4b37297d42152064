// The program `berthd`: puts the daemon's rooms together, starts them in order, and stops them in
// reverse.
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "agents/grpc_agent_link.h"
#include "agents/inventory.h"
#include "api/job_spec_reader.h"
#include "api/server.h"
#include "base/build_info.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/did_you_mean.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "base/quantities.h"
#include "base/service_notify.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "builtin.h"
#include "config/berthd_loader.h"
#include "exe/feature_room.h"
#include "exe/restore_command.h"
#include "monitor/exporter.h"
#include "monitor/feature_metrics.h"
#include "monitor/health.h"
#include "monitor/loop_check.h"
#include "monitor/loop_metrics.h"
#include "monitor/scorer_metrics.h"
#include "monitor/snapshot_metrics.h"
#include "monitor/store_metrics.h"
#include "observe/process_metrics.h"
#include "pipeline/table_context.h"
#include "plugin_dir/plugin_dir.h"
#include "remote_scorer/remote_scorer.h"
#include "remote_scorer/remote_scorer_args.h"
#include "scheduler/loop.h"
#include "scheduler/recovery.h"
#include "scoring/remote_scorers.h"
#include "store/output_tail_store.h"
#include "store/record_keys.h"
#include "store/recover.h"
#include "store/restore_snapshot.h"
#include "store/rocksdb_store.h"
#include "store/snapshot_keeper.h"
#include "store/write_snapshot.h"
#include "wire/grpc_log.h"

namespace berth {
namespace {

constexpr char kDefaultConfig[] = "/etc/berth/berthd.yaml";
// How long calls may go on after a stop was asked for.
constexpr auto kStopGrace = std::chrono::seconds(5);

pipeline::ProfileOptions ToOptions(const config::ProfileConfig& profile) {
  pipeline::ProfileOptions options;
  options.name = profile.name;
  options.queue_sort = profile.queue_sort;
  options.tie = profile.tie;
  for (const config::PluginRef& ref : profile.filter.enabled) {
    options.filters.enabled.push_back(ref.name);
  }
  options.filters.disabled = profile.filter.disabled;
  options.scores.disabled = profile.score.disabled;
  for (const config::PluginRef& ref : profile.score.enabled) {
    options.scores.enabled.push_back({ref.name, ref.weight});
  }
  for (const config::PluginConfig& plugin : profile.plugin_config) {
    options.plugin_config.emplace_back(plugin.name, plugin.args);
  }
  return options;
}

std::vector<pipeline::ProfileOptions> ToOptions(const std::vector<config::ProfileConfig>& list) {
  std::vector<pipeline::ProfileOptions> options;
  for (const config::ProfileConfig& profile : list) options.push_back(ToOptions(profile));
  return options;
}

// The scorers of profiles that are in force: their arguments have been checked.
absl::StatusOr<std::vector<scoring::ScorerOptions>> ToScorers(
    const std::vector<config::ProfileConfig>& profiles) {
  std::vector<scoring::ScorerOptions> scorers;
  for (const config::ProfileConfig& profile : profiles) {
    const auto& scores = profile.score.enabled;
    if (std::none_of(scores.begin(), scores.end(),
                     [](const auto& ref) { return ref.name == plugins::kRemoteScorer; })) {
      continue;
    }
    scoring::ScorerOptions options{.profile = profile.name};
    for (const config::PluginConfig& plugin : profile.plugin_config) {
      if (plugin.name == plugins::kRemoteScorer) options.args = plugin.args;
    }
    BERTH_ASSIGN_OR_RETURN(const plugins::RemoteScorerArgs args,
                           plugins::ReadRemoteScorerArgs(options.args));
    options.address = args.address;
    options.timeout_ms = args.timeout_ms;
    options.interval_ms = args.interval_ms;
    options.time_to_live_ms = args.time_to_live_ms;
    options.most_shapes = static_cast<size_t>(args.most_shapes);
    options.breaker = {.failures = args.failures, .longest_pause_ms = args.longest_pause_ms};
    scorers.push_back(std::move(options));
  }
  return scorers;
}

// A configuration that can be put in force, with the plugins that it names.
struct Configured {
  config::BerthdConfig config;
  PluginRegistry registry;
  plugin_dir::LoadedPlugins plugins;  // of pluginDir; they are in the registry
};

// All plugins that there are: once in a process, for libraries are never unloaded.
absl::Status LoadPlugins(Configured& configured) {
  plugins::RegisterBuiltinPlugins(configured.registry);
  if (configured.config.plugin_dir.empty()) return absl::OkStatus();
  BERTH_ASSIGN_OR_RETURN(
      configured.plugins,
      plugin_dir::LoadPluginDir({.directory = configured.config.plugin_dir,
                                 .ignore_broken = configured.config.ignore_broken_plugins,
                                 .taken = configured.registry.Names()},
                                configured.registry));
  return absl::OkStatus();
}

// What no file can tell: whether the plugins are there and take their arguments.
absl::Status CheckProfiles(const config::BerthdConfig& config, const PluginRegistry& registry) {
  state::Names names;
  pipeline::TableContext context(names);
  return pipeline::CompileProfiles(ToOptions(config.profiles), registry, context).status();
}

absl::Status StartLogging(const config::LogConfig& log) {
  base::LogOptions options;
  BERTH_ASSIGN_OR_RETURN(options.level, base::ParseLogLevel(log.level));
  BERTH_ASSIGN_OR_RETURN(options.format, base::ParseLogFormat(log.format));
  options.component = "berthd";
  base::InitLogging(options);
  return absl::OkStatus();
}

api::AdmissionOptions ToAdmission(const config::BerthdConfig& config) {
  api::AdmissionOptions options;
  options.defaults.cpu_milli = config.task_defaults.cpu_milli;
  options.defaults.memory_bytes = config.task_defaults.memory_bytes;
  options.grace_ms = absl::ToInt64Milliseconds(config.task_defaults.grace);
  options.most_job_bytes = config.limits.job_bytes;
  return options;
}

scheduler::LoopOptions ToLoopOptions(const config::BerthdConfig& config) {
  scheduler::LoopOptions options;
  options.inbox_capacity = {static_cast<size_t>(config.limits.inbox_facts),
                            static_cast<size_t>(config.limits.inbox_operator),
                            static_cast<size_t>(config.limits.inbox_submissions)};
  options.commands_per_turn = static_cast<size_t>(config.limits.commands_per_turn);
  options.work_units_per_turn = config.limits.work_units_per_turn;
  options.watch_history_epochs = config.watch_history_epochs;
  return options;
}

scheduler::TurnOptions ToTurnOptions(const config::BerthdConfig& config) {
  scheduler::TurnOptions options;
  options.heartbeat_interval_ms = absl::ToInt64Milliseconds(config.heartbeat_interval);
  options.lease_ms = absl::ToInt64Milliseconds(config.lease);
  options.lost_after_ms = absl::ToInt64Milliseconds(config.lost_after);
  options.finished_jobs_age_ms = absl::ToInt64Milliseconds(config.retention.finished_jobs_age);
  options.finished_jobs_count = static_cast<size_t>(config.retention.finished_jobs_count);
  options.watch_history_epochs = static_cast<size_t>(config.watch_history_epochs);
  options.check_placements = config.check_placements;
  return options;
}

std::vector<state::SharedResourceSpec> ToSharedResources(
    const std::vector<config::ClusterResource>& resources) {
  std::vector<state::SharedResourceSpec> specs;
  for (const config::ClusterResource& resource : resources) {
    specs.push_back({.name = resource.name,
                     .topology_key = resource.topology_key,
                     .capacity = static_cast<int32_t>(resource.capacity)});
  }
  return specs;
}

// Drawn once in the life of a cluster, and kept in its store.
uint64_t NewSeed() {
  uint64_t seed = 0;
  BERTH_CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return seed;
}

// Tells of jobs that are forgotten.
class ForgottenJobs final : public scheduler::WatchSink {
 public:
  explicit ForgottenJobs(store::OutputTailStore& tails) : tails_(tails) {}

  void OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) override {
    std::vector<JobId> jobs;
    for (const state::Change& change : batch->changes) {
      if (const auto* gone = std::get_if<state::JobRemoval>(&change)) jobs.push_back(gone->job);
    }
    tails_.Forget(std::move(jobs));
  }
  bool is_client() const override { return false; }

 private:
  store::OutputTailStore& tails_;
};

// The daemon, from the store up. Members go in reverse: whoever is called lives longer.
class Daemon {
 public:
  Daemon(std::string config_path, config::BerthdConfig config, PluginRegistry registry)
      : config_path_(std::move(config_path)),
        config_(std::move(config)),
        registry_(std::move(registry)) {}

  absl::Status Start();
  void Stop();
  // Takes over a changed file. On an error the old configuration stays, whole.
  absl::StatusOr<std::vector<std::string>> Reload(const state::Principal& who);
  // Whether the loop still turns.
  absl::Status CheckLoop() { return loop_check_(); }
  // For people: what it does.
  std::string StatusLine() const;

 private:
  absl::Status StartLoop();
  void StartTails(const config::BerthdConfig& config);
  absl::Status StartFeatures(const config::BerthdConfig& config);
  absl::Status StartServer();
  absl::Status StartExporter();
  void StartSnapshots();
  absl::Status StartScorers();
  std::string EffectiveConfig() const;

  const std::string config_path_;
  mutable base::Mutex mutex_;
  config::BerthdConfig config_ BERTH_GUARDED_BY(mutex_);
  const PluginRegistry registry_;
  base::SystemClock clock_;
  std::unique_ptr<store::RocksDbStore> store_;
  std::unique_ptr<store::SnapshotKeeper> keeper_;  // null: there are no snapshots of its own
  std::unique_ptr<scheduler::Loop> loop_;
  std::unique_ptr<store::OutputTailStore> tails_;
  std::unique_ptr<FeatureRoom> features_;  // null: features are not read
  std::unique_ptr<api::LoopPort> port_;
  std::unique_ptr<api::Authorizer> authorizer_;
  std::unique_ptr<agents::GrpcAgentLink> link_;
  std::unique_ptr<api::Server> server_;
  std::unique_ptr<scoring::RemoteScorers> scorers_;
  std::function<absl::Status()> loop_check_;
  monitor::Health health_;
  std::unique_ptr<monitor::Exporter> exporter_;
};

[[noreturn]] void Die(const absl::Status& status) {
  // Nothing of the failed epoch has left the process, and nothing may: recovery starts from disk.
  BERTH_LOG_ERROR("the store failed, berthd stops at once: {}", status.ToString());
  std::_Exit(EXIT_FAILURE);
}

absl::Status Daemon::StartLoop() {
  config::BerthdConfig config;
  {
    base::MutexLock lock(mutex_);
    config = config_;
  }
  BERTH_ASSIGN_OR_RETURN(
      store_, store::RocksDbStore::Open(
                  {.data_dir = config.data_dir, .cluster_name = config.cluster_name}, clock_));
  const store::SpecDecoders decoders{.job = api::DecodeJobSpec, .node = agents::DecodeInventory};
  BERTH_ASSIGN_OR_RETURN(auto recovered, store::Recover(*store_, decoders));
  const size_t jobs = recovered.jobs.size();
  const size_t nodes = recovered.nodes.size();
  scheduler::RecoveryOptions recovery;
  for (const auto& profile : config.profiles) recovery.profiles.push_back(profile.name);
  recovery.shared_resources = ToSharedResources(config.cluster_resources);
  recovery.watch_history_epochs = static_cast<size_t>(config.watch_history_epochs);
  recovery.new_seed = NewSeed();
  BERTH_ASSIGN_OR_RETURN(auto state, scheduler::BuildState(std::move(recovered), recovery));
  BERTH_ASSIGN_OR_RETURN(auto turn, scheduler::Turn::Create(ToTurnOptions(config), std::move(state),
                                                            registry_, ToOptions(config.profiles)));
  BERTH_LOG_INFO("cluster {}: epoch {}, term {}, {} jobs, {} nodes", store_->cluster_id(),
                 store_->head().epoch, turn->state().meta().term, jobs, nodes);
  BERTH_ASSIGN_OR_RETURN(const auto restore, store::FindRestore(*store_));
  if (restore) BERTH_LOG_INFO("this state was restored from a snapshot: {}", *restore);
  loop_ = std::make_unique<scheduler::Loop>(ToLoopOptions(config), std::move(turn), *store_, clock_,
                                            Die);
  port_ = api::MakeLoopPort(*loop_, [this] { return store_->CheckRoom(); });
  StartTails(config);
  return StartFeatures(config);
}

absl::Status Daemon::StartFeatures(const config::BerthdConfig& config) {
  if (!config.reads_features) return absl::OkStatus();
  BERTH_ASSIGN_OR_RETURN(
      features_,
      FeatureRoom::Open(config.features, *store_, clock_, [this](state::Command command) {
        return loop_->Post(state::CommandClass::kOperators, std::move(command),
                           [](const scheduler::Reply&) {});
      }));
  features_->Subscribe(loop_->watches());
  return absl::OkStatus();
}

void Daemon::StartTails(const config::BerthdConfig& config) {
  tails_ = store::OutputTailStore::Open(
      {.directory = config.data_dir + "/tails", .most_bytes = config.retention.output_tails_bytes});
  loop_->watches().Subscribe(std::make_shared<ForgottenJobs>(*tails_));
  // What was forgotten while the tails did not hear of it.
  tails_->ForgetMissing([&store = *store_](JobId job) {
    return !absl::IsNotFound(store.Get(store::Table::kJobs, store::JobKey(job)).status());
  });
}

absl::Status Daemon::StartServer() {
  config::BerthdConfig config;
  {
    base::MutexLock lock(mutex_);
    config = config_;
  }
  authorizer_ = std::make_unique<api::Authorizer>(
      api::AuthorizerOptions{.operator_uid = geteuid(),
                             .insecure_tcp = config.insecure,
                             .insecure_agents = config.insecure_agents,
                             .user_name = api::SystemUserName});
  link_ = std::make_unique<agents::GrpcAgentLink>(
      *loop_,
      [this](const grpc::CallbackServerContext& context) {
        return authorizer_->AgentPrincipalOf(context.peer());
      },
      [this](const std::string& hash) { return store_->GetBlob(hash); },
      agents::LinkParts{.tails = tails_.get(), .clock = &clock_});
  loop_->set_agent_link(link_.get());
  loop_->Start();

  api::ServerOptions options;
  options.socket = {.path = config.socket,
                    .mode = static_cast<mode_t>(config.socket_mode),
                    .group = config.socket_group};
  options.insecure_listen = config.listen;
  options.most_message_bytes = config.limits.message_bytes;
  options.jobs.admission = ToAdmission(config);
  options.jobs.admission.features = features_.get();
  api::AdminParts admin;
  admin.version = base::Version();
  admin.build = base::BuildDescription();
  admin.cluster_id = store_->cluster_id();
  admin.config = [this] { return EffectiveConfig(); };
  admin.reload = [this](const state::Principal& who) { return Reload(who); };
  admin.save_snapshot = [this](const auto& sink) -> absl::Status {
    BERTH_ASSIGN_OR_RETURN(const auto state, store_->Snapshot());
    return store::WriteSnapshot(*state,
                                {.cluster_name = store_->cluster_name(),
                                 .berthd_version = std::string(base::Version()),
                                 .created_unix_ms = clock_.WallMs()},
                                sink)
        .status();
  };
  api::ServerParts parts{.loop = *port_,
                         .authorizer = *authorizer_,
                         .data = link_->data(),
                         .blobs = [this](const std::string& hash) { return store_->GetBlob(hash); },
                         .admin = std::move(admin),
                         .services = {link_.get()},
                         .tails = tails_.get(),
                         .features = features_.get(),
                         .wall_ms = [this] { return clock_.WallMs(); }};
  BERTH_ASSIGN_OR_RETURN(server_, api::Server::Start(options, std::move(parts)));
  server_->SetHealthy(true);
  BERTH_LOG_INFO("serving on unix:{}{}", config.socket,
                 server_->tcp_address().empty() ? "" : " and " + server_->tcp_address());
  return absl::OkStatus();
}

absl::Status Daemon::StartExporter() {
  std::string address;
  std::string cluster_name;
  {
    base::MutexLock lock(mutex_);
    address = config_.http_listen;
    cluster_name = config_.cluster_name;
  }
  if (address.empty()) return absl::OkStatus();
  const monitor::SnapshotSource snapshots = [this] { return loop_->snapshot(); };
  health_.Add("loop", {monitor::Probe::kLive, monitor::Probe::kReady}, loop_check_);
  health_.AddState("serving", {monitor::Probe::kReady},
                   absl::UnavailableError("berthd is starting"));
  exporter_ = std::make_unique<monitor::Exporter>(
      health_,
      std::vector<std::shared_ptr<prometheus::Collectable>>{
          std::make_shared<monitor::LoopMetrics>(snapshots, clock_),
          std::make_shared<monitor::StoreMetrics>([this] {
            const store::StoreStats stats = store_->stats();
            const store::OutputTailStore::Stats tails = tails_->stats();
            return monitor::StoreSizes{.disk_bytes = stats.disk_bytes,
                                       .memory_bytes = stats.memory_bytes,
                                       .disk_free_bytes = stats.disk_free_bytes,
                                       .output_tails_bytes = tails.bytes,
                                       .output_tails_dropped = tails.dropped};
          }),
          std::make_shared<monitor::SnapshotMetrics>([this] {
            const store::SnapshotKeeperStats stats =
                keeper_ == nullptr ? store::SnapshotKeeperStats() : keeper_->stats();
            return monitor::SnapshotFacts{.last_success_unix_ms = stats.last_success_unix_ms,
                                          .last_bytes = stats.last_bytes,
                                          .failures = stats.failures};
          }),
          std::make_shared<monitor::ScorerMetrics>([this] {
            std::vector<monitor::ScorerFacts> facts;
            for (const scoring::ScorerStats& stats : scorers_->stats()) {
              monitor::ScorerFacts of_one{.profile = stats.profile,
                                          .calls = {},
                                          .duration = stats.duration,
                                          .breaker = static_cast<int>(stats.breaker),
                                          .last_success_unix_ms = stats.last_success_unix_ms,
                                          .epoch = stats.epoch};
              for (size_t i = 0; i < stats.calls.size(); ++i) {
                of_one.calls.emplace_back(scoring::ToString(static_cast<scoring::CallResult>(i)),
                                          stats.calls[i]);
              }
              facts.push_back(std::move(of_one));
            }
            return facts;
          }),
          std::make_shared<monitor::FeatureMetrics>([this] {
            return features_ == nullptr ? monitor::FeatureFacts() : features_->facts();
          }),
          std::make_shared<observe::ProcessMetrics>(std::string(base::Version()), cluster_name)});
  BERTH_ASSIGN_OR_RETURN(const uint16_t port, exporter_->Start(address));
  BERTH_LOG_INFO("metrics and health on http://{}:{}", address.substr(0, address.rfind(':')), port);
  return absl::OkStatus();
}

void Daemon::StartSnapshots() {
  store::SnapshotKeeperOptions options;
  {
    base::MutexLock lock(mutex_);
    options.directory = config_.snapshots.directory;
    options.interval_ms = absl::ToInt64Milliseconds(config_.snapshots.interval);
    options.keep = config_.snapshots.keep;
  }
  if (options.interval_ms == 0) return;
  options.cluster_name = store_->cluster_name();
  options.berthd_version = base::Version();
  keeper_ = std::make_unique<store::SnapshotKeeper>(std::move(options), *store_, clock_);
  keeper_->Start();
}

absl::Status Daemon::StartScorers() {
  base::MutexLock lock(mutex_);
  BERTH_ASSIGN_OR_RETURN(const auto scorers, ToScorers(config_.profiles));
  scorers_->Configure(scorers);
  return absl::OkStatus();
}

absl::Status Daemon::Start() {
  BERTH_RETURN_IF_ERROR(StartLoop());
  StartSnapshots();
  scorers_ = std::make_unique<scoring::RemoteScorers>(
      [this](state::Command command, scheduler::ReplyCallback reply) {
        return loop_->Post(state::CommandClass::kOperators, std::move(command), std::move(reply));
      },
      clock_);
  loop_check_ = monitor::LoopCheck([this] { return loop_->snapshot(); }, clock_);
  // Before anybody is served: a port that is taken ends the start with nothing half-done.
  BERTH_RETURN_IF_ERROR(StartExporter());
  BERTH_RETURN_IF_ERROR(StartServer());
  BERTH_RETURN_IF_ERROR(StartScorers());
  if (exporter_ != nullptr) health_.Set("serving", absl::OkStatus());
  return absl::OkStatus();
}

void Daemon::Stop() {
  // First: nobody is sent here any more.
  if (exporter_ != nullptr) health_.Set("serving", absl::UnavailableError("berthd is stopping"));
  if (keeper_ != nullptr) keeper_->Stop();
  if (scorers_ != nullptr) scorers_->Stop();
  if (link_ != nullptr) link_->EndSessions();
  if (server_ != nullptr) {
    server_->Stop(std::chrono::duration_cast<std::chrono::milliseconds>(kStopGrace));
  }
  if (exporter_ != nullptr) exporter_->Stop();
  if (features_ != nullptr) features_->Stop();
  if (loop_ != nullptr) loop_->Stop();
  if (tails_ != nullptr) tails_->Stop();
}

absl::StatusOr<std::vector<std::string>> Daemon::Reload(const state::Principal& who) {
  if (config_path_.empty()) {
    return absl::FailedPreconditionError(
        "berthd runs on its defaults, without a file to read again; start it with --config FILE");
  }
  BERTH_ASSIGN_OR_RETURN(const config::LoadedBerthdConfig loaded,
                         config::LoadBerthdConfig(config_path_));
  const config::BerthdConfig& next = loaded.config;
  config::BerthdConfig now;
  {
    base::MutexLock lock(mutex_);
    now = config_;
  }
  config::ReloadDiff diff = config::CompareForReload(now, next);
  scheduler::ProfileChange change{.principal = who, .profiles = ToOptions(next.profiles)};
  if (diff.takes_cluster_resources) {
    change.shared_resources = ToSharedResources(next.cluster_resources);
  }
  const absl::Status replaced = loop_->ReplaceProfiles(std::move(change));
  BERTH_RETURN_IF_ERROR(loaded.places.Locate(replaced));
  BERTH_ASSIGN_OR_RETURN(const auto scorers, ToScorers(next.profiles));
  scorers_->Configure(scorers);
  BERTH_RETURN_IF_ERROR(StartLogging(next.log));
  {
    base::MutexLock lock(mutex_);
    config_.profiles = next.profiles;
    if (diff.takes_cluster_resources) config_.cluster_resources = next.cluster_resources;
    config_.log = next.log;
  }
  return std::move(diff.needs_restart);
}

std::string Daemon::StatusLine() const {
  base::MutexLock lock(mutex_);
  return "Serving on unix:" + config_.socket +
         (server_->tcp_address().empty() ? "" : " and " + server_->tcp_address());
}

std::string Daemon::EffectiveConfig() const {
  base::MutexLock lock(mutex_);
  return config::FormatBerthdConfig(config_);
}

void NotifyOrWarn(const std::string& state) {
  if (const auto status = base::NotifyServiceManager(state); !status.ok()) {
    BERTH_LOG_WARN("{}", status.ToString());
  }
}

// Who sent a SIGHUP: the kernel lets only root and berthd's own user do so.
state::Principal SenderOf(const siginfo_t& signal) {
  state::Principal who;
  who.is_operator = true;
  who.all_namespaces = true;
  who.verified = signal.si_code == SI_USER || signal.si_code == SI_QUEUE;
  who.name = "berthd";  // its terminal or its process group, as the kernel says it
  if (who.verified) {
    who.uid = signal.si_uid;
    who.name = "uid:" + std::to_string(who.uid);
  }
  return who;
}

void ReloadOrWarn(Daemon& daemon, const state::Principal& who) {
  NotifyOrWarn("RELOADING=1");
  const auto restart = daemon.Reload(who);
  if (!restart.ok()) {
    BERTH_LOG_ERROR("reload refused, the old configuration stays: {}",
                    base::S(restart.status().message()));
  } else {
    std::string keys;
    for (const std::string& key : *restart) keys += (keys.empty() ? "" : ", ") + key;
    BERTH_LOG_INFO("configuration reloaded{}",
                   keys.empty() ? "" : "; a restart is needed for " + keys);
  }
  NotifyOrWarn("READY=1");
}

int Fail(const absl::Status& status) {
  std::cerr << "berthd: " << base::S(status.message()) << "\n";
  return 1;
}

int Serve(const std::string& path, Configured configured) {
  const config::BerthdConfig& config = configured.config;
  // Before any thread is made, so that all of them leave these signals to this one.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  if (auto status = StartLogging(config.log); !status.ok()) return Fail(status);
  wire::RouteGrpcLog();
  BERTH_LOG_INFO("berthd {} ({}){}", base::Version(), base::BuildDescription(),
                 config.cluster_name.empty() ? "" : ", cluster \"" + config.cluster_name + "\"");
  BERTH_LOG_INFO("effective configuration, from {}:", path.empty() ? "the defaults" : path);
  std::istringstream lines(config::FormatBerthdConfig(config));
  for (std::string line; std::getline(lines, line);) BERTH_LOG_INFO("  {}", line);
  for (const plugin_dir::LoadedLibrary& library : configured.plugins.libraries) {
    std::string names;
    for (const std::string& name : library.plugins) names += (names.empty() ? "" : ", ") + name;
    BERTH_LOG_INFO("plugins from {}: {}", library.path, names);
  }
  for (const std::string& why : configured.plugins.ignored) {
    BERTH_LOG_WARN("a library of plugins is left out: {}", why);
  }
  Daemon daemon(path, config, std::move(configured.registry));
  if (auto status = daemon.Start(); !status.ok()) {
    BERTH_LOG_ERROR("{}", base::S(status.message()));
    daemon.Stop();
    return 1;
  }
  NotifyOrWarn("READY=1\nSTATUS=" + daemon.StatusLine());
  const std::optional<int64_t> watchdog_ms = base::WatchdogMs();
  for (;;) {
    siginfo_t info;
    int signal = 0;
    if (watchdog_ms) {
      // A loop that does not turn is for the service manager to end: everything starts from disk.
      if (const absl::Status turns = daemon.CheckLoop(); turns.ok()) {
        NotifyOrWarn("WATCHDOG=1");
      } else {
        BERTH_LOG_ERROR("the watchdog is not told that berthd is well: {}", turns.ToString());
      }
      const timespec wait = {.tv_sec = *watchdog_ms / 2 / 1000,
                             .tv_nsec = *watchdog_ms / 2 % 1000 * 1'000'000};
      signal = sigtimedwait(&signals, &info, &wait);
    } else {
      signal = sigwaitinfo(&signals, &info);
    }
    if (signal < 0) continue;
    if (signal == SIGHUP) {
      ReloadOrWarn(daemon, SenderOf(info));
      continue;
    }
    BERTH_LOG_INFO("stopping: {}; tasks run on", signal == SIGINT ? "SIGINT" : "SIGTERM");
    // A second one does not wait. But there is nothing to read anew any more.
    for (const int end : {SIGTERM, SIGINT}) std::signal(end, SIG_DFL);
    std::signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
    NotifyOrWarn("STOPPING=1\nSTATUS=Stopping; tasks run on");
    daemon.Stop();
    BERTH_LOG_INFO("stopped");
    return 0;
  }
}

// Before there is a log.
void PrintIgnored(const plugin_dir::LoadedPlugins& plugins) {
  for (const std::string& why : plugins.ignored) {
    std::cerr << "berthd: a library of plugins is left out: " << why << "\n";
  }
}

// The configuration at `path`, or of the default path, or the defaults when there is no file there.
absl::StatusOr<Configured> LoadConfig(std::string& path) {
  Configured configured;
  if (path.empty()) {
    if (access(kDefaultConfig, F_OK) != 0) {
      BERTH_RETURN_IF_ERROR(LoadPlugins(configured));
      return configured;
    }
    path = kDefaultConfig;
  }
  BERTH_ASSIGN_OR_RETURN(config::LoadedBerthdConfig loaded, config::LoadBerthdConfig(path));
  configured.config = std::move(loaded.config);
  BERTH_RETURN_IF_ERROR(loaded.places.Locate(LoadPlugins(configured)));
  const absl::Status profiles = CheckProfiles(configured.config, configured.registry);
  if (!profiles.ok()) {
    PrintIgnored(configured.plugins);  // a plugin that a profile misses may be in one of these
    return loaded.places.Locate(profiles);
  }
  return configured;
}

// Of the configuration at `path`, as LoadConfig finds it, no more than where the state is.
absl::StatusOr<config::BerthdConfig> LoadForRestore(std::string path) {
  if (path.empty()) {
    if (access(kDefaultConfig, F_OK) != 0) return config::BerthdConfig{};
    path = kDefaultConfig;
  }
  BERTH_ASSIGN_OR_RETURN(config::LoadedBerthdConfig loaded, config::LoadBerthdConfig(path));
  return std::move(loaded.config);
}

struct RestoreFlags {
  RestoreArguments arguments;
  std::string generation;
};

// Adds the subcommand's flags. Its names are those of `berth admin snapshot restore`.
CLI::App* AddRestore(CLI::App& app, RestoreFlags& flags) {
  CLI::App* const restore = app.add_subcommand(
      "restore-snapshot", "Put a snapshot's state into a data directory, without serving it");
  restore->fallthrough();
  restore->add_option("FILE", flags.arguments.file, "The snapshot")->required();
  restore->add_option("--data-dir", flags.arguments.data_dir,
                      "The directory (default: the configuration's dataDir)");
  restore->add_option("--generation", flags.generation,
                      "Restore generation of the new state (default: one more than any known)");
  restore->add_option("-o,--output", flags.arguments.format, "json or yaml (default: for people)");
  return restore;
}

int Restore(RestoreFlags& flags, const std::string& config_path) {
  RestoreArguments& arguments = flags.arguments;
  if (!arguments.format.empty() && arguments.format != "json" && arguments.format != "yaml") {
    std::cerr << "berthd: --output \"" << arguments.format << "\": write json or yaml\n";
    return 2;
  }
  if (!flags.generation.empty()) {
    const auto number = base::ParseCount(flags.generation, 1, UINT32_MAX);
    if (!number.ok()) {
      std::cerr << "berthd: --generation: " << base::S(number.status().message()) << "\n";
      return 2;
    }
    arguments.generation = static_cast<uint32_t>(*number);
  }
  if (!arguments.data_dir.empty() && !config_path.empty()) {
    std::cerr << "berthd: --config and --data-dir: give one\n";
    return 2;
  }
  if (arguments.data_dir.empty()) {
    const auto config = LoadForRestore(config_path);
    if (!config.ok()) return FailRestore(config.status(), arguments.format);
    arguments.data_dir = config->data_dir;
    arguments.cluster_name = config->cluster_name;
  }
  return RestoreCommand(arguments);
}

}  // namespace
}  // namespace berth

int main(int argc, char** argv) {
  using namespace berth;
  CLI::App app("The daemon of Berth: holds the cluster's state and places work on its nodes.",
               "berthd");
  std::string path;
  bool print_config = false;
  app.add_option("-c,--config", path,
                 std::string("Configuration file (default: ") + kDefaultConfig +
                     ", or the defaults when that is not there)");
  app.add_flag("--print-config", print_config, "Print the effective configuration and exit");
  app.set_version_flag("--version", "berthd " + std::string(base::Version()));
  CLI::App* config_command = app.add_subcommand("config", "Work with configuration files");
  config_command->fallthrough();
  CLI::App* check = config_command->add_subcommand("check", "Check a file; print what it means");
  check->add_option("FILE", path, "The file (default: the one that berthd would read)");
  check->fallthrough();
  RestoreFlags restore_flags;
  CLI::App* restore = AddRestore(app, restore_flags);
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << "berthd: " << error.what() << "; see 'berthd --help'\n";
    return 2;
  }
  if (const std::vector<std::string> extra = app.remaining(true); !extra.empty()) {
    static constexpr std::string_view kOfRestore[] = {"--data-dir", "--generation", "--output",
                                                      "-o"};
    if (!restore->parsed() && std::ranges::find(kOfRestore, extra[0]) != std::end(kOfRestore)) {
      std::cerr << "berthd: " << extra[0] << " goes with 'berthd restore-snapshot'; a berthd that "
                << "serves has its settings from a file: --config FILE\n";
      return 2;
    }
    static constexpr std::string_view kKnown[] = {
        "--config", "--print-config",   "--version",  "--help",       "config",
        "check",    "restore-snapshot", "--data-dir", "--generation", "--output",
    };
    std::cerr << "berthd: unknown argument \"" << extra[0] << "\""
              << base::DidYouMean(extra[0], kKnown) << "; see 'berthd --help'\n";
    return 2;
  }
  if (config_command->parsed() && !check->parsed()) {
    std::cerr << "berthd: what of the configuration? write berthd config check [FILE]\n";
    return 2;
  }
  if (restore->parsed()) return Restore(restore_flags, path);
  auto configured = LoadConfig(path);
  if (!configured.ok()) return Fail(configured.status());
  if (check->parsed()) {
    std::cout << config::FormatBerthdConfig(configured->config);
    PrintIgnored(configured->plugins);
    std::cerr << (path.empty() ? "the defaults" : path) << ": ok\n";
    return 0;
  }
  if (print_config) {
    std::cout << config::FormatBerthdConfig(configured->config);
    return 0;
  }
  return Serve(path, *std::move(configured));
}
