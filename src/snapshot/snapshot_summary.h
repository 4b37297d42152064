// What a snapshot says of itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace berth::snapshot {

// Whose state, and of when.
struct SnapshotInfo {
  uint32_t schema_version = 0;  // of the records
  std::string cluster_id;       // uuid
  std::string cluster_name;     // empty: it has none
  uint32_t generation = 0;      // restore generation
  uint64_t term = 0;
  uint64_t epoch = 0;
  int64_t created_unix_ms = 0;
  std::string berthd_version;  // that wrote it

  bool operator==(const SnapshotInfo&) const = default;
};

// A table of the store, by its letter there.
struct TableSummary {
  char letter = 0;
  std::string name;  // for people
  uint64_t records = 0;
  uint64_t bytes = 0;  // of keys and values

  bool operator==(const TableSummary&) const = default;
};

struct SnapshotSummary {
  SnapshotInfo info;
  std::vector<TableSummary> tables;  // in the store's order, empty ones too
  uint64_t bytes = 0;                // of the file

  // 0: there is no such table.
  uint64_t RecordsOf(char letter) const {
    for (const TableSummary& table : tables) {
      if (table.letter == letter) return table.records;
    }
    return 0;
  }

  bool operator==(const SnapshotSummary&) const = default;
};

}  // namespace berth::snapshot
