#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/rules.h"

namespace berth::features {
namespace {

using ::testing::IsSupersetOf;
using ::testing::Pair;

const Rules& DefaultRules() {
  static const Rules* const rules = new Rules(*DefaultTables());
  return *rules;
}

std::map<std::string, std::string> Script(std::string_view script) {
  return DescribeFeatures(DefaultRules().ReadText({.script = script}));
}

using Fields = std::vector<std::pair<std::string, std::string>>;

TEST(CommandsTest, LaunchersSayHowMuchOfANodeIsTaken) {
  EXPECT_THAT(Script("torchrun --nnodes=2 --nproc_per_node=8 train.py"),
              IsSupersetOf(Fields{{"class", "gpu"}, {"gpus", "8"}, {"parallelism", "2"}}));
  EXPECT_THAT(Script("accelerate launch --num_machines 2 --num_processes 16 t.py"),
              IsSupersetOf(Fields{{"gpus", "8"}, {"parallelism", "2"}}));
  EXPECT_THAT(Script("horovodrun -np 24 -H a:8,b:8,c:8 python t.py"),
              IsSupersetOf(Fields{{"gpus", "8"}, {"parallelism", "3"}}));
  EXPECT_THAT(Script("export OMP_NUM_THREADS=6\nmpirun -np 20 ./solver"),
              IsSupersetOf(Fields{{"cores", "6"}, {"parallelism", "20"}}));
  EXPECT_THAT(
      Script("spark-submit --executor-memory 8g --num-executors 10 --executor-cores 4 a.py"),
      IsSupersetOf(Fields{{"memory", "8Gi"}, {"cores", "4"}, {"parallelism", "10"}}));
}

TEST(CommandsTest, JavaSaysItsHeapWhereverItIsStarted) {
  EXPECT_EQ(Script("gatk --java-options -Xmx24g MarkDuplicates -I a.bam -O b.bam").at("memory"),
            "24Gi");
  EXPECT_EQ(Script("picard -Xmx8g SortSam I=a.bam O=b.bam").at("memory"), "8Gi");
}

TEST(CommandsTest, WordsOfUnknownOptionsSayWhatIsReadAndWritten) {
  const auto found = Script("python clean.py --in-csv raw/a.csv --target=s3://x/b/");
  EXPECT_EQ(found.at("inputs"), "raw/a.csv");
  EXPECT_EQ(found.at("outputs"), "s3://x/b/");
}

TEST(CommandsTest, TransfersAreNoCores) {
  const auto fields = Script("cat list.txt | xargs -P 16 -n 1 wget -q -P /srv/mirror");
  EXPECT_FALSE(fields.contains("cores"));
  EXPECT_THAT(fields,
              IsSupersetOf(Fields{
                  {"class", "network"}, {"inputs", "list.txt"}, {"outputs", "/srv/mirror"}}));
}

TEST(CommandsTest, WhatOneStepWritesAndALaterReadsIsIntermediate) {
  EXPECT_THAT(
      Script("sort -o a.tsv in.tsv\nsort -o b.tsv a.tsv\n"),
      IsSupersetOf(Fields{{"inputs", "in.tsv"}, {"outputs", "b.tsv"}, {"intermediate", "a.tsv"}}));
}

TEST(CommandsTest, DirectivesWinOverLaunchers) {
  EXPECT_THAT(Script("#SBATCH -c 8\nbwa mem -t 16 ref.fa r.fq > o.sam\n"),
              IsSupersetOf(Fields{{"cores", "8"}}));
}

TEST(CommandsTest, StatementsOfSqlNameTheirData) {
  EXPECT_THAT(Script("duckdb <<SQL\nCOPY (SELECT * FROM 's3://a/b.parquet') TO 's3://c/d';\nSQL\n"),
              IsSupersetOf(Fields{{"inputs", "s3://a/b.parquet"}, {"outputs", "s3://c/d"}}));
}

TEST(CommandsTest, ModelsAreSizedByTheirUse) {
  EXPECT_THAT(Script("vllm serve meta-llama/Llama-3.1-70B-Instruct --tensor-parallel-size 4"),
              IsSupersetOf(Fields{{"gpus", "4"},
                                  {"modelMemory", "130.4Gi"},
                                  {"models", "meta-llama/Llama-3.1-70B-Instruct"}}));
  EXPECT_THAT(Script("deepspeed sft.py --model_name_or_path Qwen/Qwen2.5-7B"),
              IsSupersetOf(Fields{{"modelMemory", "104.3Gi"}}));
}

TEST(CommandsTest, ACommandLineIsReadAsAScriptIs) {
  const std::vector<std::string> argv = {"make", "-j16", "all"};
  EXPECT_THAT(DescribeFeatures(DefaultRules().ReadText({.command = argv})),
              IsSupersetOf(Fields{{"class", "cpu"}, {"cores", "16"}}));
}

}  // namespace
}  // namespace berth::features
