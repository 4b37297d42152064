#include "agentd/task_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "agentd/cgroups/cgroup_numbers.h"
#include "agentd/drivers/spec_file.h"
#include "base/logging.h"
#include "base/small_file.h"
#include "base/strings.h"
#include "shim/shim_process.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostSampledProcesses = 64;  // of one attempt
constexpr int64_t kLookAgainMs = 20;
constexpr int64_t kMostRetryMs = 10'000;
constexpr int64_t kDiscardAgainMs = 100;
constexpr int kMostLooks = 500;
constexpr size_t kNoticesAtOnce = 32;

std::string SystemError(const std::string& doing, int error) {
  char buffer[256];
  return "cannot " + doing + ": " + strerror_r(error, buffer, sizeof(buffer));
}

// Waits for a child that has ended, or for nothing when it is not ours. How it ended, in words.
std::string Reap(int pidfd) {
  siginfo_t info;
  std::memset(&info, 0, sizeof(info));
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0) {
    return "ended";
  }
  if (info.si_code == CLD_EXITED) return "exited with " + std::to_string(info.si_status);
  return "was killed by signal " + std::to_string(info.si_status);
}

// Whatever the state directory was called when the attempt was started.
bool IsOutputOf(const AttemptKey& key, std::string_view path) {
  const std::string end = "/" + ToString(key) + "/stdout";
  return path.size() >= end.size() && path.substr(path.size() - end.size()) == end;
}

TaskOutcome::Cause CauseOf(shim::EndCause cause) {
  switch (cause) {
    case shim::EndCause::kStopped:
      return TaskOutcome::Cause::kStopped;
    case shim::EndCause::kTimeLimit:
      return TaskOutcome::Cause::kTimeLimit;
    case shim::EndCause::kLeaseEnded:
      return TaskOutcome::Cause::kLeaseEnded;
    case shim::EndCause::kItself:
      break;
  }
  return TaskOutcome::Cause::kItself;
}

TaskOutcome OutcomeOf(const shim::StatusRecord& end, int64_t started_unix_ms) {
  TaskOutcome outcome;
  outcome.cause = CauseOf(end.cause);
  outcome.exit_code = end.exit_code;
  outcome.signal = end.signal;
  outcome.out_of_memory = end.oom_kills > 0;
  outcome.left_stuck = end.stuck != 0;
  outcome.usage.set_cpu_time_ms((end.cpu_user_us + end.cpu_system_us) / 1000);
  outcome.usage.set_memory_peak_bytes(end.memory_peak_bytes);
  outcome.usage.set_io_read_bytes(end.io_read_bytes);
  outcome.usage.set_io_written_bytes(end.io_written_bytes);
  outcome.started_unix_ms = started_unix_ms;
  outcome.ended_unix_ms = end.unix_ms;
  return outcome;
}

}  // namespace

TaskRunner::TaskRunner(const Parts& parts, Report report, Ended ended)
    : parts_(parts), report_(std::move(report)), ended_(std::move(ended)) {}

TaskRunner::~TaskRunner() {
  for (const auto& [key, shim] : shims_) parts_.loop.Unwatch(shim.pidfd.get());
  if (notify_read_.valid()) parts_.loop.Unwatch(notify_read_.get());
}

absl::Status TaskRunner::Open() {
  int ends[2];
  // Not blocking at either end: a shim must never wait for its agent.
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make the pipe for shims");
  }
  notify_read_.reset(ends[0]);
  notify_write_.reset(ends[1]);
  parts_.loop.Watch(notify_read_.get(), [this] { OnNotices(); });
  return absl::OkStatus();
}

// ---- starting ----

void TaskRunner::Launch(const AttemptKey& key, v1::StartTask start, int64_t lease_until_ms) {
  const auto admitted = parts_.driver.Admit(start);
  if (const auto* refused = std::get_if<CannotStart>(&admitted)) {
    NotStarted(key, *refused);
    return;
  }
  Waiting& waiting = waiting_[key];
  waiting.start = std::move(start);
  waiting.lease_until_ms = lease_until_ms;
  const auto identity = std::get<TaskIdentity>(admitted);
  waiting.identity = identity;
  parts_.users.Get(identity.uid, identity.gid, [this, key](const UserRecord& user) {
    const auto found = waiting_.find(key);
    if (found == waiting_.end()) return;  // stopped meanwhile; so it is below
    found->second.user = user;
    RunProlog(key);
  });
}

void TaskRunner::RunProlog(const AttemptKey& key) {
  if (!parts_.hooks.has_prolog()) {
    MakeNetwork(key);
    return;
  }
  Waiting& waiting = waiting_.at(key);
  waiting.prolog = parts_.hooks.Before(waiting.start, [this, key](std::string fault) {
    waiting_.at(key).prolog = 0;
    if (fault.empty()) {
      MakeNetwork(key);
    } else {
      NotLaunched(key, {v1::REASON_CODE_PROLOG_FAILED, std::move(fault)});
    }
  });
}

void TaskRunner::MakeNetwork(const AttemptKey& key) {
  const v1::StartTask& start = waiting_.at(key).start;
  if (start.network() != v1::NETWORK_MODE_ISOLATED) {
    Prepare(key);
    return;
  }
  parts_.networks.Make(key, start.resources().bandwidth_bits_per_s(),
                       [this, key](const absl::StatusOr<std::string>& path) {
                         if (waiting_.count(key) == 0) return;
                         if (!path.ok()) {
                           NotLaunched(key, {v1::REASON_CODE_NETWORK_FAILED,
                                             "the task's own network could not be made: " +
                                                 base::S(path.status().message())});
                           return;
                         }
                         waiting_.at(key).network_namespace = *path;
                         Prepare(key);
                       });
}

void TaskRunner::Prepare(const AttemptKey& key) {
  const Waiting& waiting = waiting_.at(key);
  parts_.driver.Prepare({waiting.start, waiting.identity, waiting.user, parts_.store.Paths(key)},
                        [this, key](std::variant<PreparedTask, CannotStart> preparation) {
                          StartShim(key, std::move(preparation));
                        });
}

void TaskRunner::NotLaunched(const AttemptKey& key, CannotStart why) {
  BERTH_LOG_INFO("attempt {} could not start: {}", ToString(key), why.message);
  const auto node = waiting_.extract(key);
  Finish(key, ForEpilog(node.mapped().start),
         TaskNotStarted{key, why.reason, std::move(why.message)});
}

v1::StartTask TaskRunner::ForEpilog(v1::StartTask start) const {
  if (!parts_.hooks.has_epilog()) return {};
  start.clear_payload();
  return start;
}

void TaskRunner::Finish(const AttemptKey& key, const v1::StartTask& start, Event event) {
  ended_(key);
  parts_.networks.Remove(key);
  if (!parts_.hooks.has_epilog()) {
    report_(std::move(event));
    return;
  }
  parts_.hooks.After(start,
                     [this, event = std::move(event)]() mutable { report_(std::move(event)); });
}

void TaskRunner::StartShim(const AttemptKey& key,
                           std::variant<PreparedTask, CannotStart>&& preparation) {
  const auto found = waiting_.find(key);
  if (found == waiting_.end()) {  // stopped meanwhile
    parts_.store.Tidy(key, false);
    return;
  }
  const Waiting& waiting = found->second;
  const v1::StartTask& start = waiting.start;
  if (const auto* refused = std::get_if<CannotStart>(&preparation)) {
    NotLaunched(key, *refused);
    return;
  }
  auto& prepared = std::get<PreparedTask>(preparation);
  absl::StatusOr<TaskCgroup> cgroup = parts_.cgroups.Take(prepared.limits);
  if (!cgroup.ok()) {
    NotLaunched(key,
                {absl::IsResourceExhausted(cgroup.status()) ? v1::REASON_CODE_NO_CPUS_TO_DEDICATE
                                                            : v1::REASON_CODE_ISOLATION_FAILED,
                 base::S(cgroup.status().message())});
    return;
  }
  AddCgroup(*cgroup, prepared.spec);
  prepared.spec.lease_until_ms = waiting.lease_until_ms;
  prepared.spec.network_namespace = waiting.network_namespace;
  const auto fail = [&](std::string why) {
    parts_.cgroups.GiveBack(*cgroup, true, 0);
    NotLaunched(key, {v1::REASON_CODE_DRIVER_ERROR, std::move(why)});
  };
  absl::StatusOr<base::UniqueFd> status =
      parts_.store.Write(key, prepared, start.payload(), waiting.identity);
  if (!status.ok()) return fail(base::S(status.status().message()));
  Shim shim;
  shim.status = *std::move(status);
  const int error = shim::StartShim(parts_.shim_program, parts_.store.Directory(key),
                                    shim.status.get(), notify_write_.get(), shim.pid);
  if (error != 0) return fail(SystemError("start the shim " + parts_.shim_program, error));
  shim.cgroup = *std::move(cgroup);
  shim.pidfd.reset(shim::OpenPidFd(shim.pid));
  shim.start = ForEpilog(std::move(waiting_.extract(key).mapped().start));
  if (!shim.pidfd.valid()) {
    // Out of descriptors: a task that nobody watches must not run. It may have begun to.
    kill(shim.pid, SIGKILL);
    waitpid(shim.pid, nullptr, 0);
    Conclude(key, std::move(shim), "was killed, as no descriptor was left to watch it with,");
    return;
  }
  Watch(key, std::move(shim));
}

void TaskRunner::Watch(const AttemptKey& key, Shim shim) {
  const int pidfd = shim.pidfd.get();
  by_pid_[shim.pid] = key;
  shims_.insert_or_assign(key, std::move(shim));
  parts_.loop.Watch(pidfd, [this, key] { OnShimExit(key); });
}

void TaskRunner::NotStarted(const AttemptKey& key, CannotStart why) {
  report_(TaskNotStarted{key, why.reason, std::move(why.message)});
}

// ---- what shims say ----

void TaskRunner::OnNotices() {
  shim::StatusRecord records[kNoticesAtOnce];
  for (;;) {
    const ssize_t got = read(notify_read_.get(), records, sizeof(records));
    if (got <= 0) return;
    for (size_t i = 0; i < static_cast<size_t>(got) / sizeof(records[0]); ++i) {
      const auto key = by_pid_.find(records[i].shim_pid);
      if (key == by_pid_.end() || !shim::IsWhole(records[i], shim::StatusKind::kStart)) continue;
      SeeStart(key->second, shims_.at(key->second), records[i]);
    }
    if (static_cast<size_t>(got) < sizeof(records)) return;
  }
}

void TaskRunner::SeeStart(const AttemptKey& key, Shim& shim, const shim::StatusRecord& start) {
  // One that could not start is told of when its shim has ended.
  if (shim.start_seen || start.step != shim::StartStep::kStarted) return;
  shim.start_seen = true;
  shim.started_unix_ms = start.unix_ms;
  TaskStarted event;
  event.key = key;
  event.started.set_unix_ms(start.unix_ms);
  event.started.set_pid(start.task_pid);
  report_(std::move(event));
}

void TaskRunner::OnShimExit(const AttemptKey& key) {
  auto node = shims_.extract(key);
  if (node.empty()) return;
  Shim& shim = node.mapped();
  parts_.loop.Unwatch(shim.pidfd.get());
  by_pid_.erase(shim.pid);
  const std::string how = Reap(shim.pidfd.get());
  Conclude(key, std::move(shim), how);
}

// The shim is gone: what it wrote is all there will ever be.
void TaskRunner::Conclude(const AttemptKey& key, Shim shim, const std::string& how_the_shim_ended) {
  const auto start = shim::ReadStatus(shim.status.get(), shim::StatusKind::kStart);
  const auto end = shim::ReadStatus(shim.status.get(), shim::StatusKind::kEnd);
  if (start) SeeStart(key, shim, *start);
  if (end) {
    TaskOutcome outcome = OutcomeOf(*end, shim.started_unix_ms);
    const CgroupUsage used = parts_.cgroups.Usage(shim.cgroup);
    if (used.io_read_bytes) outcome.usage.set_io_read_bytes(*used.io_read_bytes);
    if (used.io_written_bytes) outcome.usage.set_io_written_bytes(*used.io_written_bytes);
    parts_.cgroups.GiveBack(shim.cgroup, end->stuck == 0 && shim.guests == 0, end->oom_kills);
    if (end->killed > 0) {
      BERTH_LOG_INFO("attempt {}: {} processes that its main process had left were killed",
                     ToString(key), end->killed);
    }
    Finish(key, shim.start, TaskEnded{key, std::move(outcome)});
    return;
  }
  if (start && start->step != shim::StartStep::kStarted) {
    parts_.cgroups.GiveBack(shim.cgroup, true, 0);
    const absl::StatusOr<std::string> spec = parts_.store.ReadSpec(key);
    CannotStart why = parts_.driver.Explain(*start, spec.ok() ? *spec : std::string());
    if (shim::WasStopped(*start)) {
      Finish(key, shim.start, TaskNeverStarted{key});
    } else if (start->step == shim::StartStep::kLeaseEnded) {
      Finish(key, shim.start, TaskLost{key, std::move(why.message), v1::REASON_CODE_NODE_LOST});
    } else {
      Finish(key, shim.start, TaskNotStarted{key, why.reason, std::move(why.message)});
    }
    return;
  }
  parts_.cgroups.Kill(shim.cgroup);
  parts_.cgroups.GiveBack(shim.cgroup, false, 0);
  const std::string how = "its shim (pid " + std::to_string(shim.pid) + ") " + how_the_shim_ended;
  if (shim::ReadStatus(shim.status.get(), shim::StatusKind::kShim)) {
    Finish(key, shim.start, TaskLost{key, how + " without noting how the task ended"});
  } else {
    Finish(
        key, shim.start,
        TaskNotStarted{key, v1::REASON_CODE_DRIVER_ERROR, how + " before it could start the task"});
  }
}

// ---- beside it ----

bool TaskRunner::AddGuest(const AttemptKey& key) {
  const auto shim = shims_.find(key);
  if (shim == shims_.end()) return false;
  ++shim->second.guests;
  return true;
}

void TaskRunner::RemoveGuest(const AttemptKey& key) {
  if (const auto shim = shims_.find(key); shim != shims_.end()) --shim->second.guests;
}

// ---- stopping ----

void TaskRunner::Stop(const AttemptKey& key, int64_t grace_ms) {
  // Its image, say, may be long in coming: nobody waits for that any more.
  if (const auto waiting = waiting_.extract(key); !waiting.empty()) {
    // What it had set up by then is the epilog's to undo.
    if (waiting.mapped().prolog != 0) parts_.hooks.CancelBefore(waiting.mapped().prolog);
    Finish(key, ForEpilog(waiting.mapped().start), TaskNeverStarted{key});
    return;
  }
  if (const auto search = searches_.find(key); search != searches_.end()) {
    search->second.stop_grace_ms = grace_ms;
    return;
  }
  const auto shim = shims_.find(key);
  if (shim == shims_.end()) return;  // its end is on the way
  shim::QueueStop(shim->second.pidfd.get(), grace_ms);
}

void TaskRunner::ForceKill(const AttemptKey& key) {
  const auto shim = shims_.find(key);
  if (shim == shims_.end()) return;
  parts_.cgroups.Kill(shim->second.cgroup);
  shim::QueueStop(shim->second.pidfd.get(), 0);
}

// ---- after a restart ----

// The cgroup of an attempt whose spec is its own. An error is one that may pass.
absl::StatusOr<TaskCgroup> TaskRunner::AdoptCgroup(const AttemptKey& key) {
  const absl::StatusOr<std::string> spec_file = parts_.store.ReadSpec(key);
  if (absl::IsNotFound(spec_file.status())) return TaskCgroup{};
  if (!spec_file.ok()) return spec_file.status();
  const SpecFile file(*spec_file);
  const shim::SpecView& spec = file.view();
  if (file.fault() != nullptr || !IsOutputOf(key, spec.output_path)) {
    BERTH_LOG_WARN("attempt {}: its spec file is damaged or another attempt's", ToString(key));
    return TaskCgroup{};
  }
  if (spec.header->kill_method == shim::KillMethod::kDescendants) return TaskCgroup{};
  const std::string directory = spec.kill_directory;
  absl::StatusOr<TaskCgroup> cgroup =
      parts_.cgroups.Adopt(directory.substr(directory.rfind('/') + 1));
  if (!cgroup.ok()) {
    BERTH_LOG_WARN("attempt {}: {}", ToString(key), cgroup.status().ToString());
    return TaskCgroup{};
  }
  return cgroup;
}

void TaskRunner::Inspect(const AttemptKey& key, v1::StartTask start) {
  searches_[key].start = ForEpilog(std::move(start));
  LookFor(key);
}

TaskCgroup TaskRunner::EndSearch(const AttemptKey& key, v1::StartTask* start) {
  Search search = std::move(searches_.extract(key).mapped());
  if (start != nullptr) *start = std::move(search.start);
  if (leftovers_wait_) RemoveLeftovers();
  return std::move(search.cgroup).value_or(TaskCgroup{});
}

void TaskRunner::LookAgain(const AttemptKey& key, int64_t after_ms) {
  parts_.loop.At(parts_.clock.MonotonicMs() + after_ms, [this, key] { LookFor(key); });
}

// What is wrong says nothing about the attempt, which may well run: neither an end nor a start may
// follow from it.
void TaskRunner::RetrySearch(const AttemptKey& key, const std::string& error) {
  int64_t& wait = searches_.at(key).retry_ms;
  if (wait == 0) {
    BERTH_LOG_WARN("attempt {}: what became of it is not known yet: {}; trying again",
                   ToString(key), error);
  }
  wait = std::clamp(2 * wait, kLookAgainMs, kMostRetryMs);
  LookAgain(key, wait);
}

void TaskRunner::LookFor(const AttemptKey& key) {
  const std::string directory = parts_.store.Directory(key);
  const int locked = shim::OpenLockedStatus(directory);
  if (locked >= 0) {  // no shim, and there will be none
    FindRecords(key, base::UniqueFd(locked));
  } else if (locked == -EWOULDBLOCK) {
    FindShim(key);
  } else if (locked == -ENOENT) {  // not even a directory
    v1::StartTask start;
    EndSearch(key, &start);
    Finish(key, start, TaskNeverStarted{key});  // a prolog may have run
  } else {
    RetrySearch(key, SystemError("open the status file in " + directory, -locked));
  }
}

// The attempt has no shim any more, or never had one.
void TaskRunner::FindRecords(const AttemptKey& key, base::UniqueFd status) {
  Search& search = searches_.at(key);
  const auto note = shim::ReadStatus(status.get(), shim::StatusKind::kShim);
  const auto start = shim::ReadStatus(status.get(), shim::StatusKind::kStart);
  const auto end = shim::ReadStatus(status.get(), shim::StatusKind::kEnd);
  const bool never_ran = start && start->step != shim::StartStep::kStarted;
  // What left nothing behind had given its cgroup back, perhaps to a task that runs in it now.
  if (note && !never_ran && (!end || end->stuck != 0) && !search.cgroup) {
    absl::StatusOr<TaskCgroup> cgroup = AdoptCgroup(key);
    if (!cgroup.ok()) return RetrySearch(key, cgroup.status().ToString());
    search.cgroup = *std::move(cgroup);
  }
  Shim shim;
  shim.status = std::move(status);
  shim.cgroup = EndSearch(key, &shim.start);
  if (note) {
    shim.pid = note->shim_pid;
    Conclude(key, std::move(shim), "ended while no agent ran");
  } else {
    parts_.cgroups.GiveBack(shim.cgroup, true, 0);
    Finish(key, shim.start, TaskNeverStarted{key});
  }
}

// A shim has the attempt.
void TaskRunner::FindShim(const AttemptKey& key) {
  Search& search = searches_.at(key);
  if (!search.cgroup) {
    absl::StatusOr<TaskCgroup> cgroup = AdoptCgroup(key);
    if (!cgroup.ok()) return RetrySearch(key, cgroup.status().ToString());
    search.cgroup = *std::move(cgroup);
    if (leftovers_wait_) RemoveLeftovers();
  }
  Shim shim;
  const std::string status = parts_.store.Directory(key) + "/" + shim::kStatusFileName;
  shim.status.reset(open(status.c_str(), O_RDONLY | O_CLOEXEC));
  if (!shim.status.valid()) return RetrySearch(key, SystemError("open " + status, errno));
  if (const auto note = shim::ReadStatus(shim.status.get(), shim::StatusKind::kShim)) {
    shim.pid = note->shim_pid;
    shim.pidfd.reset(shim::OpenPidFd(shim.pid));
    if (!shim.pidfd.valid() && shim.pidfd.get() != -ESRCH) {
      return RetrySearch(key, SystemError("watch its shim", -shim.pidfd.get()));
    }
    // Still locked after that: the descriptor is of the shim, not of a process that got its number.
    if (shim.pidfd.valid() && flock(shim.status.get(), LOCK_EX | LOCK_NB) != 0) {
      if (search.stop_grace_ms) shim::QueueStop(shim.pidfd.get(), *search.stop_grace_ms);
      shim.cgroup = EndSearch(key, &shim.start);
      shim.guests = 1;  // perhaps of the agent before, for ever
      Watch(key, std::move(shim));
      AwaitStart(key);
      return;
    }
  }
  // It has only just been started, or is just ending: look again.
  if (++search.looks <= kMostLooks) return LookAgain(key, kLookAgainMs);
  BERTH_LOG_ERROR("attempt {}: {} stays locked, and no shim says that it has it", ToString(key),
                  status);
  v1::StartTask start;
  const TaskCgroup cgroup = EndSearch(key, &start);
  parts_.cgroups.Kill(cgroup);
  parts_.cgroups.GiveBack(cgroup, false, 0);
  Finish(key, start, TaskLost{key, "its shim could not be found again"});
}

// A shim of another agent writes to that agent's pipe: its start is read from its file.
void TaskRunner::AwaitStart(const AttemptKey& key) {
  const auto shim = shims_.find(key);
  if (shim == shims_.end() || shim->second.start_seen) return;
  if (const auto start = shim::ReadStatus(shim->second.status.get(), shim::StatusKind::kStart)) {
    SeeStart(key, shim->second, *start);
    return;
  }
  parts_.loop.At(parts_.clock.MonotonicMs() + kLookAgainMs, [this, key] { AwaitStart(key); });
}

void TaskRunner::CleanUp(const std::function<bool(const AttemptKey&)>& known,
                         std::function<void()> done) {
  cleaned_up_ = std::move(done);
  parts_.networks.RemoveLeftovers(known);
  for (const AttemptKey& key : parts_.store.List()) {
    if (!known(key)) discarding_.insert(key);
  }
  for (const AttemptKey& key : std::set<AttemptKey>(discarding_)) Discard(key, known, 0);
  RemoveLeftovers();
  if (discarding_.empty() && cleaned_up_) std::exchange(cleaned_up_, nullptr)();
}

void TaskRunner::Discard(const AttemptKey& key, const std::function<bool(const AttemptKey&)>& known,
                         int tries) {
  if (!TryDiscard(key, known, tries == 0)) {
    parts_.loop.At(parts_.clock.MonotonicMs() + kDiscardAgainMs,
                   [this, key, known, tries] { Discard(key, known, tries + 1); });
    return;
  }
  discarding_.erase(key);
  if (tries > 0 && discarding_.empty() && cleaned_up_) std::exchange(cleaned_up_, nullptr)();
}

bool TaskRunner::TryDiscard(const AttemptKey& key,
                            const std::function<bool(const AttemptKey&)>& known, bool is_first) {
  if (known(key)) return true;
  const std::string directory = parts_.store.Directory(key);
  base::UniqueFd status(shim::OpenLockedStatus(directory));
  if (status.valid()) {
    status.reset();
    parts_.store.Tidy(key, false);
    return true;
  }
  if (status.get() == -ENOENT) return true;
  if (is_first) {
    BERTH_LOG_WARN("attempt {} runs here and the journal does not know it: killed", ToString(key));
  }
  const std::string path = directory + "/" + shim::kStatusFileName;
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto note = shim::ReadStatus(fd.get(), shim::StatusKind::kShim);
  const base::UniqueFd pidfd(note ? shim::OpenPidFd(note->shim_pid) : -1);
  // Still locked after that: it is the shim's.
  if (pidfd.valid() && flock(fd.get(), LOCK_EX | LOCK_NB) != 0) shim::QueueStop(pidfd.get(), 0);
  return false;
}

void TaskRunner::RemoveLeftovers() {
  leftovers_wait_ = std::any_of(searches_.begin(), searches_.end(),
                                [](const auto& each) { return !each.second.cgroup; });
  if (leftovers_wait_) return;
  for (const std::string& name : parts_.cgroups.RemoveLeftovers()) {
    BERTH_LOG_WARN("cgroup {} had processes of no attempt: killed", name);
  }
}

// ---- now and then ----

void TaskRunner::Tend() {
  parts_.cgroups.Tidy();
  for (const auto& [key, shim] : shims_) parts_.store.CapOutput(key);
  parts_.store.CapEnded();
}

// As the cgroup counts, or what the processes that are there now have moved: those that have ended
// since the last sample are counted at the end.
void TaskRunner::AddTransfers(const CgroupUsage& used, const std::vector<pid_t>& pids, Shim& shim) {
  int64_t read = 0;
  int64_t written = 0;
  if (used.io_read_bytes) {
    read = *used.io_read_bytes;
    written = used.io_written_bytes.value_or(0);
  } else {
    // Of one that forks without end not all are looked at: the loop has others to care for.
    const size_t most = std::min(pids.size(), kMostSampledProcesses);
    for (const pid_t pid : std::span(pids).first(most)) {
      const auto io = base::ReadSmallFile("/proc/" + std::to_string(pid) + "/io");
      if (!io.ok()) continue;  // it has ended
      read += SumAfter(*io, "\nread_bytes: ");
      written += SumAfter(*io, "\nwrite_bytes: ");
    }
  }
  shim.io_read_bytes = std::max(shim.io_read_bytes, read);
  shim.io_written_bytes = std::max(shim.io_written_bytes, written);
}

std::vector<std::pair<AttemptKey, v1::Usage>> TaskRunner::SampleUsage(
    const std::vector<ProcessDeviceUsage>& on_devices) {
  std::vector<std::pair<AttemptKey, v1::Usage>> all;
  all.reserve(shims_.size());
  std::multimap<pid_t, const ProcessDeviceUsage*> by_pid;
  for (const ProcessDeviceUsage& use : on_devices) {
    by_pid.emplace(static_cast<pid_t>(use.pid), &use);
  }
  for (auto& [key, shim] : shims_) {
    const CgroupUsage used = parts_.cgroups.Usage(shim.cgroup);
    v1::Usage usage;
    usage.set_cpu_time_ms(used.cpu_time_ms);
    usage.set_memory_bytes(used.memory_bytes);
    usage.set_memory_peak_bytes(used.memory_peak_bytes);
    int64_t device_memory = 0;
    int32_t device_utilisation = 0;
    std::vector<pid_t> pids;
    if (!by_pid.empty() || !used.io_read_bytes) pids = parts_.cgroups.Processes(shim.cgroup);
    AddTransfers(used, pids, shim);
    usage.set_io_read_bytes(shim.io_read_bytes);
    usage.set_io_written_bytes(shim.io_written_bytes);
    if (!by_pid.empty()) {
      for (const pid_t pid : pids) {
        for (auto [it, end] = by_pid.equal_range(pid); it != end; ++it) {
          device_memory += it->second->memory_used_bytes;
          device_utilisation += std::max(0, it->second->utilisation_percent);
        }
      }
    }
    usage.set_device_memory_bytes(device_memory);
    usage.set_device_utilisation_percent(device_utilisation);
    all.emplace_back(key, std::move(usage));
  }
  return all;
}

}  // namespace berth::agentd
