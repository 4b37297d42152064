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
