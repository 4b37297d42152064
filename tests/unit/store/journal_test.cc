#include "store/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "store/batch_encoder.h"
#include "store/memory_store.h"
#include "tests/unit/store/sample_state.h"

namespace berth::store {
namespace {

using ::testing::ElementsAre;

class JournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BatchEncoder encoder({});
    for (uint64_t epoch = 1; epoch <= 3; ++epoch) {
      std::vector<state::Change> changes;
      for (int i = 0; i < 2; ++i) {
        state::AuditView audit = SampleAudit();
        audit.object = "job " + std::to_string(epoch) + std::to_string(i);
        changes.push_back(state::AuditChange{audit});
        state::HistoryView history = SampleHistory();
        history.job = JobId{epoch * 10 + static_cast<uint64_t>(i)};
        changes.push_back(state::HistoryChange{history});
      }
      ASSERT_TRUE(
          store_.Commit(encoder.Encode({.epoch = epoch, .term = 1, .changes = changes}), epoch, 1)
              .ok());
    }
  }

  const std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  MemoryStore store_{disk_};
};

TEST_F(JournalTest, AuditIsReadInOrderFromAnyPosition) {
  std::vector<std::string> objects;
  ASSERT_TRUE(ReadAudit(store_, {2, 1}, [&](const JournalPosition& at, const auto& audit) {
                EXPECT_EQ(audit.object,
                          "job " + std::to_string(at.epoch) + std::to_string(at.position));
                objects.push_back(audit.object);
                return true;
              }).ok());
  EXPECT_THAT(objects, ElementsAre("job 21", "job 30", "job 31"));
}

TEST_F(JournalTest, HistoryIsReadUntilTheReaderHasEnough) {
  std::vector<uint64_t> jobs;
  ASSERT_TRUE(ReadHistory(store_, {}, [&](const JournalPosition&, const HistoryEntry& entry) {
                jobs.push_back(entry.job.value);
                return jobs.size() < 3;
              }).ok());
  EXPECT_THAT(jobs, ElementsAre(10, 11, 20));
}

TEST_F(JournalTest, ADamagedEntryEndsTheReadingWithAnError) {
  disk_->Corrupt(Table::kHistory, JournalKey(2, 0), "damaged");
  std::vector<uint64_t> jobs;
  const absl::Status status =
      ReadHistory(store_, {}, [&](const JournalPosition&, const HistoryEntry& entry) {
        jobs.push_back(entry.job.value);
        return true;
      });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(jobs, ElementsAre(10, 11));
}

}  // namespace
}  // namespace berth::store
