#include "store/output_tail_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/logging.h"
#include "base/work_thread.h"

namespace berth::store {
namespace {

using rocksdb::Slice;
using state::OutputTail;

// Values: how they are made, 1 byte; offset, 8 bytes; the data. A key's size is in `sizes`, so that
// all of them are known without reading the output.
constexpr char kForm = 1;
constexpr const char* kSizes = "sizes";
constexpr int64_t kOverhead = 100;  // of an entry, on disk and in indexes
constexpr size_t kDropsAtOnce = 1000;
constexpr auto kSayAgain = std::chrono::minutes(1);
constexpr uint64_t kOpeningBytes = uint64_t{32} << 20;

void AddNumber(uint64_t number, int bytes, std::string& out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(number >> shift);
  }
}

uint64_t ReadNumber(std::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

// Job (8), group (4), index (8), attempt (4), stream (1), the node's name: in order of age.
std::string KeyOf(const std::string& node, const state::AgentAttempt& attempt, bool is_error) {
  std::string key;
  AddNumber(attempt.job.value, 8, key);
  AddNumber(attempt.group, 4, key);
  AddNumber(static_cast<uint64_t>(attempt.index), 8, key);
  AddNumber(attempt.attempt, 4, key);
  key += is_error ? '\1' : '\0';
  return key + node;
}

uint64_t JobOf(const Slice& key) {
  return ReadNumber({key.data(), std::min<size_t>(8, key.size())});
}

std::string JobPrefix(uint64_t job) {
  std::string prefix;
  AddNumber(job, 8, prefix);
  return prefix;
}

rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.max_total_wal_size = uint64_t{16} << 20;
  options.write_buffer_size = size_t{4} << 20;
  options.max_write_buffer_number = 3;
  options.max_background_jobs = 1;
  options.max_open_files = 64;
  options.compression = rocksdb::kLZ4Compression;
  options.target_file_size_base = uint64_t{8} << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 1 << 20;
  options.keep_log_file_num = 2;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(size_t{2} << 20, /*num_shard_bits=*/0);
  table.cache_index_and_filter_blocks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

struct OutputTailStore::Impl {
  Impl(const OutputTailStoreOptions& opened_with, FreeBytes free)
      : options(opened_with), free_bytes(std::move(free)) {}
  ~Impl() {
    thread.Stop();
    for (rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
  }

  rocksdb::Status OpenDatabase();
  void Count();
  void Write(const std::string& node, const std::vector<OutputTail>& tails);
  void Evict();
  // Removes a job's tails, the oldest first, until `enough` says so.
  template <typename Enough>
  void Drop(uint64_t job, Enough&& enough);
  void Warn(std::string_view what);

  const OutputTailStoreOptions options;
  const FreeBytes free_bytes;
  std::unique_ptr<rocksdb::DB> db;                     // null: nothing is kept
  std::vector<rocksdb::ColumnFamilyHandle*> families;  // default, sizes
  std::atomic<size_t> waiting_bytes = 0;
  std::atomic<int64_t> bytes = 0;
  std::atomic<int64_t> dropped = 0;

  // The thread's.
  std::map<uint64_t, int64_t> bytes_of_jobs;
  std::optional<std::chrono::steady_clock::time_point> said;

  base::WorkThread thread{"tails"};  // last: it uses what is above
};

rocksdb::Status OutputTailStore::Impl::OpenDatabase() {
  const rocksdb::Options all = MakeOptions();
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(
      all, options.directory, {{rocksdb::kDefaultColumnFamilyName, all}, {kSizes, all}}, &families,
      &opened);
  db.reset(opened);
  return status;
}

void OutputTailStore::Impl::Warn(std::string_view what) {
  const auto now = std::chrono::steady_clock::now();
  if (said && now - *said < kSayAgain) return;
  said = now;
  BERTH_LOG_WARN("the ends of tasks' output are not kept for now: {}", what);
}

void OutputTailStore::Impl::Count() {
  const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}, families[1]));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const auto size = static_cast<int64_t>(ReadNumber({at->value().data(), at->value().size()}));
    bytes_of_jobs[JobOf(at->key())] += size;
    bytes += size;
  }
  if (!at->status().ok()) Warn(options.directory + ": " + at->status().ToString());
}

void OutputTailStore::Impl::Write(const std::string& node, const std::vector<OutputTail>& tails) {
  if (free_bytes(options.directory) < options.refuse_below_bytes) {
    dropped += static_cast<int64_t>(tails.size());
    return Warn("the disk that holds " + options.directory + " is almost full");
  }
  rocksdb::WriteBatch batch;
  std::map<std::string, int64_t> sizes;  // of this batch: one may be in it twice
  for (const OutputTail& tail : tails) {
    const std::string key = KeyOf(node, tail.attempt, tail.is_error);
    std::string value(1, kForm);
    AddNumber(static_cast<uint64_t>(tail.offset), 8, value);
    value += tail.data;
    const auto size = static_cast<int64_t>(key.size() + value.size()) + kOverhead;
    const auto [place, is_first] = sizes.try_emplace(key, 0);
    if (is_first) {
      std::string before;
      if (db->Get({}, families[1], key, &before).ok()) {
        place->second = static_cast<int64_t>(ReadNumber(before));
      }
    }
    const int64_t growth = size - std::exchange(place->second, size);
    bytes_of_jobs[tail.attempt.job.value] += growth;
    bytes += growth;
    std::string encoded;
    AddNumber(static_cast<uint64_t>(size), 4, encoded);
    batch.Put(families[0], key, value);
    batch.Put(families[1], key, encoded);
  }
  if (const rocksdb::Status written = db->Write({}, &batch); !written.ok()) {
    dropped += static_cast<int64_t>(tails.size());
    Warn(options.directory + ": " + written.ToString());
  }
  Evict();
}

void OutputTailStore::Impl::Evict() {
  while (bytes > options.most_bytes && !bytes_of_jobs.empty()) {
    Drop(bytes_of_jobs.begin()->first, [this] { return bytes <= options.most_bytes; });
  }
}

template <typename Enough>
void OutputTailStore::Impl::Drop(uint64_t job, Enough&& enough) {
  const auto entry = bytes_of_jobs.find(job);
  if (entry == bytes_of_jobs.end()) return;
  const std::string prefix = JobPrefix(job);
  const std::unique_ptr<rocksdb::Iterator> at(db->NewIterator({}, families[1]));
  rocksdb::WriteBatch batch;
  const auto write = [&] {
    const rocksdb::Status written = db->Write({}, &batch);
    if (!written.ok()) Warn(options.directory + ": " + written.ToString());
    batch.Clear();
    return written.ok();
  };
  bool all = true;
  for (at->Seek(prefix); at->Valid() && at->key().starts_with(prefix); at->Next()) {
    if (enough()) {
      all = false;
      break;
    }
    const auto size = static_cast<int64_t>(ReadNumber({at->value().data(), at->value().size()}));
    entry->second -= size;
    bytes -= size;
    batch.Delete(families[0], at->key());
    batch.Delete(families[1], at->key());
    if (static_cast<size_t>(batch.Count()) >= kDropsAtOnce && !write()) break;
  }
  write();
  if (!all) return;
  bytes -= entry->second;  // what a write that failed has left uncounted
  bytes_of_jobs.erase(entry);
}

std::unique_ptr<OutputTailStore> OutputTailStore::Open(const OutputTailStoreOptions& options,
                                                       FreeBytes free_bytes) {
  auto impl = std::make_unique<Impl>(options, std::move(free_bytes));
  if (options.most_bytes > 0) {
    // RocksDB itself aborts the process on some writes that a full disk refuses.
    if (impl->free_bytes(std::filesystem::path(options.directory).parent_path()) < kOpeningBytes) {
      impl->Warn("the disk that holds " + options.directory + " is full");
      return std::unique_ptr<OutputTailStore>(new OutputTailStore(std::move(impl)));
    }
    ::mkdir(options.directory.c_str(), 0700);
    rocksdb::Status status = impl->OpenDatabase();
    if (!status.ok()) {
      BERTH_LOG_WARN("{} cannot be used, and is made anew without what was kept in it: {}",
                     options.directory, status.ToString());
      std::error_code error;
      std::filesystem::remove_all(options.directory, error);
      ::mkdir(options.directory.c_str(), 0700);
      status = impl->OpenDatabase();
    }
    if (!status.ok()) impl->Warn(options.directory + ": " + status.ToString());
  }
  if (impl->db != nullptr) impl->thread.Post([&impl = *impl] { impl.Count(); });
  return std::unique_ptr<OutputTailStore>(new OutputTailStore(std::move(impl)));
}

OutputTailStore::OutputTailStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

OutputTailStore::~OutputTailStore() { Stop(); }

void OutputTailStore::Put(const std::string& node, std::vector<OutputTail> tails,
                          std::function<void()> taken) {
  size_t size = 0;
  for (const OutputTail& tail : tails) size += tail.data.size();
  if (impl_->db == nullptr ||
      impl_->waiting_bytes.fetch_add(size) + size > impl_->options.most_waiting_bytes) {
    if (impl_->db != nullptr) impl_->waiting_bytes -= size;
    impl_->dropped += static_cast<int64_t>(tails.size());
    return taken();
  }
  impl_->thread.Post(
      [&impl = *impl_, node, tails = std::move(tails), size, taken = std::move(taken)] {
        impl.Write(node, tails);
        impl.waiting_bytes -= size;
        taken();
      });
}

std::optional<OutputTail> OutputTailStore::Get(const std::string& node,
                                               const state::AgentAttempt& attempt, bool is_error) {
  if (impl_->db == nullptr) return std::nullopt;
  std::string value;
  const rocksdb::Status read =
      impl_->db->Get({}, impl_->families[0], KeyOf(node, attempt, is_error), &value);
  if (!read.ok() || value.size() <= 9 || value[0] != kForm) {
    if (!read.ok() && !read.IsNotFound()) {
      BERTH_LOG_WARN("{}: {}", impl_->options.directory, read.ToString());
    }
    return std::nullopt;
  }
  OutputTail tail;
  tail.attempt = attempt;
  tail.is_error = is_error;
  tail.offset = static_cast<int64_t>(ReadNumber(std::string_view(value).substr(1, 8)));
  tail.data = value.substr(9);
  return tail;
}

void OutputTailStore::Forget(std::vector<JobId> jobs) {
  if (impl_->db == nullptr || jobs.empty()) return;
  impl_->thread.Post([&impl = *impl_, jobs = std::move(jobs)] {
    for (const JobId job : jobs) impl.Drop(job.value, [] { return false; });
  });
}

void OutputTailStore::ForgetMissing(std::function<bool(JobId job)> is_there) {
  if (impl_->db == nullptr) return;
  impl_->thread.Post([&impl = *impl_, is_there = std::move(is_there)] {
    std::vector<uint64_t> missing;
    for (const auto& [job, bytes] : impl.bytes_of_jobs) {
      if (!is_there(JobId{job})) missing.push_back(job);
    }
    for (const uint64_t job : missing) impl.Drop(job, [] { return false; });
  });
}

void OutputTailStore::Stop() { impl_->thread.Stop(); }

void OutputTailStore::Flush() {
  std::promise<void> done;
  impl_->thread.Post([&done] { done.set_value(); });
  done.get_future().wait();
}

OutputTailStore::Stats OutputTailStore::stats() const {
  return {.bytes = impl_->bytes, .dropped = impl_->dropped};
}

}  // namespace berth::store
