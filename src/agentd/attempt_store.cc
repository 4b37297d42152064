#include "agentd/attempt_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <sstream>
#include <system_error>

#include "agentd/drivers/spec_file.h"
#include "base/logging.h"
#include "base/path_error.h"
#include "base/remove_tree.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "shim/shim_process.h"

namespace berth::agentd {
namespace {

constexpr mode_t kPassThrough = 0711;
constexpr size_t kLargestSpec = 16u << 20;
constexpr std::string_view kSpare = ".spare-";
constexpr std::string_view kGone = ".gone-";
constexpr std::string_view kStandardOutput = "stdout";
constexpr std::string_view kStandardError = "stderr";
constexpr std::string_view kMarks = "marks";
constexpr size_t kMostSpares = 256;  // of each user
constexpr uint32_t kAnybody = UINT32_MAX;
constexpr int64_t kDayMs = int64_t{24} * 3600 * 1000;

absl::Status MakeDirectory(const std::string& path, mode_t mode) {
  // chmod: the agent's umask is not the tasks' concern.
  if (mkdir(path.c_str(), mode) == 0 && chmod(path.c_str(), mode) == 0) return absl::OkStatus();
  return errno == EEXIST ? absl::OkStatus() : base::PathError(errno, "make", path);
}

// A file that lasts no longer than the attempt: not synced.
absl::Status WriteFile(const std::string& path, std::string_view bytes, mode_t mode) {
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.valid()) return base::PathError(errno, "open", path);
  while (!bytes.empty()) {
    const ssize_t written = write(fd.get(), bytes.data(), bytes.size());
    if (written < 0) return base::PathError(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status GiveTo(const std::string& path, const ProcessDriver::Identity& identity) {
  if (!identity.becomes) return absl::OkStatus();
  if (chown(path.c_str(), identity.uid, identity.gid) == 0) return absl::OkStatus();
  return base::PathError(errno, "give its user", path);
}

// Writes what the payload brings into a directory that is nobody else's yet.
absl::Status WriteFiles(const std::string& directory, const v1::Payload& payload,
                        const ProcessDriver::Identity& identity) {
  for (const v1::PayloadFile& file : payload.files()) {
    const std::string path = directory + "/" + file.name();
    if (file.name().find('/') != std::string::npos) {
      return absl::InvalidArgumentError(base::A("the file name " + file.name() + " has a slash"));
    }
    const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                                 file.executable() ? 0755 : 0644));
    if (!fd.valid()) return base::PathError(errno, "make", path);
    std::string_view bytes = file.data();
    while (!bytes.empty()) {
      const ssize_t written = write(fd.get(), bytes.data(), bytes.size());
      if (written < 0) return base::PathError(errno, "write", path);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    if (identity.becomes && fchown(fd.get(), identity.uid, identity.gid) != 0) {
      return base::PathError(errno, "give its user", path);
    }
  }
  return absl::OkStatus();
}

// Names in a directory; none when it cannot be read.
std::vector<std::string> Names(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = readdir(directory)) names.emplace_back(entry->d_name);
  closedir(directory);
  return names;
}

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void RemoveTree(const std::string& path) {
  const absl::Status removed = base::RemoveTree(path);
  if (!removed.ok()) BERTH_LOG_WARN("{}", removed.ToString());
}

// Whole blocks only: of a part of one, the bytes would be overwritten with zeros.
constexpr int64_t kBlockBytes = 64 << 10;
int64_t Blocks(int64_t bytes) { return bytes - bytes % kBlockBytes; }

// What a file takes up, which a hole makes less than its length and a reservation more.
int64_t Allocated(const struct stat& info) { return int64_t{info.st_blocks} * 512; }

bool IsOversized(const struct stat& info) {
  return Allocated(info) > 2 * AttemptStore::kKeepOutputBytes;
}

// Gives the file system back all but the end of an output file that takes up too much.
void Cap(const std::string& path) {
  constexpr int64_t kKeep = AttemptStore::kKeepOutputBytes;
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0 || !IsOversized(info)) return;
  const base::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  const int64_t surplus = Blocks(std::max<int64_t>(0, info.st_size - kKeep));
  bool freed = fd.valid() &&
               (surplus == 0 ||
                fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, surplus) == 0) &&
               fstat(fd.get(), &info) == 0;
  if (freed && IsOversized(info)) {
    // It is past the end, where not every file system punches holes. What the task writes at this
    // very moment may be lost: only one that reserves space for its output comes here.
    freed = ftruncate(fd.get(), info.st_size) == 0;
  }
  if (!freed) {
    BERTH_LOG_WARN("{} takes up {} bytes and cannot be shortened: errno {}", path, Allocated(info),
                   errno);
  }
}

// Whose the output files in a directory are: kAnybody when there are none, nothing when they are
// not fit to be another attempt's. A task may have reserved space for its output and written none.
std::optional<uint32_t> OwnerOfEmptyOutput(const std::string& directory) {
  std::optional<uint32_t> owner;
  for (const char* name : {"/stdout", "/stderr"}) {
    struct stat info = {};
    if (stat((directory + name).c_str(), &info) != 0) {
      if (errno == ENOENT) continue;
      return std::nullopt;
    }
    if (info.st_size > 0 || info.st_blocks > 0) return std::nullopt;
    if (owner && *owner != info.st_uid) return std::nullopt;
    owner = info.st_uid;
  }
  return owner.value_or(kAnybody);
}

// Whether its shim has seen every process of an attempt end, or it never had one.
bool NothingLeft(int status_fd) {
  using shim::StatusKind;
  if (const auto end = shim::ReadStatus(status_fd, StatusKind::kEnd)) return end->stuck == 0;
  if (const auto start = shim::ReadStatus(status_fd, StatusKind::kStart)) {
    return start->step != shim::StartStep::kStarted;
  }
  return !shim::ReadStatus(status_fd, StatusKind::kShim);
}

}  // namespace

AttemptStore::AttemptStore(const std::string& state_dir, const base::Clock& clock)
    : clock_(clock),
      attempts_(state_dir + "/attempts"),
      output_(state_dir + "/output"),
      scratch_(state_dir + "/scratch"),
      ended_scratch_(state_dir + "/scratch-ended"),
      bundles_(state_dir + "/bundles") {}

absl::Status AttemptStore::Open() {
  for (const std::string* root : {&attempts_, &output_, &scratch_}) {
    BERTH_RETURN_IF_ERROR(MakeDirectory(*root, kPassThrough));
  }
  BERTH_RETURN_IF_ERROR(MakeDirectory(bundles_, 0700));
  BERTH_RETURN_IF_ERROR(MakeDirectory(ended_scratch_, 0700));
  for (const std::string& name : Names(bundles_)) {
    if (name.rfind(kGone, 0) != 0) continue;
    const auto number = ParseNumber<uint64_t>(std::string_view(name).substr(kGone.size()));
    next_gone_ = std::max(next_gone_.load(), number.value_or(0) + 1);
  }
  for (const std::string& name : Names(attempts_)) {
    if (name.rfind(kSpare, 0) != 0) continue;
    const auto number = ParseNumber<uint64_t>(std::string_view(name).substr(kSpare.size()));
    const std::optional<uint32_t> owner = OwnerOfEmptyOutput(attempts_ + "/" + name);
    if (!number || !owner) {
      RemoveTree(attempts_ + "/" + name);
      continue;
    }
    spares_[*owner].push_back(*number);
    next_spare_ = std::max(next_spare_, *number + 1);
  }
  return absl::OkStatus();
}

AttemptPaths AttemptStore::Paths(const AttemptKey& key) const {
  const std::string directory = Directory(key);
  return {
      directory + "/stdout", directory + "/stderr",          directory + "/" + shim::kInputFileName,
      directory + "/script", scratch_ + "/" + ToString(key), bundles_ + "/" + ToString(key)};
}

std::vector<AttemptKey> AttemptStore::List() const {
  std::vector<AttemptKey> keys;
  for (const std::string& name : Names(attempts_)) {
    if (const auto key = ParseAttemptKey(name)) keys.push_back(*key);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

int64_t AttemptStore::Today() const { return clock_.WallMs() / kDayMs; }

std::string AttemptStore::SparePath(uint64_t number) const {
  return attempts_ + "/" + std::string(kSpare) + std::to_string(number);
}

std::string AttemptStore::KeptPath(int64_t day, const AttemptKey& key,
                                   std::string_view which) const {
  return (output_ + "/" + std::to_string(day) + "/" + ToString(key) + ".").append(which);
}

// ---- while it runs ----

std::optional<std::string> AttemptStore::TakeSpare(uint32_t uid) {
  for (const uint32_t owner : {uid, kAnybody}) {
    std::vector<uint64_t>& spares = spares_[owner];
    if (spares.empty()) continue;
    const uint64_t number = spares.back();
    spares.pop_back();
    return SparePath(number);
  }
  return std::nullopt;
}

absl::StatusOr<base::UniqueFd> AttemptStore::Write(const AttemptKey& key,
                                                   const ProcessDriver::Prepared& prepared,
                                                   const v1::Payload& payload,
                                                   const ProcessDriver::Identity& identity) {
  const std::string spec = shim::EncodeSpec(prepared.spec);
  if (spec.empty()) {
    return absl::InvalidArgumentError(
        "an argument or a variable of the task has a NUL byte inside");
  }
  const std::string scratch = Paths(key).scratch;
  if (prepared.needs_scratch) {
    RemoveTree(scratch);  // of an earlier try, which started nothing
    absl::Status made = MakeDirectory(scratch, 0700);
    if (made.ok()) made = WriteFiles(scratch, payload, identity);
    if (made.ok()) made = GiveTo(scratch, identity);
    if (!made.ok()) {
      RemoveTree(scratch);
      return made;
    }
  }
  const std::string directory = Directory(key);
  const std::optional<std::string> spare = TakeSpare(identity.uid);
  if (!spare) {
    BERTH_RETURN_IF_ERROR(MakeDirectory(directory, kPassThrough));
    return WriteInto(directory, prepared, payload, spec, identity);
  }
  // It gets its name last: under that name there are never the specification and the records of
  // another attempt, whose cgroup may be somebody else's by now.
  absl::StatusOr<base::UniqueFd> written = WriteInto(*spare, prepared, payload, spec, identity);
  if (written.ok() && rename(spare->c_str(), directory.c_str()) != 0) {
    RemoveTree(directory);  // of an earlier try, which started nothing
    if (rename(spare->c_str(), directory.c_str()) != 0) {
      written = base::PathError(errno, "rename " + *spare + " to", directory);
    }
  }
  if (!written.ok()) RemoveTree(*spare);
  return written;
}

absl::StatusOr<base::UniqueFd> AttemptStore::WriteInto(const std::string& directory,
                                                       const ProcessDriver::Prepared& prepared,
                                                       const v1::Payload& payload,
                                                       const std::string& spec,
                                                       const ProcessDriver::Identity& identity) {
  const std::string status_path = directory + "/" + shim::kStatusFileName;
  base::UniqueFd status(shim::OpenLockedStatus(directory));
  if (!status.valid()) return base::PathError(-status.get(), "lock", status_path);
  // Records of an earlier attempt, which nothing has made sure were gone from the disk.
  // Overwritten, not cut off: the file has its block from now on, and an end can be noted on a full
  // disk.
  static constexpr char kNothing[3 * shim::kStatusSlotBytes] = {};
  if (pwrite(status.get(), kNothing, sizeof(kNothing), 0) != sizeof(kNothing)) {
    return base::PathError(errno, "write", status_path);
  }
  if (prepared.needs_script) {
    const std::string path = directory + "/script";
    unlink(path.c_str());  // an earlier try's may be its user's, and read-only
    BERTH_RETURN_IF_ERROR(WriteFile(path, payload.script(), 0500));
    BERTH_RETURN_IF_ERROR(GiveTo(path, identity));
  }
  if (prepared.needs_input) {
    const std::string path = directory + "/" + shim::kInputFileName;
    unlink(path.c_str());
    BERTH_RETURN_IF_ERROR(WriteFile(path, payload.stdin_data(), 0400));
  }
  BERTH_RETURN_IF_ERROR(WriteFile(directory + "/" + shim::kSpecFileName, spec, 0600));
  return status;
}

absl::StatusOr<std::string> AttemptStore::ReadSpec(const AttemptKey& key) const {
  return base::ReadSmallFile(Directory(key) + "/" + shim::kSpecFileName, kLargestSpec);
}

std::optional<shim::StatusRecord> AttemptStore::ReadStart(const AttemptKey& key) const {
  const std::string path = Directory(key) + "/" + shim::kStatusFileName;
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return std::nullopt;
  auto start = shim::ReadStatus(fd.get(), shim::StatusKind::kStart);
  if (start && start->step != shim::StartStep::kStarted) return std::nullopt;
  return start;
}

void AttemptStore::CapOutput(const AttemptKey& key) const {
  const AttemptPaths paths = Paths(key);
  for (const std::string* path : {&paths.output, &paths.error}) Cap(*path);
}

void AttemptStore::CapEnded() {
  while (!oversized_.empty() && oversized_.front().ended_ms + kCapAfterMs <= clock_.MonotonicMs()) {
    Cap(oversized_.front().path);
    oversized_.pop_front();
  }
}

// ---- after its end ----

bool AttemptStore::Tidy(const AttemptKey& key, bool may_reuse) {
  const bool had_bundle = PutBundleAside(ToString(key));
  const std::string scratch = Paths(key).scratch;
  // Its day begins now. One that is empty goes at once.
  if (rmdir(scratch.c_str()) != 0 && errno != ENOENT) NoteEndedScratch(key);
  if (!KeepOutput(key)) return had_bundle;  // it stays where it is, and can be read there
  if (!may_reuse || !PutAside(key)) Remove(key);
  return had_bundle;
}

// Its removal may take long. Nothing is mounted in it but in the namespaces of its own processes.
bool AttemptStore::PutBundleAside(const std::string& name) const {
  const std::string gone = bundles_ + "/" + std::string(kGone) + std::to_string(next_gone_++);
  return rename((bundles_ + "/" + name).c_str(), gone.c_str()) == 0;
}

void AttemptStore::RemoveBundles() const {
  for (const std::string& name : Names(bundles_)) {
    if (name.rfind(kGone, 0) == 0) RemoveTree(bundles_ + "/" + name);
  }
}

bool AttemptStore::KeepOutput(const AttemptKey& key) {
  const AttemptPaths paths = Paths(key);
  bool kept = false;
  for (const bool is_stderr : {false, true}) {
    const std::string& from = is_stderr ? paths.error : paths.output;
    struct stat info = {};
    if (stat(from.c_str(), &info) != 0 || info.st_size == 0) continue;
    // Space that the task reserved past the end of what it wrote is not kept for a week.
    if (Allocated(info) > info.st_size + kBlockBytes && truncate(from.c_str(), info.st_size) != 0) {
      BERTH_LOG_WARN("space reserved in {} is not given back: errno {}", from, errno);
    }
    kept = true;
    const std::string to = KeptPath(Today(), key, is_stderr ? kStandardError : kStandardOutput);
    const bool moved = rename(from.c_str(), to.c_str()) == 0 ||
                       (MakeDirectory(to.substr(0, to.rfind('/')), 0700).ok() &&
                        rename(from.c_str(), to.c_str()) == 0);
    if (moved && IsOversized(info)) oversized_.push_back({to, clock_.MonotonicMs()});
    if (moved) continue;
    BERTH_LOG_WARN("output of attempt {} stays at {} until the agent starts again: {}",
                   ToString(key), from, base::PathError(errno, "rename it to", to).ToString());
    return false;
  }
  // Not there for most: then the files' own times say enough.
  if (kept) rename(MarksPath(key).c_str(), KeptPath(Today(), key, kMarks).c_str());
  return true;
}

// False when the files cannot be another attempt's.
bool AttemptStore::PutAside(const AttemptKey& key) {
  const std::string directory = Directory(key);
  const std::optional<uint32_t> owner = OwnerOfEmptyOutput(directory);
  if (!owner) return false;
  // Not while a shim has it, nor when the task may have left a process that has its output open.
  const base::UniqueFd status(shim::OpenLockedStatus(directory));
  if (!status.valid() || !NothingLeft(status.get())) return false;
  std::vector<uint64_t>& spares = spares_[*owner];
  if (spares.size() >= kMostSpares) return false;
  const AttemptPaths paths = Paths(key);
  for (const std::string& path :
       {paths.script, paths.input, MarksPath(key), directory + "/" + shim::kConsoleFileName}) {
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return false;
  }
  if (rename(directory.c_str(), SparePath(next_spare_).c_str()) != 0) return false;
  spares.push_back(next_spare_++);
  return true;
}

void AttemptStore::Remove(const AttemptKey& key) const {
  const std::string directory = Directory(key);
  const AttemptPaths paths = Paths(key);
  for (const std::string& path :
       {directory + "/" + shim::kSpecFileName, directory + "/" + shim::kStatusFileName,
        directory + "/" + shim::kConsoleFileName, paths.script, paths.input, paths.output,
        paths.error, MarksPath(key)}) {
    unlink(path.c_str());
  }
  if (rmdir(directory.c_str()) != 0 && errno != ENOENT) {
    BERTH_LOG_WARN("cannot remove {}: errno {}", directory, errno);
  }
}

std::vector<int64_t> AttemptStore::DaysWithOutput() const {
  std::vector<int64_t> days;
  for (const std::string& name : Names(output_)) {
    if (const auto day = ParseNumber<int64_t>(name)) days.push_back(*day);
  }
  std::sort(days.rbegin(), days.rend());
  return days;
}

base::UniqueFd AttemptStore::OpenOutput(const AttemptKey& key, bool is_stderr) const {
  const AttemptPaths paths = Paths(key);
  return is_stderr ? OpenFile(key, paths.error, kStandardError)
                   : OpenFile(key, paths.output, kStandardOutput);
}

base::UniqueFd AttemptStore::OpenMarks(const AttemptKey& key) const {
  return OpenFile(key, MarksPath(key), kMarks);
}

base::UniqueFd AttemptStore::OpenFile(const AttemptKey& key, const std::string& running,
                                      std::string_view which) const {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
  base::UniqueFd fd(open(running.c_str(), kFlags));
  if (fd.valid()) return fd;
  for (const int64_t day : DaysWithOutput()) {
    fd.reset(open(KeptPath(day, key, which).c_str(), kFlags));
    if (fd.valid()) return fd;
  }
  return {};
}

// ---- after its time ----

void AttemptStore::Sweep() const {
  SweepOutput(Today());
  SweepScratch();
  SweepBundles();
}

// What an agent that was killed left.
void AttemptStore::SweepBundles() const {
  for (const std::string& name : Names(bundles_)) {
    const auto key = ParseAttemptKey(name);
    if (!key || access(Directory(*key).c_str(), F_OK) == 0) continue;
    const std::string path = bundles_ + "/" + name;
    struct stat info = {};
    // One that has only just been made has no directory yet.
    if (stat(path.c_str(), &info) != 0) continue;
    if (clock_.WallMs() - int64_t{info.st_mtim.tv_sec} * 1000 > kKeepScratchMs) {
      PutBundleAside(name);
    }
  }
  RemoveBundles();
}

void AttemptStore::SweepOutput(int64_t today) const {
  uint64_t expired_through = 0;
  for (const int64_t day : DaysWithOutput()) {
    const std::string directory = output_ + "/" + std::to_string(day);
    const std::vector<std::string> names = Names(directory);
    if (day + kKeepOutputDays >= today) {
      // What ended shortly before an agent did.
      for (const std::string& name : names) Cap(directory + "/" + name);
      continue;
    }
    for (const std::string& name : names) {
      const auto key = ParseAttemptKey(std::string_view(name).substr(0, name.rfind('.')));
      if (key) expired_through = std::max(expired_through, key->job_id);
    }
    NoteExpired(expired_through);  // first: until it is known, nothing is missing
    RemoveTree(directory);
  }
}

void AttemptStore::SweepScratch() const {
  for (const std::string& name : Names(scratch_)) {
    const auto key = ParseAttemptKey(name);
    if (!key || access(Directory(*key).c_str(), F_OK) == 0) continue;
    const std::optional<EndedScratch> ended = FindEndedScratch(*key);
    if (!ended) {
      NoteEndedScratch(*key);  // of an agent that was killed
    } else if (clock_.WallMs() - ended->ended_unix_ms > kKeepScratchMs) {
      RemoveTree(scratch_ + "/" + name);
    }
  }
  for (const std::string& name : Names(ended_scratch_)) {
    if (access((scratch_ + "/" + name).c_str(), F_OK) != 0) {
      unlink((ended_scratch_ + "/" + name).c_str());
    }
  }
}

// The folder is the task's user's, who can make of it and of its times what he likes: whose it is
// and when its day began is noted beside it.
void AttemptStore::NoteEndedScratch(const AttemptKey& key) const {
  std::string owner = "-";
  const absl::StatusOr<std::string> bytes = ReadSpec(key);
  const SpecFile spec(bytes.ok() ? *bytes : std::string());
  if (spec.fault() == nullptr) {
    const shim::SpecHeader& header = *spec.view().header;
    const bool becomes = header.switch_user != 0;
    owner = std::to_string(becomes ? header.uid : geteuid()) + " " +
            std::to_string(becomes ? header.gid : getegid());
  }
  const std::string path = ended_scratch_ + "/" + ToString(key);
  const absl::Status written =
      WriteFile(path, std::to_string(clock_.WallMs()) + " " + owner + "\n", 0600);
  if (!written.ok()) BERTH_LOG_WARN("{}", written.ToString());
}

std::optional<AttemptStore::EndedScratch> AttemptStore::FindEndedScratch(
    const AttemptKey& key) const {
  const auto text = base::ReadSmallFile(ended_scratch_ + "/" + ToString(key));
  if (!text.ok()) return std::nullopt;
  std::istringstream words(*text);
  EndedScratch ended;
  if (!(words >> ended.ended_unix_ms)) return std::nullopt;
  uint32_t uid = 0;
  uint32_t gid = 0;
  if (words >> uid >> gid) ended.owner = {uid, gid};
  return ended;
}

void AttemptStore::NoteExpired(uint64_t through_job) const {
  const absl::StatusOr<std::string> before = base::ReadSmallFile(ExpiredPath());
  if (before.ok() && ParseNumber<uint64_t>(*before).value_or(0) >= through_job) return;
  const absl::Status written =
      base::WriteFileAtomically(ExpiredPath(), std::to_string(through_job), 0600);
  if (!written.ok()) BERTH_LOG_WARN("{}", written.ToString());
}

bool AttemptStore::MayHaveExpired(const AttemptKey& key) const {
  const absl::StatusOr<std::string> text = base::ReadSmallFile(ExpiredPath());
  return text.ok() && key.job_id <= ParseNumber<uint64_t>(*text).value_or(0);
}

}  // namespace berth::agentd
