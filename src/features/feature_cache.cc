#include "features/feature_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/fixed_hash.h"
#include "base/path_error.h"
#include "base/status_macros.h"

namespace berth::features {
namespace {

constexpr std::string_view kCacheMagic = "BERTHFC1";
constexpr size_t kRecordHeadBytes = 12;
constexpr size_t kMostRecordBytes = 1 << 20;
// A file below this is not worth writing anew.
constexpr uint64_t kLeastCompaction = 1 << 20;
constexpr size_t kWriteBufferBytes = 1 << 20;

void AppendNumber(uint64_t value, size_t bytes, std::string& out) {
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

uint64_t TakeNumber(size_t bytes, std::string_view& in) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    value |= uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
  }
  in.remove_prefix(bytes);
  return value;
}

constexpr size_t kFixedPayloadBytes = 32 + 8 + 8 + 1 + 8;

std::string EncodeRecord(const base::Sha256Digest& key, const FeatureCache::Entry& entry,
                         uint64_t offset) {
  std::string payload(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  AppendNumber(entry.served_by, 8, payload);
  AppendNumber(entry.identity, 8, payload);
  AppendNumber(entry.is_refusal ? 1 : 0, 1, payload);
  AppendNumber(static_cast<uint64_t>(entry.expires_ms), 8, payload);
  payload += entry.text;
  std::string record;
  AppendNumber(payload.size(), 4, record);
  AppendNumber(base::FixedHash(payload, offset), 8, record);
  return record + payload;
}

// REQUIRES: at least kFixedPayloadBytes.
FeatureCache::Entry DecodePayload(std::string_view payload, base::Sha256Digest& key) {
  std::memcpy(key.bytes.data(), payload.data(), key.bytes.size());
  payload.remove_prefix(key.bytes.size());
  FeatureCache::Entry entry;
  entry.served_by = TakeNumber(8, payload);
  entry.identity = TakeNumber(8, payload);
  entry.is_refusal = TakeNumber(1, payload) != 0;
  entry.expires_ms = static_cast<int64_t>(TakeNumber(8, payload));
  entry.text = std::string(payload);
  return entry;
}

uint64_t RecordBytes(const FeatureCache::Entry& entry) {
  return kRecordHeadBytes + kFixedPayloadBytes + entry.text.size();
}

// The entry with its text, the list's links, its place in the table at the table's emptiest, and
// what malloc adds to two blocks.
size_t MemoryBytes(const FeatureCache::Entry& entry) {
  constexpr size_t kOwn = sizeof(FeatureCache::Entry) + sizeof(base::Sha256Digest) + 16;
  constexpr size_t kTablePlace = (sizeof(base::Sha256Digest) + 8 + 1) * 16 / 7;
  constexpr size_t kBlocks = 2 * 16;
  return kOwn + kTablePlace + kBlocks + entry.text.capacity();
}

absl::Status WriteAt(int fd, std::string_view bytes, uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::PathError(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::StatusOr<base::UniqueFd> OpenLocked(const std::string& path, int flags) {
  base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600));
  if (!fd.valid()) return base::PathError(errno, "open", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return base::PathError(errno, "lock", path);
    return absl::FailedPreconditionError(
        path + ": another process uses it; end that, or give this one another directory");
  }
  return fd;
}

// Reads a file from its beginning, and knows when there is no more.
class FileReader {
 public:
  explicit FileReader(int fd) : fd_(fd) {}

  // Exactly `bytes`, or less when the file ends. The view holds until the next call.
  absl::StatusOr<std::string_view> Next(size_t bytes) {
    while (buffer_.size() - at_ < bytes) {
      buffer_.erase(0, at_);
      at_ = 0;
      const size_t had = buffer_.size();
      buffer_.resize(had + std::max(bytes, kWriteBufferBytes));
      const ssize_t count =
          ::pread(fd_, buffer_.data() + had, buffer_.size() - had, static_cast<off_t>(offset_));
      buffer_.resize(had + static_cast<size_t>(std::max<ssize_t>(count, 0)));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return absl::ErrnoToStatus(errno, "cannot read");
      if (count == 0) break;
      offset_ += static_cast<uint64_t>(count);
    }
    const std::string_view out = std::string_view(buffer_).substr(at_, bytes);
    at_ += out.size();
    return out;
  }

 private:
  const int fd_;
  std::string buffer_;
  size_t at_ = 0;
  uint64_t offset_ = 0;
};

}  // namespace

size_t FeatureCache::KeyHash::operator()(const base::Sha256Digest& key) const {
  size_t hash = 0;
  std::memcpy(&hash, key.bytes.data(), sizeof hash);
  return hash;
}

absl::StatusOr<std::unique_ptr<FeatureCache>> FeatureCache::Open(const std::string& path,
                                                                 size_t most_bytes,
                                                                 int64_t now_ms) {
  std::unique_ptr<FeatureCache> cache(new FeatureCache(path, most_bytes));
  if (!path.empty()) BERTH_RETURN_IF_ERROR(cache->OpenFile(now_ms));
  return cache;
}

absl::Status FeatureCache::OpenFile(int64_t now_ms) {
  BERTH_ASSIGN_OR_RETURN(file_, OpenLocked(path_, 0));
  BERTH_RETURN_IF_ERROR(Load(now_ms));
  return CompactIfDue();
}

absl::Status FeatureCache::Load(int64_t now_ms) {
  struct stat there {};
  if (::fstat(file_.get(), &there) != 0) return base::PathError(errno, "look at", path_);
  const auto size = static_cast<uint64_t>(there.st_size);
  FileReader reader(file_.get());
  BERTH_ASSIGN_OR_RETURN(const std::string_view magic, reader.Next(kCacheMagic.size()));
  uint64_t good = 0;
  if (magic == kCacheMagic) {
    good = kCacheMagic.size();
    while (true) {
      BERTH_ASSIGN_OR_RETURN(std::string_view head, reader.Next(kRecordHeadBytes));
      if (head.size() < kRecordHeadBytes) break;
      const size_t length = TakeNumber(4, head);
      const uint64_t sum = TakeNumber(8, head);
      if (length < kFixedPayloadBytes || length > kMostRecordBytes) break;
      BERTH_ASSIGN_OR_RETURN(const std::string_view payload, reader.Next(length));
      if (payload.size() < length || base::FixedHash(payload, good) != sum) break;
      base::Sha256Digest key;
      Entry entry = DecodePayload(payload, key);
      // In the order in which they were written: the last identity is the one that counts.
      identities_[entry.served_by] = entry.identity;
      if (entry.expires_ms > now_ms) Insert(key, std::move(entry));
      good += kRecordHeadBytes + length;
    }
  }
  stats_.tail_dropped_bytes = size - good;
  if (good == 0) {
    BERTH_RETURN_IF_ERROR(WriteAt(file_.get(), kCacheMagic, 0, path_));
    good = kCacheMagic.size();
  }
  if (size != good && ::ftruncate(file_.get(), static_cast<off_t>(good)) != 0) {
    return base::PathError(errno, "cut", path_);
  }
  file_bytes_ = good;
  return absl::OkStatus();
}

std::optional<FeatureCache::Entry> FeatureCache::Find(const base::Sha256Digest& key,
                                                      int64_t now_ms) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  const Nodes::iterator node = found->second;
  const Entry& entry = node->entry;
  const auto current = identities_.find(entry.served_by);
  if (entry.expires_ms <= now_ms) {
    ++stats_.expired;
    Erase(node);
    return std::nullopt;
  }
  if (current != identities_.end() && current->second != entry.identity) {
    ++stats_.invalidated;
    Erase(node);
    return std::nullopt;
  }
  nodes_.splice(nodes_.end(), nodes_, node);
  return entry;
}

absl::Status FeatureCache::Put(const base::Sha256Digest& key, Entry entry) {
  if (entry.identity == 0) {
    const auto last = identities_.find(entry.served_by);
    if (last != identities_.end()) entry.identity = last->second;
  }
  const std::string record = file_.valid() && RecordBytes(entry) <= kMostRecordBytes
                                 ? EncodeRecord(key, entry, file_bytes_)
                                 : std::string();
  SetIdentity(entry.served_by, entry.identity);
  Insert(key, std::move(entry));
  if (record.empty()) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(Append(record));
  return CompactIfDue();
}

bool FeatureCache::SetIdentity(uint64_t served_by, uint64_t identity) {
  const auto [current, is_new] = identities_.try_emplace(served_by, identity);
  if (is_new || current->second == identity) return false;
  current->second = identity;
  return true;
}

FeatureCache::Stats FeatureCache::stats() const {
  Stats stats = stats_;
  stats.entries = nodes_.size();
  stats.bytes = bytes_;
  stats.file_bytes = file_bytes_;
  return stats;
}

void FeatureCache::Insert(const base::Sha256Digest& key, Entry entry) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) Erase(found->second);
  entry.text.shrink_to_fit();
  bytes_ += MemoryBytes(entry);
  live_file_bytes_ += RecordBytes(entry);
  nodes_.push_back({.key = key, .entry = std::move(entry)});
  by_key_.emplace(key, std::prev(nodes_.end()));
  while (bytes_ > most_bytes_ && !nodes_.empty()) {
    ++stats_.evicted;
    Erase(nodes_.begin());
  }
}

void FeatureCache::Erase(Nodes::iterator node) {
  bytes_ -= MemoryBytes(node->entry);
  live_file_bytes_ -= RecordBytes(node->entry);
  by_key_.erase(node->key);
  nodes_.erase(node);
}

absl::Status FeatureCache::Append(std::string_view record) {
  const absl::Status written = WriteAt(file_.get(), record, file_bytes_, path_);
  if (!written.ok()) {
    // Half a record is written over by the next one; without this it would only cost what it takes.
    if (::ftruncate(file_.get(), static_cast<off_t>(file_bytes_)) != 0) {
      return base::PathError(errno, "cut", path_);
    }
    return written;
  }
  file_bytes_ += record.size();
  return absl::OkStatus();
}

absl::Status FeatureCache::CompactIfDue() {
  const uint64_t live = live_file_bytes_ + kCacheMagic.size();
  if (!file_.valid() || file_bytes_ <= std::max(kLeastCompaction, 2 * live)) {
    return absl::OkStatus();
  }
  return Compact();
}

absl::Status FeatureCache::Compact() {
  const std::string next = path_ + ".new";
  BERTH_ASSIGN_OR_RETURN(base::UniqueFd file, OpenLocked(next, O_TRUNC));
  std::string buffer(kCacheMagic);
  uint64_t written = 0;
  for (const Node& node : nodes_) {
    buffer += EncodeRecord(node.key, node.entry, written + buffer.size());
    if (buffer.size() < kWriteBufferBytes) continue;
    BERTH_RETURN_IF_ERROR(WriteAt(file.get(), buffer, written, next));
    written += buffer.size();
    buffer.clear();
  }
  BERTH_RETURN_IF_ERROR(WriteAt(file.get(), buffer, written, next));
  written += buffer.size();
  if (::fsync(file.get()) != 0) return base::PathError(errno, "sync", next);
  if (::rename(next.c_str(), path_.c_str()) != 0) return base::PathError(errno, "replace", path_);
  file_ = std::move(file);
  file_bytes_ = written;
  ++stats_.compactions;
  return absl::OkStatus();
}

}  // namespace berth::features
