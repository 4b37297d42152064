#pragma once

#include <cstdint>
#include <cstdio>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/sha256.h"
#include "base/unique_fd.h"

namespace berth::features {

// Answers of models by what was asked (cache_key.h), so that nobody pays twice for the same text.
//
// Bounded by bytes: the entry that was looked for longest ago goes first. An entry ends with its
// time, and with the model that it is of: when another identity of that model is seen, all of the
// old one count as not there. Entries without an answer say that a model would not give one.
//
// With a path it is also kept in a file: records appended one after another, each with its length
// and a checksum over itself and its place,
//
//   "BERTHFC1"  { length:4  sum:8  payload }*
//
// written anew without what is gone when that is more than half of it. A record that is not whole
// ends the file: what follows is cut off, and tail_dropped_bytes says so. Not synced: a crash of
// the machine costs answers, which can be asked for again.
//
// Threading: one at a time. Time is wall time, given. Errors: of the file only; the cache works on
// without it.
class FeatureCache {
 public:
  struct Entry {
    // The endpoint and model that was asked, and what the server then said that it is; 0: it did
    // not say, and what it said last counts.
    uint64_t served_by = 0;
    uint64_t identity = 0;
    bool is_refusal = false;
    std::string text;  // the answer, or why there is none
    int64_t expires_ms = 0;

    bool operator==(const Entry&) const = default;
  };
  struct Stats {
    size_t entries = 0;
    size_t bytes =
        0;  // in memory, an estimate that is not below what is taken by more than malloc's
    uint64_t file_bytes = 0;
    uint64_t evicted = 0;  // for room
    uint64_t expired = 0;
    uint64_t invalidated = 0;  // of another identity of their model
    uint64_t tail_dropped_bytes = 0;
    uint64_t compactions = 0;
  };

  // Empty path: memory alone. Errors name the path: it cannot be opened, or another process has it.
  static absl::StatusOr<std::unique_ptr<FeatureCache>> Open(const std::string& path,
                                                            size_t most_bytes, int64_t now_ms);

  // A copy. Cost: one look-up.
  std::optional<Entry> Find(const base::Sha256Digest& key, int64_t now_ms);
  // Kept, in place of another one of that key. An error: in memory alone, for `reason`.
  absl::Status Put(const base::Sha256Digest& key, Entry entry);
  // From now on entries of `served_by` with another identity are not there. False: it was that
  // already.
  bool SetIdentity(uint64_t served_by, uint64_t identity);

  Stats stats() const;

 private:
  struct Node {
    base::Sha256Digest key;
    Entry entry;
  };
  using Nodes = std::list<Node>;
  struct KeyHash {
    size_t operator()(const base::Sha256Digest& key) const;
  };

  FeatureCache(std::string path, size_t most_bytes)
      : path_(std::move(path)), most_bytes_(most_bytes) {}

  absl::Status OpenFile(int64_t now_ms);
  absl::Status Load(int64_t now_ms);
  absl::Status Append(std::string_view record);
  absl::Status CompactIfDue();
  absl::Status Compact();
  void Insert(const base::Sha256Digest& key, Entry entry);
  void Erase(Nodes::iterator node);

  const std::string path_;
  const size_t most_bytes_;

  // The last one was looked for last.
  Nodes nodes_;
  absl::flat_hash_map<base::Sha256Digest, Nodes::iterator, KeyHash> by_key_;
  std::map<uint64_t, uint64_t> identities_;  // by served_by
  size_t bytes_ = 0;
  uint64_t live_file_bytes_ = 0;  // of records whose entries are there
  Stats stats_;

  base::UniqueFd file_;
  uint64_t file_bytes_ = 0;
};

}  // namespace berth::features
