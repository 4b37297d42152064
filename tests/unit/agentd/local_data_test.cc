#include "agentd/probe/local_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/file_tree.h"

namespace berth::agentd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LocalDataTest, MeasuresEachEntryOfItsRoots) {
  const berth::testing::FileTree tree;
  tree.Write("/a/imagenet/train/1.tar", std::string(1000, 'x'));
  tree.Write("/a/imagenet/val/1.tar", std::string(10, 'x'));
  tree.Write("/a/words.bin", "12345");
  tree.Write("/a/.lock", "1");
  tree.Write("/b/words.bin", "another");
  std::filesystem::create_hard_link(tree.At("/a/imagenet/val/1.tar"),
                                    tree.At("/a/imagenet/val/2.tar"));
  tree.Link("/a/imagenet/up", "..");
  LocalData data({tree.At("/a"), tree.At("/b"), tree.At("/nothing")});
  EXPECT_THAT(data.Find(), ElementsAre(LocalEntry{"imagenet", 1010}, LocalEntry{"words.bin", 5}));
}

TEST(LocalDataTest, SeesWhatCameWentAndChanged) {
  const berth::testing::FileTree tree;
  LocalData data({tree.root()});
  EXPECT_THAT(data.Find(), IsEmpty());
  tree.Write("/set/part/1", "1");
  EXPECT_THAT(data.Find(), ElementsAre(LocalEntry{"set", 1}));
  tree.Write("/set/part/2", "22");
  EXPECT_THAT(data.Find(), ElementsAre(LocalEntry{"set", 3}));
  tree.Remove("/set/part/1");
  EXPECT_THAT(data.Find(), ElementsAre(LocalEntry{"set", 2}));
  tree.Remove("/set");
  EXPECT_THAT(data.Find(), IsEmpty());
}

// A file system may give the same time to all that happens within one of its ticks: what changed
// lately is not taken for unchanged by its time.
TEST(LocalDataTest, MeasuresAgainWhatChangedLately) {
  const berth::testing::FileTree tree;
  tree.Write("/set/a/b/c/1", "1");
  LocalData data({tree.root()}, std::chrono::hours(1), std::chrono::hours(1));
  EXPECT_THAT(data.Find(), ElementsAre(LocalEntry{"set", 1}));
  tree.Write("/set/a/b/c/2", "22");
  EXPECT_THAT(data.Find(), ElementsAre(LocalEntry{"set", 3}));
}

TEST(LocalDataTest, MeasuresWhatLiesDeepAgainOnlyAfterAWhile) {
  const berth::testing::FileTree tree;
  tree.Write("/set/a/b/c/1", "1");
  LocalData patient({tree.root()}, std::chrono::hours(1), std::chrono::nanoseconds(0));
  LocalData eager({tree.root()}, std::chrono::seconds(0));
  EXPECT_THAT(patient.Find(), ElementsAre(LocalEntry{"set", 1}));
  EXPECT_THAT(eager.Find(), ElementsAre(LocalEntry{"set", 1}));
  tree.Write("/set/a/b/c/2", "22");
  EXPECT_THAT(patient.Find(), ElementsAre(LocalEntry{"set", 1}));
  EXPECT_THAT(eager.Find(), ElementsAre(LocalEntry{"set", 3}));
}

TEST(LocalDataTest, NamesRepositoriesOfACacheAsJobsDo) {
  EXPECT_EQ(EntryName("models--meta-llama--Llama-3.1-8B"), "meta-llama/Llama-3.1-8B");
  EXPECT_EQ(EntryName("datasets--squad"), "squad");
  EXPECT_EQ(EntryName("plain--name"), "plain--name");
}

}  // namespace
}  // namespace berth::agentd
