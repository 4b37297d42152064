#include "store/record_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/fixed_hash.h"
#include "base/strings.h"
#include "berth/store/v1/records.pb.h"
#include "store/record_keys.h"
#include "store/schema_version.h"

namespace berth::store {
namespace {

using ::testing::HasSubstr;

const Table kTable = Table::kJobs;
const std::string kKey = JobKey(JobId{12});

v1::JobRecord SomeMessage() {
  v1::JobRecord message;
  message.set_submitted_by("uid:1000");
  message.set_epoch(77);
  return message;
}

std::string Frame() { return FrameRecord(kTable, kKey, SomeMessage()); }

absl::Status Parse(std::string_view value) {
  v1::JobRecord message;
  return ParseRecord(kTable, kKey, value, message).status();
}

// A frame as a berthd of that version would have written it.
std::string FrameOfVersion(uint16_t version) {
  const std::string message = SomeMessage().SerializeAsString();
  const uint64_t seed = (uint64_t{version} << 8) | static_cast<unsigned char>(kTable);
  const uint64_t checksum = base::FixedHash(message, base::FixedHash(kKey, seed));
  std::string value(reinterpret_cast<const char*>(&version), 2);
  value.append(reinterpret_cast<const char*>(&checksum), 8);
  return value + message;
}

TEST(RecordFrameTest, ReadsBackWhatItFramed) {
  v1::JobRecord message;
  const auto version = ParseRecord(kTable, kKey, Frame(), message);
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(*version, kSchemaVersion);
  EXPECT_EQ(message.SerializeAsString(), SomeMessage().SerializeAsString());
}

// What cannot be read back is not written.
TEST(RecordFrameDeathTest, RefusesTextThatIsNotUtf8) {
  v1::JobRecord job;
  job.set_submitted_by("\xc3");
  EXPECT_DEATH(FrameRecord(kTable, kKey, job), "job 12: berth.store.v1.JobRecord.submitted_by");
  v1::TaskRecord task;
  task.mutable_attempt()->set_message("caf\xc3");
  EXPECT_DEATH(FrameRecord(kTable, kKey, task), "AttemptRecord.message is not UTF-8");
  task.mutable_attempt()->set_message("café");
  task.add_past()->add_device_ids("\xff");
  EXPECT_DEATH(FrameRecord(kTable, kKey, task), "AttemptRecord.device_ids is not UTF-8");
}

TEST(RecordFrameTest, FindsEverySingleFlippedBit) {
  const std::string frame = Frame();
  for (size_t byte = 0; byte < frame.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = frame;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
      EXPECT_TRUE(absl::IsDataLoss(Parse(damaged))) << "byte " << byte << ", bit " << bit;
    }
  }
}

TEST(RecordFrameTest, FindsARecordThatIsCutShort) {
  const std::string frame = Frame();
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(Parse(frame.substr(0, size)))) << size;
  }
}

TEST(RecordFrameTest, FindsARecordUnderTheWrongKey) {
  v1::JobRecord message;
  EXPECT_TRUE(absl::IsDataLoss(ParseRecord(kTable, JobKey(JobId{13}), Frame(), message).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseRecord(Table::kRequests, kKey, Frame(), message).status()));
}

TEST(RecordFrameTest, NamesTableAndKeyOfADamagedRecord) {
  const absl::Status status = Parse("");
  EXPECT_THAT(base::S(status.message()), HasSubstr("table jobs, job 12: "));
}

TEST(RecordFrameTest, RefusesANewerVersionAndNamesBoth) {
  EXPECT_TRUE(Parse(FrameOfVersion(kSchemaVersion)).ok());
  const absl::Status status = Parse(FrameOfVersion(kSchemaVersion + 1));
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(base::S(status.message()),
              HasSubstr("schema version " + std::to_string(kSchemaVersion + 1)));
  EXPECT_THAT(base::S(status.message()), HasSubstr("to " + std::to_string(kSchemaVersion)));
}

TEST(RecordFrameTest, RefusesAVersionThatIsTooOld) {
  EXPECT_TRUE(absl::IsFailedPrecondition(Parse(FrameOfVersion(kOldestSchemaVersion - 1))));
}

TEST(RecordFrameTest, RefusesWhatIsNoSuchMessage) {
  // Well framed, and field 1 is a string that ends beyond the record.
  const std::string message = "\x0a\x7f";
  const uint64_t seed = (uint64_t{kSchemaVersion} << 8) | static_cast<unsigned char>(kTable);
  const uint64_t checksum = base::FixedHash(message, base::FixedHash(kKey, seed));
  std::string value(reinterpret_cast<const char*>(&kSchemaVersion), 2);
  value.append(reinterpret_cast<const char*>(&checksum), 8);
  EXPECT_TRUE(absl::IsDataLoss(Parse(value + message)));
}

}  // namespace
}  // namespace berth::store
