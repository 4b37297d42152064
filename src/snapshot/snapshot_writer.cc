#include "snapshot/snapshot_writer.h"

#include <algorithm>

#include "base/check.h"
#include "base/fixed_hash.h"
#include "base/status_macros.h"
#include "berth/snapshot/v1/snapshot.pb.h"
#include "snapshot/snapshot_format.h"

namespace berth::snapshot {

SnapshotWriter::SnapshotWriter(ByteSink sink, std::vector<std::pair<char, std::string>> tables)
    : sink_(std::move(sink)), sum_(kFirstSum) {
  for (auto& [letter, name] : tables) {
    summary_.tables.push_back({.letter = letter, .name = std::move(name)});
  }
}

absl::Status SnapshotWriter::WriteFrame(char kind, std::string_view payload) {
  const uint64_t offset = summary_.bytes;
  const std::string head = EncodeHead(kind, payload, offset);
  sum_ = base::FixedHashCombine(sum_, PayloadSum(kind, payload, offset));
  BERTH_RETURN_IF_ERROR(sink_(head));
  BERTH_RETURN_IF_ERROR(sink_(payload));
  summary_.bytes += head.size() + payload.size();
  return absl::OkStatus();
}

absl::Status SnapshotWriter::Flush() {
  if (records_.empty()) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(WriteFrame(kRecordsFrame, records_));
  records_.clear();
  // One large record does not stay for the rest of the snapshot.
  if (records_.capacity() > 2 * kFrameBytes) records_.shrink_to_fit();
  return absl::OkStatus();
}

absl::Status SnapshotWriter::Begin(const SnapshotInfo& info) {
  std::string preamble(kMagic);
  PutNumber(kFormatVersion, 4, preamble);
  BERTH_RETURN_IF_ERROR(sink_(preamble));
  summary_.bytes = preamble.size();
  summary_.info = info;
  v1::SnapshotHeader header;
  header.set_schema_version(info.schema_version);
  header.set_cluster_id(info.cluster_id);
  header.set_cluster_name(info.cluster_name);
  header.set_generation(info.generation);
  header.set_term(info.term);
  header.set_epoch(info.epoch);
  header.set_created_unix_ms(info.created_unix_ms);
  header.set_berthd_version(info.berthd_version);
  return WriteFrame(kHeaderFrame, header.SerializeAsString());
}

absl::Status SnapshotWriter::Add(char table, std::string_view key, std::string_view value) {
  const size_t size = kRecordHeadBytes + key.size() + value.size();
  if (size >= kMostPayloadBytes) {
    return absl::InvalidArgumentError("a record of " + std::to_string(size) +
                                      " bytes is too large for a snapshot");
  }
  if (!records_.empty() && (records_[0] != table || records_.size() + size > kFrameBytes)) {
    BERTH_RETURN_IF_ERROR(Flush());
  }
  const auto found =
      std::find_if(summary_.tables.begin(), summary_.tables.end(),
                   [table](const TableSummary& each) { return each.letter == table; });
  BERTH_CHECK(found != summary_.tables.end()) << "table " << table << " was not announced";
  ++found->records;
  found->bytes += key.size() + value.size();
  if (records_.empty()) records_ = table;
  PutNumber(key.size(), 4, records_);
  PutNumber(value.size(), 4, records_);
  records_.append(key).append(value);
  return records_.size() >= kFrameBytes ? Flush() : absl::OkStatus();
}

absl::StatusOr<SnapshotSummary> SnapshotWriter::End() {
  BERTH_RETURN_IF_ERROR(Flush());
  v1::SnapshotTrailer trailer;
  for (const TableSummary& table : summary_.tables) {
    v1::SnapshotTable& entry = *trailer.add_tables();
    entry.set_letter(static_cast<unsigned char>(table.letter));
    entry.set_name(table.name);
    entry.set_records(table.records);
    entry.set_bytes(table.bytes);
  }
  trailer.set_checksum(sum_);
  BERTH_RETURN_IF_ERROR(WriteFrame(kTrailerFrame, trailer.SerializeAsString()));
  return summary_;
}

}  // namespace berth::snapshot
