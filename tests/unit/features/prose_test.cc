#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/rules.h"

namespace berth::features {
namespace {

using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

std::map<std::string, std::string> Description(std::string_view text) {
  static const Rules* const rules = new Rules(*DefaultTables());
  return DescribeFeatures(rules->ReadText({.description = text}));
}

using Fields = std::vector<std::pair<std::string, std::string>>;

TEST(ProseTest, AmountsAreBoundToWhatTheyCount) {
  EXPECT_THAT(Description("training run, 8x A100 80GB, about 14 hours, 200 GB RAM"),
              IsSupersetOf(Fields{{"gpus", "8"},
                                  {"gpuKind", "A100"},
                                  {"gpuMemory", "80Gi"},
                                  {"memory", "200Gi"},
                                  {"duration", "14h"}}));
  EXPECT_THAT(Description("two A100s for a week of training"),
              IsSupersetOf(Fields{{"gpus", "2"}, {"duration", "7d"}}));
}

TEST(ProseTest, NumbersInWordsAddUp) {
  EXPECT_THAT(Description("Monte Carlo on a hundred and twenty cores, two and a half days"),
              IsSupersetOf(Fields{{"cores", "120"}, {"duration", "2d12h"}}));
  EXPECT_THAT(Description("蒙特卡洛，二十四核，半T内存，一天半"),
              IsSupersetOf(Fields{{"cores", "24"}, {"memory", "512Gi"}, {"duration", "1d12h"}}));
  EXPECT_THAT(Description("Monte Carlo, 6 cores, 2h30"),
              IsSupersetOf(Fields{{"cores", "6"}, {"duration", "2h30m"}}));
}

TEST(ProseTest, ATimeOfThingsIsNoDuration) {
  EXPECT_THAT(Description("simulates 30 days of traffic on 24 cores in about 50 minutes"),
              IsSupersetOf(Fields{{"cores", "24"}, {"duration", "50m"}}));
  EXPECT_FALSE(Description("training on 8 V100, checkpoint every 30 min").contains("duration"));
}

TEST(ProseTest, ATeacherIsNotTrained) {
  // 14B at 2 bytes, and 0.5B at 16.
  const std::string expected = "33.5Gi";
  EXPECT_EQ(Description("distillation, teacher Qwen2.5-14B, student Qwen2.5-0.5B, 4 A100")
                .at("modelMemory"),
            expected);
  EXPECT_EQ(Description("distil Qwen2.5-14B into Qwen2.5-0.5B on 4 A100").at("modelMemory"),
            expected);
}

TEST(ProseTest, ModelsOfOneSizeAreToldApartByFamilyAndVersion) {
  EXPECT_EQ(Description("compare Qwen2.5-7B and Mistral-7B in fp16 on one A6000").at("modelMemory"),
            "26.1Gi");
  EXPECT_EQ(
      Description("serve Qwen2.5-7B (Qwen/Qwen2.5-7B-Instruct) on one A6000").at("modelMemory"),
      "13Gi");
}

TEST(ProseTest, PeoplesErrandsAreNoTasks) {
  EXPECT_THAT(Description("Spreadsheet with prices of the A100 and H100 offers"), IsEmpty());
  EXPECT_THAT(Description("采购两台 H100 服务器的会议改到三点"), IsEmpty());
}

TEST(ProseTest, AnAddressEndsThePhraseBeforeIt) {
  EXPECT_EQ(Description("copies the tables to s3://lake/out/").at("outputs"), "s3://lake/out/");
}

TEST(ProseTest, ATotalOverNodesIsDivided) {
  EXPECT_THAT(Description("pretraining on 256 H100 on 32 nodes"),
              IsSupersetOf(Fields{{"gpus", "8"}, {"parallelism", "32"}}));
  EXPECT_THAT(Description("pretraining, 4 nodes with 8 H100 each"),
              IsSupersetOf(Fields{{"gpus", "8"}, {"parallelism", "4"}}));
  EXPECT_THAT(Description("训练，两台机器共 16 张 A100"),
              IsSupersetOf(Fields{{"gpus", "8"}, {"parallelism", "2"}}));
}

TEST(ProseTest, WhatIsDeniedOrPastIsNotStated) {
  const auto denied = Description("CFD with 32 cores, no GPU needed");
  EXPECT_FALSE(denied.contains("gpus"));
  EXPECT_EQ(denied.at("class"), "cpu");
  const auto past =
      Description("以前这个任务要4张V100跑6小时,现在改成了CPU版的lightgbm,16线程,一小时以内");
  EXPECT_FALSE(past.contains("gpus"));
  EXPECT_THAT(past, IsSupersetOf(Fields{{"class", "cpu"}, {"cores", "16"}, {"duration", "1h"}}));
}

TEST(ProseTest, TheResourceBesideABottleneckIsTheClass) {
  EXPECT_EQ(Description("the disk is the bottleneck, cpu sits idle").at("class"), "io");
  EXPECT_EQ(Description("瓶颈在网络，CPU 基本空闲").at("class"), "network");
  EXPECT_EQ(Description("memory-heavy join").at("class"), "memory");
}

TEST(ProseTest, TextThatSpeaksOfNoComputationSaysNothing) {
  EXPECT_THAT(Description("250 g flour, 125 g butter, 2 eggs, 45 minutes at 180, serves 8"),
              IsEmpty());
  EXPECT_THAT(Description("周五下午3点团建，8个人，两辆车，预算1600元"), IsEmpty());
  EXPECT_THAT(Description(""), IsEmpty());
}

TEST(ProseTest, DataHasItsPlaceAndSize) {
  EXPECT_THAT(Description("rewrite s3://w/orc (about 9 TB) as parquet into s3://w/pq"),
              IsSupersetOf(Fields{{"inputs", "s3://w/orc"}, {"outputs", "s3://w/pq"}}));
}

}  // namespace
}  // namespace berth::features
