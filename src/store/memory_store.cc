#include "store/memory_store.h"

#include <utility>

#include "base/check.h"
#include "base/sha256.h"
#include "store/commit_check.h"
#include "store/record_keys.h"

namespace berth::store {

absl::StatusOr<std::shared_ptr<MemoryDisk>> MemoryDisk::Build(
    const std::string& cluster_id, const Head& head,
    const std::function<absl::Status(const RecordSink& sink)>& source) {
  auto disk = std::make_shared<MemoryDisk>(cluster_id);
  base::MutexLock lock(disk->mutex_);
  Content& content = *disk->content_;
  const auto sink = [&content](Table table, std::string_view key, std::string_view value) {
    content.tables[table][std::string(key)] = std::make_shared<const std::string>(value);
    return absl::OkStatus();
  };
  if (auto status = source(sink); !status.ok()) return status;
  content.head = head;
  return disk;
}

void MemoryDisk::FailNextWrite(absl::Status status) {
  base::MutexLock lock(mutex_);
  write_fault_ = std::move(status);
}

void MemoryDisk::FailNextSync(absl::Status status) {
  base::MutexLock lock(mutex_);
  sync_fault_ = std::move(status);
}

void MemoryDisk::LoseUnsynced() {
  base::MutexLock lock(mutex_);
  if (before_unsynced_ != nullptr) content_ = std::move(before_unsynced_);
  before_unsynced_ = nullptr;
}

void MemoryDisk::SetRoom(absl::Status room) {
  base::MutexLock lock(mutex_);
  room_ = std::move(room);
}

void MemoryDisk::HoldCommits() {
  base::MutexLock lock(mutex_);
  holding_ = true;
  held_ = 0;
}

void MemoryDisk::ReleaseCommits() {
  base::MutexLock lock(mutex_);
  holding_ = false;
  changed_.NotifyAll();
}

void MemoryDisk::AwaitHeldCommits(uint64_t count) {
  base::MutexLock lock(mutex_);
  while (held_ < count) changed_.Wait(mutex_);
}

void MemoryDisk::Corrupt(Table table, const std::string& key, std::string value) {
  base::MutexLock lock(mutex_);
  Writable().tables[table][key] = std::make_shared<const std::string>(std::move(value));
}

MemoryDisk::Content& MemoryDisk::Writable() {
  if (content_->readers > 0) {
    content_ = std::make_shared<Content>(*content_);
    content_->readers = 0;
  }
  return *content_;
}

// One state of a disk.
class MemoryView final : public StoreReader {
 public:
  explicit MemoryView(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {
    base::MutexLock lock(disk_->mutex_);
    content_ = disk_->content_;
    ++content_->readers;
  }
  ~MemoryView() override {
    base::MutexLock lock(disk_->mutex_);
    --content_->readers;
  }
  MemoryView(const MemoryView&) = delete;
  MemoryView& operator=(const MemoryView&) = delete;

  Head head() const override { return content_->head; }

  absl::StatusOr<std::string> Get(Table table, std::string_view key) const override {
    const auto value = Find(table, key);
    if (value == nullptr) return RecordMissing(table, key);
    return *value;
  }

  absl::Status Scan(Table table, std::string_view prefix, std::string_view from,
                    const ScanCallback& callback) const override {
    const auto records = content_->tables.find(table);
    if (records == content_->tables.end()) return absl::OkStatus();
    auto record = records->second.lower_bound(std::max(prefix, from));
    for (; record != records->second.end(); ++record) {
      if (record->first.compare(0, prefix.size(), prefix) != 0) break;
      if (!callback(record->first, *record->second)) break;
    }
    return absl::OkStatus();
  }

  std::shared_ptr<const std::string> Find(Table table, std::string_view key) const {
    const auto records = content_->tables.find(table);
    if (records == content_->tables.end()) return nullptr;
    const auto record = records->second.find(key);
    return record == records->second.end() ? nullptr : record->second;
  }

  const MemoryDisk::Content& content() const { return *content_; }

 private:
  const std::shared_ptr<MemoryDisk> disk_;
  std::shared_ptr<MemoryDisk::Content> content_;
};

namespace {

template <typename Records>
void Apply(const WriteBatch::Write& write, Records& records) {
  switch (write.kind) {
    case WriteBatch::Kind::kPut:
      records[write.key] =
          write.shared ? write.shared : std::make_shared<const std::string>(write.value);
      break;
    case WriteBatch::Kind::kDelete:
      records.erase(write.key);
      break;
    case WriteBatch::Kind::kDeleteRange:
      records.erase(records.lower_bound(write.key), records.lower_bound(write.value));
      break;
  }
}

}  // namespace

MemoryStore::MemoryStore(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {
  base::MutexLock lock(disk_->mutex_);
  number_ = ++disk_->owner_;
  // What this store finds has lasted: nothing of it goes any more.
  disk_->before_unsynced_ = nullptr;
}

Head MemoryStore::head() const {
  base::MutexLock lock(disk_->mutex_);
  return disk_->content_->head;
}

absl::StatusOr<std::string> MemoryStore::Get(Table table, std::string_view key) const {
  return MemoryView(disk_).Get(table, key);
}

absl::Status MemoryStore::Scan(Table table, std::string_view prefix, std::string_view from,
                               const ScanCallback& callback) const {
  return MemoryView(disk_).Scan(table, prefix, from, callback);
}

absl::Status MemoryStore::Commit(const WriteBatch& batch, uint64_t epoch, uint64_t term) {
  base::MutexLock lock(disk_->mutex_);
  if (failed_) return EarlierCommitFailed(place_);
  if (disk_->holding_) {
    ++disk_->held_;
    disk_->changed_.NotifyAll();
  }
  while (disk_->holding_) disk_->changed_.Wait(disk_->mutex_);
  if (number_ != disk_->owner_) {
    return absl::FailedPreconditionError("store \"memory\": another store has been opened on it");
  }
  if (absl::Status status = CheckMayFollow(disk_->content_->head, epoch, term); !status.ok()) {
    return status;
  }
  if (!disk_->write_fault_.ok()) {
    failed_ = true;
    return std::exchange(disk_->write_fault_, absl::OkStatus());
  }
  if (!disk_->sync_fault_.ok()) {
    disk_->before_unsynced_ = std::make_shared<MemoryDisk::Content>(*disk_->content_);
    disk_->before_unsynced_->readers = 0;
  }
  MemoryDisk::Content& content = disk_->Writable();
  for (const WriteBatch::Write& write : batch.writes()) Apply(write, content.tables[write.table]);
  content.head = {epoch, term};
  if (!disk_->sync_fault_.ok()) {
    failed_ = true;
    return std::exchange(disk_->sync_fault_, absl::OkStatus());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<const StoreReader>> MemoryStore::Snapshot() const {
  return std::unique_ptr<const StoreReader>(std::make_unique<MemoryView>(disk_));
}

absl::StatusOr<std::shared_ptr<const std::string>> MemoryStore::GetBlob(
    std::string_view hash) const {
  auto content = MemoryView(disk_).Find(Table::kBlobs, hash);
  if (content == nullptr) return RecordMissing(Table::kBlobs, hash);
  if (base::Sha256Hex(*content) != hash) return BlobDamaged(hash);
  return content;
}

absl::Status MemoryStore::CheckRoom() const {
  base::MutexLock lock(disk_->mutex_);
  return disk_->room_;
}

StoreStats MemoryStore::stats() const {
  const MemoryView view(disk_);
  StoreStats stats;
  for (const auto& [table, records] : view.content().tables) {
    for (const auto& [key, value] : records) stats.memory_bytes += key.size() + value->size();
  }
  stats.disk_free_bytes = uint64_t{1} << 40;
  return stats;
}

}  // namespace berth::store
