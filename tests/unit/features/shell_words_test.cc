#include "features/shell_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace berth::features {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> TextsOf(const ShellCommand& command) {
  std::vector<std::string> texts;
  for (const ShellWord& word : command.words) texts.push_back(word.text);
  return texts;
}

TEST(ShellWordsTest, HeaderEndsAtTheFirstCommand) {
  const ShellScript script = ReadShellScript("#!/bin/sh\n#SBATCH -c 2\n\ncd x\n#SBATCH -c 9\n");
  EXPECT_THAT(script.header, ElementsAre("#!/bin/sh", "#SBATCH -c 2"));
}

TEST(ShellWordsTest, LinesGoOnAfterABackslash) {
  const ShellScript script = ReadShellScript("bwa mem \\\n  -t 4 \"a b\" | sort > out.txt\n");
  ASSERT_EQ(script.commands.size(), 2u);
  EXPECT_THAT(TextsOf(script.commands[0]), ElementsAre("bwa", "mem", "-t", "4", "a b"));
  EXPECT_TRUE(script.commands[1].reads_pipe);
  EXPECT_THAT(script.commands[1].writes_to, ElementsAre("out.txt"));
}

TEST(ShellWordsTest, VariablesSetToPlainTextAreExpandedAsWholeWords) {
  const ShellScript script =
      ReadShellScript("N=16\nD=/data\nprog -j$N $D $D/x ${M:-4} \"$UNKNOWN\"\n");
  EXPECT_THAT(TextsOf(script.commands.back()),
              ElementsAre("prog", "-j16", "/data", "$D/x", "4", "$UNKNOWN"));
}

TEST(ShellWordsTest, CommandsInSubstitutionsAreCommands) {
  const ShellScript script = ReadShellScript("S=$(sed -n 3p samples.txt)\nprog $S\n");
  ASSERT_EQ(script.commands.size(), 3u);
  EXPECT_THAT(TextsOf(script.commands[0]), ElementsAre("sed", "-n", "3p", "samples.txt"));
  EXPECT_THAT(TextsOf(script.commands[2]), ElementsAre("prog", "$S"));
}

TEST(ShellWordsTest, HereDocumentsAreNoCommands) {
  const ShellScript script = ReadShellScript("cat > a <<EOF\n#SBATCH --mem=1T\nrm x\nEOF\ntrue\n");
  ASSERT_EQ(script.commands.size(), 2u);
  EXPECT_EQ(script.commands[0].here_document, "#SBATCH --mem=1T\nrm x\n");
}

TEST(ShellWordsTest, DirectivesAndOldCommandsAreNoComments) {
  const ShellScript script =
      ReadShellScript("# needs 4 GPUs\n##SBATCH -c 2\n# #PBS -l x\n# prog --old 3\ntrue\n");
  EXPECT_THAT(script.comments, ElementsAre(" needs 4 GPUs"));
}

TEST(ShellWordsTest, WordsOfALineEndAtAComment) {
  EXPECT_THAT(SplitWords(" -R \"span[hosts=1] x\" -n 4 # why"),
              ElementsAre("-R", "span[hosts=1] x", "-n", "4"));
}

}  // namespace
}  // namespace berth::features
