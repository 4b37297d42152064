// Records of every schema version that this berthd reads, as files: tests/data/records/v<version>.
// They hold what a release has written, so a file that is there is never changed.
//
// When the schema version rises, write the new version's files, and commit them:
//   BERTH_WRITE_GOLDEN=1 build/release/tests/store_test --gtest_filter='GoldenRecordsTest.*'
// It writes the files of the present version that are missing, and no others.
//
// A file is a record: the key's size (4 bytes, little-endian), the key, the value.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/small_file.h"
#include "base/status_macros.h"
#include "store/record_codec.h"
#include "store/schema_version.h"
#include "tests/unit/store/sample_state.h"

namespace berth::store {
namespace {

struct GoldenRecord {
  std::string name;
  Record record;  // of the sample, as it is encoded now
  std::function<absl::StatusOr<Record>(const Record&)> encode_again;
};

template <typename Decode>
std::function<absl::StatusOr<Record>(const Record&)> Again(Decode decode) {
  return [decode](const Record& record) -> absl::StatusOr<Record> {
    BERTH_ASSIGN_OR_RETURN(auto content, decode(record.key, record.value));
    return Encode(content);
  };
}

absl::StatusOr<Record> EncodeJobAgain(const Record& record) {
  BERTH_ASSIGN_OR_RETURN(JobRecordContent content, DecodeJob(record.key, record.value));
  state::JobSpec spec;
  spec.blob = content.spec_blob;
  content.job.spec = std::make_shared<const state::JobSpec>(std::move(spec));
  return Encode(content.job);
}

absl::StatusOr<Record> EncodeTaskAgain(const Record& record) {
  BERTH_ASSIGN_OR_RETURN(TaskRecordContent content, DecodeTask(record.key, record.value));
  return Encode(content.task, content.sheet);
}

absl::StatusOr<Record> EncodeNodeAgain(const Record& record) {
  BERTH_ASSIGN_OR_RETURN(NodeRecordContent content, DecodeNode(record.key, record.value));
  state::NodeSpec spec;
  spec.name = content.name;
  spec.agent_version = content.agent_version;
  spec.encoded_inventory = std::make_shared<const std::string>(content.inventory);
  content.node.spec = std::make_shared<const state::NodeSpec>(std::move(spec));
  return Encode(content.node);
}

template <typename Decode>
std::function<absl::StatusOr<Record>(const Record&)> JournalAgain(Decode decode) {
  return [decode](const Record& record) -> absl::StatusOr<Record> {
    BERTH_ASSIGN_OR_RETURN(auto entry, decode(record.key, record.value));
    return Encode(*ParseJournalKey(record.key), entry);
  };
}

std::vector<GoldenRecord> GoldenRecords() {
  state::JobView plain_job;  // nothing that is optional
  plain_job.id = JobId{1};
  plain_job.spec = std::make_shared<const state::JobSpec>(SampleSpec());
  state::TaskStatusView plain_task;
  plain_task.job = JobId{1};
  return {
      {"meta", Encode(SampleMeta()), Again(DecodeMeta)},
      {"job", Encode(SampleJob()), EncodeJobAgain},
      {"job_plain", Encode(plain_job), EncodeJobAgain},
      {"task", Encode(SampleTask()), EncodeTaskAgain},
      {"task_plain", Encode(plain_task), EncodeTaskAgain},
      {"node", Encode(SampleNode()), EncodeNodeAgain},
      {"node_link", Encode(SampleLink()), Again(DecodeNodeLink)},
      {"request", Encode(SampleRequest()), Again(DecodeRequest)},
      {"batch", Encode(SampleBatch()), Again(DecodeBatch)},
      {"sheet", Encode(SampleSheet()), Again(DecodeSheet)},
      {"change_log", Encode(SampleChanges()), Again(DecodeChangeLog)},
      {"audit", Encode({78, 3}, SampleAudit()), JournalAgain(DecodeAudit)},
      {"hints", Encode(SampleHints()), Again(DecodeHints)},
      {"features", Encode(SampleFeatures()), Again(DecodeFeatures)},
      {"learned", Encode(SampleLearned()), Again(DecodeLearned)},
      {"history", Encode({78, 4}, MakeHistoryEntry(SampleHistory())), JournalAgain(DecodeHistory)},
  };
}

std::string PathOf(uint16_t version, const std::string& name) {
  return "tests/data/records/v" + std::to_string(version) + "/" + name + ".bin";
}

std::string ToFile(const Record& record) {
  const auto key_size = static_cast<uint32_t>(record.key.size());
  std::string file(reinterpret_cast<const char*>(&key_size), sizeof key_size);
  return file + record.key + record.value;
}

absl::StatusOr<Record> FromFile(Table table, std::string_view file) {
  uint32_t key_size = 0;
  if (file.size() < sizeof key_size) return absl::DataLossError("the file is cut short");
  std::memcpy(&key_size, file.data(), sizeof key_size);
  file.remove_prefix(sizeof key_size);
  if (file.size() < key_size) return absl::DataLossError("the file is cut short");
  return Record{table, std::string(file.substr(0, key_size)), std::string(file.substr(key_size))};
}

void WriteMissing() {
  for (const GoldenRecord& golden : GoldenRecords()) {
    const std::string path = PathOf(kSchemaVersion, golden.name);
    if (std::filesystem::exists(path)) continue;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const absl::Status written = base::WriteFileAtomically(path, ToFile(golden.record));
    ASSERT_TRUE(written.ok()) << written;
  }
}

TEST(GoldenRecordsTest, RecordsOfThisVersionAreWrittenAsEver) {
  if (std::getenv("BERTH_WRITE_GOLDEN") != nullptr) WriteMissing();
  for (const GoldenRecord& golden : GoldenRecords()) {
    const auto file = base::ReadSmallFile(PathOf(kSchemaVersion, golden.name));
    ASSERT_TRUE(file.ok()) << file.status() << "; to write it, see the top of this file";
    EXPECT_EQ(*file, ToFile(golden.record))
        << golden.name << ": what is written has changed; that takes a new schema version";
  }
}

TEST(GoldenRecordsTest, RecordsOfThisVersionAreReadAndWrittenIdentically) {
  for (const GoldenRecord& golden : GoldenRecords()) {
    const auto file = base::ReadSmallFile(PathOf(kSchemaVersion, golden.name));
    ASSERT_TRUE(file.ok()) << file.status();
    const auto record = FromFile(golden.record.table, *file);
    ASSERT_TRUE(record.ok()) << record.status();
    const auto again = golden.encode_again(*record);
    ASSERT_TRUE(again.ok()) << golden.name << ": " << again.status();
    EXPECT_EQ(again->key, record->key) << golden.name;
    EXPECT_EQ(again->value, record->value) << golden.name;
  }
}

TEST(GoldenRecordsTest, RecordsOfOlderReadableVersionsAreRead) {
  for (uint16_t version = kOldestSchemaVersion; version <= kSchemaVersion; ++version) {
    int files = 0;
    for (const GoldenRecord& golden : GoldenRecords()) {
      const auto file = base::ReadSmallFile(PathOf(version, golden.name));
      // A sort of record that the older version did not have yet.
      if (!file.ok() && version < kSchemaVersion) continue;
      ASSERT_TRUE(file.ok()) << file.status();
      const auto record = FromFile(golden.record.table, *file);
      ASSERT_TRUE(record.ok()) << record.status();
      const auto again = golden.encode_again(*record);
      EXPECT_TRUE(again.ok()) << "version " << version << ", " << golden.name << ": "
                              << again.status();
      ++files;
    }
    EXPECT_GT(files, 0) << "no records of version " << version;
  }
}

}  // namespace
}  // namespace berth::store
