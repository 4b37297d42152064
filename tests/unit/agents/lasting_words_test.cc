// What an agent says in words is in the store, and is read from there again at the next start.
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "agents/inventory.h"
#include "store/batch_encoder.h"
#include "store/record_codec.h"
#include "tests/support/turn_harness.h"

namespace berth::agents {
namespace {

TEST(LastingWordsTest, ALongMessageOfAnAttemptIsReadBack) {
  scheduler::TurnHarness loop;
  const uint64_t stream = loop.Connect("n1");
  const JobId job = loop.SubmitOk({.tasks = 1});
  const auto starts = loop.TakeDirectives<state::StartTask>(stream);
  ASSERT_EQ(starts.size(), 1u);

  std::string words;
  while (words.size() < 2000) words += "日";
  v1::FactBatch batch;
  v1::Fact& fact = *batch.add_facts();
  fact.set_sequence(1);
  fact.mutable_key()->set_job_id(job.value);
  fact.mutable_key()->set_attempt(1);
  fact.mutable_ended()->set_end(v1::ATTEMPT_END_COULD_NOT_START);
  fact.mutable_ended()->set_reason(v1::REASON_CODE_DRIVER_ERROR);
  fact.mutable_ended()->set_message(words);
  loop.Ask(ReadFacts(stream, batch));

  store::BatchEncoder encoder{{}};
  std::string last;
  for (const auto& changes : loop.batches) {
    const store::WriteBatch writes = encoder.Encode(*changes);
    for (const store::WriteBatch::Write& write : writes.writes()) {
      if (write.table != store::Table::kTasks || write.kind != store::WriteBatch::Kind::kPut) {
        continue;
      }
      const auto task = store::DecodeTask(write.key, write.content());
      ASSERT_TRUE(task.ok()) << task.status();
      last = task->task.row.attempt.message;
    }
  }
  EXPECT_EQ(last, words.substr(0, 1023));
}

}  // namespace
}  // namespace berth::agents
