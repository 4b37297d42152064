#include "images/image_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "images/reference.h"
#include "images/root_writer.h"

namespace berth::images {
namespace {

constexpr std::string_view kUnpacking = ".unpacking-";
constexpr std::string_view kImage = "sha256-";
constexpr int64_t kAskRegistryAgainMs = 10 * 60'000;
constexpr int64_t kNeverMs = std::numeric_limits<int64_t>::max();
constexpr int64_t kMostUnpackMs = 30 * 60'000;
// What is known of references, and of users, is forgotten when it is more: it can be had again.
constexpr size_t kMostKnown = 10'000;

void RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) BERTH_LOG_WARN("cannot remove {}: {}", path, error.message());
}

std::vector<std::string> Names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

absl::Status MakeFolder(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, base::A("cannot make folder " + path));
}

enum class Kind { kNothing, kFolder, kOther };

// With the rights that are in force. An error: it cannot be told.
absl::StatusOr<Kind> KindOf(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) == 0) return S_ISDIR(info.st_mode) ? Kind::kFolder : Kind::kOther;
  if (errno == ENOENT || errno == ENOTDIR) return Kind::kNothing;
  if (errno == EACCES) {
    return absl::PermissionDeniedError("the task's user may not read it");
  }
  return absl::ErrnoToStatus(errno, "it cannot be read");
}

bool HasAny(const std::string& folder, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) {
    struct stat info = {};
    return *name != '\0' && lstat((folder + "/" + name).c_str(), &info) == 0;
  });
}

}  // namespace

ImageStore::ImageStore(Options options, const base::Clock& clock, Post post)
    : options_(std::move(options)),
      clock_(clock),
      post_(std::move(post)),
      podman_(options_.podman, options_.most_pull, [this] { return stopped_.load(); }) {}

absl::Status ImageStore::Open() {
  // For nobody but the agent: an image may have in it what its users may not change.
  BERTH_RETURN_IF_ERROR(MakeFolder(options_.folder, 0700));
  for (const std::string& name : Names(options_.folder)) {
    if (name.starts_with(kUnpacking)) RemoveTree(options_.folder + "/" + name);
  }
  return absl::OkStatus();
}

void ImageStore::Stop() {
  stopped_ = true;
  resolver_.Stop();
  puller_.Stop();
  unpacker_.Stop();
}

std::string ImageStore::Folder(const std::string& digest) const {
  return options_.folder + "/" + std::string(kImage) + digest.substr(digest.find(':') + 1);
}

Image ImageStore::ImageOf(const std::string& digest, const ImageConfig& config,
                          std::shared_ptr<void> hold) const {
  return {.root = Root(digest), .named = false, .config = config, .hold = std::move(hold)};
}

void ImageStore::AnswerWith(const Answer& answer, absl::StatusOr<Image> image) {
  if (stopped_) return;
  post_([answer, image = std::move(image)] { answer(image); });
}

void ImageStore::Get(Request request, Answer answer) {
  resolver_.Post([this, request = std::move(request), answer = std::move(answer)] {
    if (!stopped_) Resolve(request, answer);
  });
}

// ---- the resolver's thread ----

void ImageStore::Resolve(const Request& request, const Answer& answer) {
  if (!request.image.starts_with('/')) return ResolveReference(request.image, answer);
  std::shared_ptr<LayoutImage> layout;
  absl::StatusOr<Image> image = absl::UnknownError("");
  {
    const UserRights rights(request.user);
    image = ResolvePath(request, layout);
  }
  if (layout == nullptr) return AnswerWith(answer, std::move(image));
  Provide(request.user.uid, std::move(layout), answer);
}

void ImageStore::ResolveReference(const std::string& reference, const Answer& answer) {
  if (absl::Status valid = CheckReference(reference); !valid.ok()) {
    return AnswerWith(answer, std::move(valid));
  }
  // Here, and not behind what others have the puller fetch.
  if (AnswerFromKnown(reference, answer)) return;
  if (!podman_.IsThere()) {
    return AnswerWith(answer, absl::FailedPreconditionError(
                                  "it is a registry's reference, and this node has no podman to"
                                  " fetch it: install podman there, or give a directory of the"
                                  " node, a root file system or an OCI layout, as /DIR"));
  }
  puller_.Post([this, reference, answer] {
    if (!stopped_) Pull(reference, answer);
  });
}

// With the user's rights. Sets `layout` when it is one; else answers.
absl::StatusOr<Image> ImageStore::ResolvePath(const Request& request,
                                              std::shared_ptr<LayoutImage>& layout) {
  std::string path = request.image;
  std::string tag;
  BERTH_ASSIGN_OR_RETURN(Kind kind, KindOf(path));
  const size_t colon = path.rfind(':');
  if (kind == Kind::kNothing && colon != std::string::npos &&
      path.find('/', colon) == std::string::npos) {
    tag = path.substr(colon + 1);
    path.resize(colon);
    BERTH_ASSIGN_OR_RETURN(kind, KindOf(path));
  }
  if (kind == Kind::kNothing) return absl::NotFoundError("there is no such directory");
  if (kind == Kind::kOther) return absl::InvalidArgumentError("it is no directory");
  if (access(path.c_str(), F_OK) != 0 && errno == EACCES) {
    return absl::PermissionDeniedError("the task's user may not read it");
  }
  if (IsLayout(path)) {
    absl::StatusOr<LayoutImage> read = ReadLayout(path, tag);
    BERTH_RETURN_IF_ERROR(read.status());
    layout = std::make_shared<LayoutImage>(*std::move(read));
    return Image{};
  }
  if (!tag.empty()) {
    return absl::InvalidArgumentError(
        base::A(path + " is no OCI layout, and only one has images with names"));
  }
  if (!HasAny(path, {"bin", "usr", request.program.c_str()})) {
    return absl::InvalidArgumentError(
        "it is neither a root file system (it has no bin and no usr) nor an OCI layout");
  }
  return Image{.root = path, .named = true};
}

std::shared_ptr<void> ImageStore::Find(const std::string& digest) {
  const base::MutexLock lock(mutex_);
  // Under the lock: MakeRoom() removes nothing that is held.
  if (access(Root(digest).c_str(), F_OK) != 0) return nullptr;
  utimensat(AT_FDCWD, Folder(digest).c_str(), nullptr, 0);
  std::shared_ptr<void> hold = holds_[digest].lock();
  if (hold == nullptr) {
    hold = std::make_shared<char>();
    holds_[digest] = hold;
  }
  return hold;
}

bool ImageStore::IsProven(const Claim& claim) {
  if (!claim.first.has_value()) return true;
  const base::MutexLock lock(mutex_);
  return proven_.contains(claim);
}

void ImageStore::NoteProven(const Claim& claim) {
  if (!claim.first.has_value()) return;
  const base::MutexLock lock(mutex_);
  if (proven_.size() >= kMostKnown) proven_.clear();
  proven_.insert(claim);
}

// On the resolver's thread and on the puller's.
void ImageStore::Provide(const std::optional<uint32_t>& user, std::shared_ptr<LayoutImage> layout,
                         const Answer& answer) {
  const Claim claim(user, layout->digest);
  if (IsProven(claim)) {
    if (auto hold = Find(layout->digest)) {
      return AnswerWith(answer, ImageOf(layout->digest, layout->config, std::move(hold)));
    }
  }
  {
    const base::MutexLock lock(mutex_);
    auto& waiting = waiting_[claim];
    waiting.emplace_back(layout->config, answer);
    if (waiting.size() > 1) return;
  }
  unpacker_.Post([this, claim, layout = std::move(layout)] { UnpackAndAnswer(claim, *layout); });
}

// ---- the puller's thread ----

void ImageStore::Pull(const std::string& reference, const Answer& answer) {
  if (AnswerFromKnown(reference, answer)) return;  // somebody before it has had it fetched
  const std::string registry_says = podman_.Digest(reference);
  if (Renew(reference, registry_says, "").has_value() && AnswerFromKnown(reference, answer)) return;
  const auto fetched = podman_.Pull(reference);
  if (!fetched.ok()) return AnswerWith(answer, fetched.status());
  if (const auto known = Renew(reference, registry_says, fetched->id)) {
    if (auto hold = Find(known->digest)) {
      podman_.Remove(*fetched);
      return AnswerWith(answer, ImageOf(known->digest, known->config, std::move(hold)));
    }
  }
  auto layout = SaveLayout(*fetched);
  podman_.Remove(*fetched);
  if (!layout.ok()) return AnswerWith(answer, layout.status());
  NotePulled(reference, {.digest = (*layout)->digest,
                         .config = (*layout)->config,
                         .id = fetched->id,
                         .registry_says = registry_says});
  Provide(std::nullopt, *std::move(layout), answer);
}

bool ImageStore::AnswerFromKnown(const std::string& reference, const Answer& answer) {
  Pulled known;
  {
    const base::MutexLock lock(mutex_);
    const auto found = pulled_.find(reference);
    if (found == pulled_.end() || clock_.MonotonicMs() >= found->second.until_ms) return false;
    known = found->second;
    const auto waiting = waiting_.find({std::nullopt, known.digest});
    if (waiting != waiting_.end()) {
      waiting->second.emplace_back(known.config, answer);
      return true;
    }
  }
  // What nobody waits for any more is there by now, or could not be unpacked.
  auto hold = Find(known.digest);
  if (hold == nullptr) return false;
  AnswerWith(answer, ImageOf(known.digest, known.config, std::move(hold)));
  return true;
}

std::optional<ImageStore::Pulled> ImageStore::Renew(const std::string& reference,
                                                    const std::string& registry_says,
                                                    const std::string& id) {
  const base::MutexLock lock(mutex_);
  const auto found = pulled_.find(reference);
  if (found == pulled_.end()) return std::nullopt;
  Pulled& known = found->second;
  const bool same = (!registry_says.empty() && registry_says == known.registry_says) ||
                    (!id.empty() && id == known.id);
  if (!same) return std::nullopt;
  known.registry_says = registry_says;
  known.until_ms = clock_.MonotonicMs() + kAskRegistryAgainMs;
  return known;
}

void ImageStore::NotePulled(const std::string& reference, Pulled pulled) {
  // With a digest in it, it stands for one image for ever.
  const bool for_ever = reference.find('@') != std::string::npos;
  pulled.until_ms = for_ever ? kNeverMs : clock_.MonotonicMs() + kAskRegistryAgainMs;
  const base::MutexLock lock(mutex_);
  if (pulled_.size() >= kMostKnown) pulled_.clear();
  pulled_[reference] = std::move(pulled);
}

absl::StatusOr<std::shared_ptr<LayoutImage>> ImageStore::SaveLayout(
    const Podman::Fetched& fetched) {
  const std::string folder =
      options_.folder + "/" + std::string(kUnpacking) + "pull-" + std::to_string(next_++);
  const absl::Status saved = podman_.Save(fetched, folder);
  absl::StatusOr<LayoutImage> layout = saved.ok() ? ReadLayout(folder, "") : saved;
  RemoveTree(folder);  // its layers are open
  BERTH_RETURN_IF_ERROR(layout.status());
  return std::make_shared<LayoutImage>(*std::move(layout));
}

// ---- the unpacker's thread ----

void ImageStore::UnpackAndAnswer(const Claim& claim, const LayoutImage& layout) {
  absl::Status done;
  std::shared_ptr<void> hold = Find(layout.digest);
  if (hold == nullptr) {
    done = Unpack(layout);
    if (done.ok()) hold = Find(layout.digest);
  } else if (!IsProven(claim)) {
    done = Verify(layout);
  }
  if (done.ok()) NoteProven(claim);
  std::vector<std::pair<ImageConfig, Answer>> waiting;
  {
    const base::MutexLock lock(mutex_);
    waiting = std::move(waiting_.extract(claim).mapped());
  }
  for (auto& [config, answer] : waiting) {
    if (done.ok()) {
      AnswerWith(answer, ImageOf(layout.digest, config, hold));
    } else {
      AnswerWith(answer, done);
    }
  }
  MakeRoom();
}

GoOn ImageStore::GoOnForAWhile() const {
  const int64_t until_ms = clock_.MonotonicMs() + kMostUnpackMs;
  return [this, until_ms]() -> absl::Status {
    if (stopped_) return absl::CancelledError("the agent is stopping");
    if (clock_.MonotonicMs() < until_ms) return absl::OkStatus();
    return absl::DeadlineExceededError(
        "it took longer than 30 minutes to read and unpack it, and other images wait for that:"
        " make it smaller, or put it where the node can read it faster");
  };
}

// Of what is read: an archive that holds nothing may still be long.
absl::Status ImageStore::CheckSize(const LayoutImage& layout) const {
  int64_t left = options_.most_bytes;
  for (const LayerBlob& layer : layout.layers) {
    if (layer.size > left) return TakesUpTooMuch(options_.most_bytes);
    left -= layer.size;
  }
  return absl::OkStatus();
}

absl::Status ImageStore::Verify(const LayoutImage& layout) const {
  BERTH_RETURN_IF_ERROR(CheckSize(layout));
  const GoOn go_on = GoOnForAWhile();
  for (const LayerBlob& layer : layout.layers) {
    BERTH_RETURN_IF_ERROR(VerifyLayer(layer, go_on));
  }
  return absl::OkStatus();
}

absl::Status ImageStore::Unpack(const LayoutImage& layout) {
  if (stopped_) return absl::CancelledError("the agent is stopping");
  BERTH_RETURN_IF_ERROR(CheckSize(layout));
  const std::string folder =
      options_.folder + "/" + std::string(kUnpacking) + std::to_string(next_++);
  absl::Status done = UnpackInto(layout, folder);
  if (done.ok() && rename(folder.c_str(), Folder(layout.digest).c_str()) != 0) {
    done = absl::ErrnoToStatus(errno, base::A("cannot rename " + folder));
  }
  if (!done.ok()) RemoveTree(folder);
  return done;
}

absl::Status ImageStore::UnpackInto(const LayoutImage& layout, const std::string& folder) {
  const std::string root = folder + "/root";
  BERTH_RETURN_IF_ERROR(MakeFolder(folder, 0700));
  BERTH_RETURN_IF_ERROR(MakeFolder(root, 0755));
  base::UniqueFd directory(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return absl::ErrnoToStatus(errno, base::A("cannot open " + root));
  const base::UniqueFd disk(fcntl(directory.get(), F_DUPFD_CLOEXEC, 0));
  UnpackBudget budget(disk.get(), options_.keep_free_bytes, options_.most_bytes, GoOnForAWhile());
  RootWriter writer(std::move(directory),
                    {.spend = [&budget](int64_t bytes) { return budget.Spend(bytes); }});
  for (const LayerBlob& layer : layout.layers) {
    BERTH_RETURN_IF_ERROR(UnpackLayer(layer, writer, budget));
  }
  BERTH_RETURN_IF_ERROR(
      base::WriteFileAtomically(folder + "/size", std::to_string(budget.spent()), 0600));
  // What has its name is whole, also after a crash of the machine.
  if (syncfs(disk.get()) != 0) return absl::ErrnoToStatus(errno, "cannot sync the image");
  return absl::OkStatus();
}

void ImageStore::MakeRoom() {
  struct Candidate {
    timespec used;
    std::string digest;
    int64_t bytes;
  };
  std::vector<Candidate> all;
  int64_t total = 0;
  for (const std::string& name : Names(options_.folder)) {
    if (!name.starts_with(kImage)) continue;
    const std::string folder = options_.folder + "/" + name;
    struct stat info = {};
    if (stat(folder.c_str(), &info) != 0) continue;
    const std::string text = base::ReadSmallFile(folder + "/size").value_or("");
    int64_t bytes = 0;
    std::from_chars(text.data(), text.data() + text.size(), bytes);
    all.push_back({info.st_mtim, "sha256:" + name.substr(kImage.size()), bytes});
    total += bytes;
  }
  if (total <= options_.most_bytes) return;
  std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  for (const Candidate& each : all) {
    if (total <= options_.most_bytes) return;
    const std::string gone = options_.folder + "/" + std::string(kUnpacking) + "old";
    {
      const base::MutexLock lock(mutex_);
      const auto hold = holds_.find(each.digest);
      if (hold != holds_.end() && !hold->second.expired()) continue;
      // After the holds: who lets go of one has noted its use before.
      if (options_.in_use().contains(Root(each.digest))) continue;
      holds_.erase(each.digest);
      if (rename(Folder(each.digest).c_str(), gone.c_str()) != 0) continue;
    }
    BERTH_LOG_INFO("image {} is removed: it has not been used for longest", each.digest);
    RemoveTree(gone);
    total -= each.bytes;
  }
}

}  // namespace berth::images
