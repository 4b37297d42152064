#include "features/feature_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace berth::features {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr int64_t kNow = 1'790'000'000'000;
constexpr int64_t kMiB = int64_t{1} << 20;

// What a store would keep.
class Kept {
 public:
  FeatureService::Hooks hooks() {
    return {.read_record = [this](JobId job, uint32_t group) -> absl::StatusOr<std::string> {
              base::MutexLock lock(mutex_);
              const auto it = records_.find({job.value, group});
              if (it == records_.end()) return absl::NotFoundError("none");
              return it->second;
            },
            .keep =
                [this](std::vector<state::KeepFeatureState::Piece> pieces) {
                  base::MutexLock lock(mutex_);
                  if (!refusal_.ok()) return refusal_;
                  for (const auto& piece : pieces) pieces_[piece.name] = *piece.content;
                  return absl::OkStatus();
                }};
  }
  void PutRecord(JobId job, uint32_t group, const std::string& record) {
    base::MutexLock lock(mutex_);
    records_[{job.value, group}] = record;
  }
  void Refuse(absl::Status status) {
    base::MutexLock lock(mutex_);
    refusal_ = std::move(status);
  }
  std::vector<HistoryPiece> pieces() {
    base::MutexLock lock(mutex_);
    std::vector<HistoryPiece> pieces;
    for (const auto& [name, bytes] : pieces_) pieces.push_back({name, bytes});
    return pieces;
  }

 private:
  base::Mutex mutex_;
  absl::Status refusal_ BERTH_GUARDED_BY(mutex_);
  std::map<std::pair<uint64_t, uint32_t>, std::string> records_ BERTH_GUARDED_BY(mutex_);
  std::map<std::string, std::string> pieces_ BERTH_GUARDED_BY(mutex_);
};

Rules TestRules() {
  auto tables = DefaultTables();
  EXPECT_TRUE(tables.ok()) << tables.status();
  return Rules(*std::move(tables));
}

berth::v1::JobSpec JobOf(const std::string& script, int64_t memory_mib = 0) {
  berth::v1::JobSpec job;
  job.set_name("crunch");
  berth::v1::TaskTemplate& task = *job.add_groups()->mutable_template_();
  task.mutable_payload()->set_script(script);
  if (memory_mib > 0) task.mutable_resources()->set_memory_bytes(memory_mib * kMiB);
  return job;
}

class FeatureServiceTest : public ::testing::Test {
 protected:
  // A job that ran for `ms` and took `mib`, from its submission on.
  void RunOne(FeatureService& service, uint64_t epoch, int64_t ms, int64_t mib,
              int64_t asked_mib = 0) {
    const JobId job{++jobs_};
    const auto read = service.ReadJob(JobOf("#!/bin/sh\n./crunch\n", asked_mib), "uid:1", "crunch",
                                      kNow + static_cast<int64_t>(epoch));
    kept_.PutRecord(job, 0, *read.groups.at(0).record);
    EndedTask end{.job = job, .user = "uid:1", .name = "crunch", .queue = "default"};
    end.attempt.end = state::AttemptEnd::kExited;
    end.attempt.exit_code = 0;
    end.attempt.started_unix_ms = kNow;
    end.attempt.ended_unix_ms = kNow + ms;
    end.attempt.usage.memory_peak_bytes = mib * kMiB;
    end.attempt.usage.cpu_time_ms = ms / 2;
    service.NoteEnds(epoch, {end});
  }
  static void AwaitEnds(const FeatureService& service, uint64_t ends) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (service.stats().ends_learned < ends) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "they are not learned";
      std::this_thread::yield();
    }
  }
  static std::optional<int64_t> DurationOf(FeatureService& service) {
    const auto read = service.ReadJob(JobOf("#!/bin/sh\n./crunch\n"), "uid:1", "crunch", kNow);
    return read.groups.at(0).hints.expected_ms;
  }

  Kept kept_;
  uint64_t jobs_ = 0;
};

TEST_F(FeatureServiceTest, ReadsTextAndKeepsWhatItFound) {
  FeatureService service({}, TestRules(), kept_.hooks());
  const auto read =
      service.ReadJob(JobOf("#!/bin/bash\n#SBATCH --mem=12G\nrsync -a host:/data/in /data/out\n"),
                      "uid:1", "copy", kNow);
  ASSERT_EQ(read.groups.size(), 1u);
  const auto record = DecodeAdmission(*read.groups[0].record);
  ASSERT_TRUE(record.ok()) << record.status();
  bool found = false;
  for (const auto& value : record->features.values()) {
    if (value.field() != berth::v1::FEATURE_FIELD_MEMORY) continue;
    found = true;
    EXPECT_EQ(value.number(), int64_t{12} << 30);
    EXPECT_EQ(value.source(), berth::v1::FEATURE_SOURCE_RULES);
    EXPECT_EQ(value.use(), berth::v1::FEATURE_USE_SUGGESTED);
  }
  EXPECT_TRUE(found);
  EXPECT_THAT(read.warnings, Contains(HasSubstr("memory was left open")));
  EXPECT_EQ(read.fills.at(0).memory_bytes, 0) << "it is only told";
}

TEST_F(FeatureServiceTest, FillsByNamespace) {
  FeatureOptions options{.fill = FillPolicy::kOff, .fill_by_namespace = {}};
  options.fill_by_namespace["research"] = FillPolicy::kApply;
  FeatureService service(options, TestRules(), kept_.hooks());
  berth::v1::JobSpec job = JobOf("#!/bin/bash\n#SBATCH --mem=12G\n./x\n");
  EXPECT_EQ(service.ReadJob(job, "uid:1", "x", kNow).fills.at(0).memory_bytes, 0);
  job.set_namespace_("research");
  EXPECT_EQ(service.ReadJob(job, "uid:1", "x", kNow).fills.at(0).memory_bytes, int64_t{12} << 30);
}

TEST_F(FeatureServiceTest, LearnsFromEndsAndWarnsOfFarTooMuch) {
  FeatureService service({}, TestRules(), kept_.hooks());
  for (uint64_t epoch = 1; epoch <= 8; ++epoch) {
    RunOne(service, epoch, 60'000, 3000, /*asked_mib=*/64 * 1024);
    AwaitEnds(service, epoch);
  }
  service.Stop();
  const auto read =
      service.ReadJob(JobOf("#!/bin/sh\n./crunch\n", 64 * 1024), "uid:1", "crunch", kNow + 100);
  EXPECT_THAT(read.warnings, Contains(HasSubstr("you ask for 64Gi")));
  const FeatureStats stats = service.stats();
  EXPECT_EQ(stats.ends_learned, 8u);
  EXPECT_EQ(stats.ends_without_record, 0u);
  const auto& memory = stats.calibration[static_cast<size_t>(HistoryField::kMemory)];
  EXPECT_EQ(memory[static_cast<size_t>(Source::kDeclared)].over, 8);
  EXPECT_GT(memory[static_cast<size_t>(Source::kHistory)].outcomes, 0);
}

TEST_F(FeatureServiceTest, WhatWasLearnedOutlivesAStartAndIsNotLearnedTwice) {
  {
    FeatureService service({}, TestRules(), kept_.hooks());
    for (uint64_t epoch = 1; epoch <= 5; ++epoch) RunOne(service, epoch, 60'000, 100);
    service.Stop();
  }
  FeatureService again({}, TestRules(), kept_.hooks());
  EXPECT_EQ(again.Load(kept_.pieces()), 5u);
  EXPECT_NEAR(static_cast<double>(*DurationOf(again)), 60'000, 3000);
  // The journal is told again from before.
  for (uint64_t epoch = 4; epoch <= 6; ++epoch) RunOne(again, epoch, 60'000, 100);
  again.Stop();
  EXPECT_EQ(again.stats().ends_learned, 1u);
}

TEST_F(FeatureServiceTest, WhatCannotBeKeptNowIsKeptLater) {
  kept_.Refuse(absl::ResourceExhaustedError("full"));
  {
    FeatureService service({}, TestRules(), kept_.hooks());
    RunOne(service, 1, 60'000, 100);
    service.Flush();
    RunOne(service, 2, 60'000, 100);
    AwaitEnds(service, 2);
    kept_.Refuse(absl::OkStatus());
    service.Stop();
  }
  FeatureService again({}, TestRules(), kept_.hooks());
  EXPECT_EQ(again.Load(kept_.pieces()), 2u);
  EXPECT_NEAR(static_cast<double>(*DurationOf(again)), 60'000, 3000);
}

TEST_F(FeatureServiceTest, AJobThatIsForgottenIsLearnedByItsHistoryAlone) {
  FeatureService service({}, TestRules(), kept_.hooks());
  EndedTask end{.job = JobId{99}, .user = "uid:1", .name = "crunch", .queue = "default"};
  end.attempt.end = state::AttemptEnd::kExited;
  end.attempt.exit_code = 0;
  end.attempt.started_unix_ms = kNow;
  end.attempt.ended_unix_ms = kNow + 5000;
  service.NoteEnds(1, {end});
  service.Stop();
  EXPECT_EQ(service.stats().ends_without_record, 1u);
  EXPECT_EQ(DurationOf(service).value_or(0) > 0, true);
}

TEST_F(FeatureServiceTest, NoJobIsTooStrangeToRead) {
  FeatureService service({}, TestRules(), kept_.hooks());
  berth::v1::JobSpec job;
  EXPECT_TRUE(service.ReadJob(job, "", "", kNow).groups.empty());
  for (int g = 0; g < 40; ++g) {
    berth::v1::TaskTemplate& task = *job.add_groups()->mutable_template_();
    task.mutable_payload()->set_script("\xff\xfe --input /data/\xff\n#SBATCH --mem=-1G\n");
    task.mutable_resources()->set_memory_bytes(INT64_MIN);
    task.mutable_resources()->set_cpu_milli(INT64_MAX);
    task.add_devices()->set_count(INT32_MIN);
  }
  const auto read = service.ReadJob(job, "\x1b[31m", std::string(100'000, 'n'), INT64_MAX);
  ASSERT_EQ(read.groups.size(), 40u);
  for (const state::GroupFeatures& group : read.groups) {
    EXPECT_TRUE(DecodeAdmission(*group.record).ok());
  }
}

TEST(AdmissionRecordTest, DamageIsRefused) {
  AdmissionRecord record;
  record.features.set_group("g");
  std::string bytes = EncodeAdmission(record);
  EXPECT_TRUE(DecodeAdmission(bytes).ok());
  EXPECT_FALSE(DecodeAdmission(bytes.substr(0, bytes.size() / 2)).ok());
  EXPECT_FALSE(DecodeAdmission("").ok());
  EXPECT_FALSE(DecodeAdmission("garbage").ok());
}

}  // namespace
}  // namespace berth::features
