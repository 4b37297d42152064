#include "store/rocksdb_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "berth/store/v1/records.pb.h"
#include "store/blob_cache.h"
#include "store/commit_check.h"
#include "store/data_directory.h"
#include "store/record_codec.h"
#include "store/record_frame.h"
#include "store/record_keys.h"

namespace berth::store {
namespace {

using rocksdb::Slice;

// Tables that are written alike lie together. The names are on disk.
enum Family : size_t { kState, kBlobs, kJournals, kFamilies };
constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "blobs", "journals"};

// Of a database that is being built: what one write has.
constexpr size_t kBuildBatchBytes = size_t{1} << 20;

constexpr char kHeadLetter = 'H';  // not a table's
constexpr std::string_view kHeadKey = "H";

Family FamilyOf(Table table) {
  switch (table) {
    case Table::kBlobs:
      return kBlobs;
    case Table::kChangeLog:
    case Table::kAudit:
    case Table::kHistory:
      return kJournals;
    default:
      return kState;
  }
}

// A key as it is in its family: the table's letter first.
std::string FullKey(Table table, std::string_view key) {
  std::string full;
  full.reserve(key.size() + 1);
  full += static_cast<char>(table);
  return full.append(key);
}

Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view ToView(const Slice& slice) { return {slice.data(), slice.size()}; }

absl::StatusCode CodeOf(const rocksdb::Status& status) {
  if (status.IsCorruption()) return absl::StatusCode::kDataLoss;
  if (status.IsNoSpace()) return absl::StatusCode::kResourceExhausted;
  if (status.IsIOError()) return absl::StatusCode::kUnavailable;
  return absl::StatusCode::kInternal;
}

std::string_view WayOn(const rocksdb::Status& status) {
  if (status.IsCorruption()) {
    return "; the database is damaged: stop berthd, and restore a snapshot (berth admin snapshot "
           "restore FILE --generation N, with a generation that the cluster has not had) or put a "
           "backup of the data directory in its place";
  }
  if (status.IsNoSpace()) return "; make room on its file system, then start berthd again";
  return "; look at the disk and the kernel's log, then start berthd again";
}

absl::Status StoreError(const rocksdb::Status& status, const std::string& place,
                        std::string_view doing) {
  return absl::Status(CodeOf(status), "data directory \"" + place + "\": cannot " +
                                          std::string(doing) + ": " + status.ToString() +
                                          std::string(WayOn(status)));
}

rocksdb::Options MakeOptions(const RocksDbStoreOptions& limits) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // An acknowledged write is never dropped at opening, whatever is wrong with the log: only a write
  // that a crash cut short is.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  options.max_total_wal_size = uint64_t{64} << 20;
  options.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(limits.write_buffer_bytes);
  options.write_buffer_size = limits.write_buffer_bytes / 2;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.compression = rocksdb::kLZ4Compression;
  options.target_file_size_base = uint64_t{16} << 20;
  options.max_bytes_for_level_base = uint64_t{64} << 20;
  options.bytes_per_sync = 1 << 20;
  // No threads that wake up to write statistics, and short logs of its own.
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 1 << 20;
  options.keep_log_file_num = 3;

  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(limits.block_cache_bytes, /*num_shard_bits=*/2);
  // So that the bound above is one on all that reading keeps in memory.
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// What opening a database may write: its logs as tables, and a few small files of its own.
uint64_t OpeningBytes(const std::string& database_path) {
  constexpr uint64_t kOwnFiles = uint64_t{1} << 20;
  uint64_t bytes = kOwnFiles;
  std::error_code error;  // not to know is no reason to refuse
  for (const auto& entry : std::filesystem::directory_iterator(database_path, error)) {
    if (entry.path().extension() != ".log") continue;
    const uint64_t size = entry.file_size(error);
    if (!error) bytes += size;
  }
  return bytes;
}

// What reads share: the store at its last commit, or a snapshot.
struct Source {
  rocksdb::DB* db = nullptr;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};
  std::string place;

  rocksdb::ColumnFamilyHandle* family(Table table) const { return families[FamilyOf(table)]; }
};

absl::StatusOr<std::string> Get(const Source& source, const rocksdb::Snapshot* snapshot,
                                Table table, std::string_view key) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  std::string value;
  const rocksdb::Status status =
      source.db->Get(options, source.family(table), FullKey(table, key), &value);
  if (status.IsNotFound()) return RecordMissing(table, key);
  if (!status.ok()) {
    return StoreError(
        status, source.place,
        "read table " + std::string(ToString(table)) + ", " + DescribeKey(table, key));
  }
  return value;
}

absl::Status Scan(const Source& source, const rocksdb::Snapshot* snapshot, Table table,
                  std::string_view prefix, std::string_view from, const ScanCallback& callback) {
  const std::string first = FullKey(table, std::max(prefix, from));
  const std::string end = EndOfPrefix(FullKey(table, prefix));
  const Slice upper = end;
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;
  options.readahead_size = 1 << 20;
  const std::unique_ptr<rocksdb::Iterator> records(
      source.db->NewIterator(options, source.family(table)));
  std::string last;
  for (records->Seek(first); records->Valid(); records->Next()) {
    std::string_view key = ToView(records->key());
    key.remove_prefix(1);
    last = key;
    if (!callback(key, ToView(records->value()))) return absl::OkStatus();
  }
  if (records->status().ok()) return absl::OkStatus();
  return StoreError(records->status(), source.place,
                    "read table " + std::string(ToString(table)) +
                        (last.empty() ? std::string() : " after " + DescribeKey(table, last)));
}

std::string EncodeHead(const Head& head) {
  v1::HeadRecord record;
  record.set_epoch(head.epoch);
  record.set_term(head.term);
  return FrameRecord(static_cast<Table>(kHeadLetter), kHeadKey, record);
}

absl::StatusOr<Head> ReadHead(const Source& source, const rocksdb::Snapshot* snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  std::string value;
  const rocksdb::Status status =
      source.db->Get(options, source.families[kState], ToSlice(kHeadKey), &value);
  if (status.IsNotFound()) return Head{};
  if (!status.ok()) return StoreError(status, source.place, "read the last commit");
  v1::HeadRecord record;
  BERTH_RETURN_IF_ERROR(
      ParseRecord(static_cast<Table>(kHeadLetter), kHeadKey, value, record).status());
  return Head{.epoch = record.epoch(), .term = record.term()};
}

class RocksDbSnapshot final : public StoreReader {
 public:
  explicit RocksDbSnapshot(const Source& source)
      : source_(source), snapshot_(source.db->GetSnapshot()) {}
  ~RocksDbSnapshot() override { source_.db->ReleaseSnapshot(snapshot_); }
  RocksDbSnapshot(const RocksDbSnapshot&) = delete;
  RocksDbSnapshot& operator=(const RocksDbSnapshot&) = delete;

  // Of the snapshot, not of the store: a commit may have come between.
  absl::Status Init() {
    BERTH_ASSIGN_OR_RETURN(head_, ReadHead(source_, snapshot_));
    return absl::OkStatus();
  }
  Head head() const override { return head_; }
  absl::StatusOr<std::string> Get(Table table, std::string_view key) const override {
    return store::Get(source_, snapshot_, table, key);
  }
  absl::Status Scan(Table table, std::string_view prefix, std::string_view from,
                    const ScanCallback& callback) const override {
    return store::Scan(source_, snapshot_, table, prefix, from, callback);
  }

 private:
  const Source& source_;
  const rocksdb::Snapshot* const snapshot_;
  Head head_;
};

// A database that is open for a short while.
struct OpenedDatabase {
  OpenedDatabase() = default;
  OpenedDatabase(const OpenedDatabase&) = delete;
  OpenedDatabase& operator=(const OpenedDatabase&) = delete;
  ~OpenedDatabase() { Close().PermitUncheckedError(); }

  rocksdb::Status Close() {
    if (db == nullptr) return {};
    for (rocksdb::ColumnFamilyHandle*& family : source.families) {
      if (family != nullptr) db->DestroyColumnFamilyHandle(family);
      family = nullptr;
    }
    const rocksdb::Status status = db->Close();
    db = nullptr;
    return status;
  }

  std::unique_ptr<rocksdb::DB> db;
  Source source;
};

absl::Status OpenDatabase(const rocksdb::Options& options, const std::string& data_dir,
                          bool read_only, OpenedDatabase& opened) {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const char* name : kFamilyNames) descriptors.emplace_back(name, options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const std::string path = DataDirectory::DatabasePath(data_dir);
  const rocksdb::Status status =
      read_only ? rocksdb::DB::OpenForReadOnly(options, path, descriptors, &handles, &db)
                : rocksdb::DB::Open(options, path, descriptors, &handles, &db);
  if (!status.ok()) return StoreError(status, data_dir, "open its database");
  opened.db.reset(db);
  opened.source.db = db;
  opened.source.place = data_dir;
  std::copy(handles.begin(), handles.end(), opened.source.families.begin());
  return absl::OkStatus();
}

void Add(const WriteBatch::Write& write, const Source& source, rocksdb::WriteBatch& writes) {
  rocksdb::ColumnFamilyHandle* const family = source.family(write.table);
  const char letter = static_cast<char>(write.table);
  const std::array<Slice, 2> key = {Slice(&letter, 1), Slice(write.key)};
  const rocksdb::SliceParts key_parts(key.data(), 2);
  rocksdb::Status status;
  switch (write.kind) {
    case WriteBatch::Kind::kPut: {
      const Slice value = ToSlice(write.content());
      status = writes.Put(family, key_parts, rocksdb::SliceParts(&value, 1));
      break;
    }
    case WriteBatch::Kind::kDelete:
      status = writes.Delete(family, key_parts);
      break;
    case WriteBatch::Kind::kDeleteRange: {
      const std::array<Slice, 2> end = {Slice(&letter, 1), Slice(write.value)};
      status = writes.DeleteRange(family, key_parts, rocksdb::SliceParts(end.data(), 2));
      break;
    }
  }
  // It only appends to memory.
  BERTH_CHECK(status.ok()) << status.ToString();
}

}  // namespace

struct RocksDbStore::Impl {
  explicit Impl(size_t blob_cache_bytes) : blobs(blob_cache_bytes) {}

  std::unique_ptr<DataDirectory> directory;
  std::unique_ptr<DiskRoom> room;
  std::unique_ptr<rocksdb::DB> db;
  Source source;

  mutable base::Mutex mutex;
  Head head BERTH_GUARDED_BY(mutex);
  bool failed BERTH_GUARDED_BY(mutex) = false;

  mutable BlobCache blobs;
};

RocksDbStore::RocksDbStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RocksDbStore::~RocksDbStore() {
  for (rocksdb::ColumnFamilyHandle* family : impl_->source.families) {
    if (family != nullptr) impl_->db->DestroyColumnFamilyHandle(family);
  }
  // All is in the synced log or in files already; closing reports nothing that matters any more.
  if (impl_->db != nullptr) impl_->db->Close().PermitUncheckedError();
}

absl::StatusOr<std::unique_ptr<RocksDbStore>> RocksDbStore::Open(const RocksDbStoreOptions& options,
                                                                 const base::Clock& clock) {
  auto impl = std::make_unique<Impl>(options.blob_cache_bytes);
  BERTH_ASSIGN_OR_RETURN(impl->directory,
                         DataDirectory::Open(options.data_dir, options.cluster_name, clock));
  impl->source.place = impl->directory->path();
  // Opening writes, too.
  impl->room = std::make_unique<DiskRoom>(impl->directory->path(), options.room);
  BERTH_RETURN_IF_ERROR(impl->room->CheckOpening(OpeningBytes(impl->directory->database_path())));

  const rocksdb::Options db_options = MakeOptions(options);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const char* name : kFamilyNames) descriptors.emplace_back(name, db_options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(db_options, impl->directory->database_path(), descriptors, &handles, &db);
  if (!status.ok()) return StoreError(status, impl->source.place, "open its database");
  impl->db.reset(db);
  impl->source.db = db;
  std::copy(handles.begin(), handles.end(), impl->source.families.begin());

  std::unique_ptr<RocksDbStore> store(new RocksDbStore(std::move(impl)));
  BERTH_ASSIGN_OR_RETURN(const Head head, ReadHead(store->impl_->source, nullptr));
  base::MutexLock lock(store->impl_->mutex);
  store->impl_->head = head;
  return store;
}

absl::Status RocksDbStore::Build(
    const std::string& data_dir, const Head& head,
    const std::function<absl::Status(const RecordSink& sink)>& source) {
  OpenedDatabase opened;
  rocksdb::Options options = MakeOptions({});
  options.error_if_exists = true;
  BERTH_RETURN_IF_ERROR(OpenDatabase(options, data_dir, /*read_only=*/false, opened));
  // Nothing of it counts before all of it is there, so no log is written.
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  rocksdb::WriteBatch writes;
  const auto write = [&] {
    const rocksdb::Status status = opened.db->Write(unlogged, &writes);
    writes.Clear();
    return status.ok() ? absl::OkStatus() : StoreError(status, data_dir, "write the new database");
  };
  const auto put = [&](rocksdb::ColumnFamilyHandle* family, std::string_view key,
                       std::string_view value) {
    const rocksdb::Status status = writes.Put(family, ToSlice(key), ToSlice(value));
    BERTH_CHECK(status.ok()) << status.ToString();
  };
  BERTH_RETURN_IF_ERROR(source([&](Table table, std::string_view key, std::string_view value) {
    put(opened.source.family(table), FullKey(table, key), value);
    return writes.GetDataSize() < kBuildBatchBytes ? absl::OkStatus() : write();
  }));
  put(opened.source.families[kState], kHeadKey, EncodeHead(head));
  BERTH_RETURN_IF_ERROR(write());
  const std::vector<rocksdb::ColumnFamilyHandle*> families(opened.source.families.begin(),
                                                           opened.source.families.end());
  rocksdb::Status status = opened.db->Flush(rocksdb::FlushOptions(), families);
  if (status.ok()) status = opened.Close();
  return status.ok() ? absl::OkStatus() : StoreError(status, data_dir, "finish the new database");
}

absl::StatusOr<RocksDbStore::Glimpse> RocksDbStore::Peek(const std::string& data_dir) {
  OpenedDatabase opened;
  rocksdb::Options options = MakeOptions({});
  options.create_if_missing = false;
  options.create_missing_column_families = false;
  BERTH_RETURN_IF_ERROR(OpenDatabase(options, data_dir, /*read_only=*/true, opened));
  Glimpse glimpse;
  BERTH_ASSIGN_OR_RETURN(glimpse.head, ReadHead(opened.source, nullptr));
  if (glimpse.head.epoch == 0) return glimpse;
  BERTH_ASSIGN_OR_RETURN(const std::string meta,
                         store::Get(opened.source, nullptr, Table::kMeta, kMetaKey));
  BERTH_ASSIGN_OR_RETURN(glimpse.meta, DecodeMeta(kMetaKey, meta));
  return glimpse;
}

const std::string& RocksDbStore::cluster_name() const { return impl_->directory->cluster_name(); }

Head RocksDbStore::head() const {
  base::MutexLock lock(impl_->mutex);
  return impl_->head;
}

absl::StatusOr<std::string> RocksDbStore::Get(Table table, std::string_view key) const {
  return store::Get(impl_->source, nullptr, table, key);
}

absl::Status RocksDbStore::Scan(Table table, std::string_view prefix, std::string_view from,
                                const ScanCallback& callback) const {
  return store::Scan(impl_->source, nullptr, table, prefix, from, callback);
}

const std::string& RocksDbStore::place() const { return impl_->source.place; }
const std::string& RocksDbStore::cluster_id() const { return impl_->directory->cluster_id(); }

absl::Status RocksDbStore::Commit(const WriteBatch& batch, uint64_t epoch, uint64_t term) {
  {
    base::MutexLock lock(impl_->mutex);
    if (impl_->failed) return EarlierCommitFailed(impl_->source.place);
    BERTH_RETURN_IF_ERROR(CheckMayFollow(impl_->head, epoch, term));
  }
  impl_->room->Adjust();
  constexpr size_t kBytesPerWrite = 16;  // RocksDB's own, about
  rocksdb::WriteBatch writes(batch.bytes() + batch.size() * kBytesPerWrite);
  for (const WriteBatch::Write& write : batch.writes()) Add(write, impl_->source, writes);
  const rocksdb::Status put =
      writes.Put(impl_->source.families[kState], ToSlice(kHeadKey), EncodeHead({epoch, term}));
  BERTH_CHECK(put.ok()) << put.ToString();
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status status = impl_->db->Write(options, &writes);
  {
    base::MutexLock lock(impl_->mutex);
    if (!status.ok()) {
      impl_->failed = true;
      return StoreError(status, impl_->source.place, "commit epoch " + std::to_string(epoch));
    }
    impl_->head = {epoch, term};
  }
  for (const WriteBatch::Write& write : batch.writes()) {
    if (write.table != Table::kBlobs) continue;
    if (write.kind == WriteBatch::Kind::kDelete) impl_->blobs.Erase(write.key);
    // A new job's content is dispatched soon.
    if (write.shared != nullptr) impl_->blobs.Put(write.key, write.shared);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<const StoreReader>> RocksDbStore::Snapshot() const {
  auto snapshot = std::make_unique<RocksDbSnapshot>(impl_->source);
  BERTH_RETURN_IF_ERROR(snapshot->Init());
  return std::unique_ptr<const StoreReader>(std::move(snapshot));
}

absl::StatusOr<std::shared_ptr<const std::string>> RocksDbStore::GetBlob(
    std::string_view hash) const {
  if (auto cached = impl_->blobs.Find(hash)) return cached;
  BERTH_ASSIGN_OR_RETURN(std::string content, Get(Table::kBlobs, hash));
  if (base::Sha256Hex(content) != hash) return BlobDamaged(hash);
  auto shared = std::make_shared<const std::string>(std::move(content));
  impl_->blobs.Put(hash, shared);
  return shared;
}

absl::Status RocksDbStore::CheckRoom() const { return impl_->room->Check(); }

StoreStats RocksDbStore::stats() const {
  StoreStats stats;
  const auto sum = [&](const std::string& property) {
    uint64_t value = 0;
    return impl_->db->GetAggregatedIntProperty(property, &value) ? value : 0;
  };
  stats.disk_bytes = sum(rocksdb::DB::Properties::kTotalSstFilesSize);
  rocksdb::VectorLogPtr logs;
  if (impl_->db->GetSortedWalFiles(logs).ok()) {
    for (const auto& log : logs) stats.disk_bytes += log->SizeFileBytes();
  }
  uint64_t cache = 0;
  impl_->db->GetIntProperty(rocksdb::DB::Properties::kBlockCacheUsage, &cache);
  stats.memory_bytes =
      sum(rocksdb::DB::Properties::kSizeAllMemTables) + cache + impl_->blobs.bytes();
  stats.disk_free_bytes = FreeBytesOf(impl_->source.place);
  return stats;
}

}  // namespace berth::store
