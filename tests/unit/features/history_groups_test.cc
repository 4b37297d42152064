#include "features/history_groups.h"

#include <gtest/gtest.h>

#include <list>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/support/random_cluster.h"

namespace berth::features {
namespace {

GroupKey Key(uint64_t number) { return {number * 7, number}; }
constexpr GroupKey kAda{1, 1}, kBob{2, 2};

ScriptFamily Family(const GroupKey& user, std::string_view script) {
  return {.user = user, .signature = SignScript(script, {})};
}

constexpr std::string_view kScript =
    "set -e\nmodule load gromacs\ngmx grompp -f md.mdp -c start.gro -p topol.top -o run.tpr\n"
    "mpirun -np 64 gmx_mpi mdrun -deffnm run -maxh 23 -cpi state.cpt\n";

TEST(HistoryGroupsTest, TheOneUsedLongestAgoMakesRoom) {
  HistoryGroups groups(3);
  for (const uint64_t i : {1, 2, 3}) groups.Use(Key(i), HistoryLevel::kUser);
  groups.Use(Key(1), HistoryLevel::kUser);
  groups.Use(Key(4), HistoryLevel::kUser);
  EXPECT_TRUE(groups.Find(Key(1)).has_value());
  EXPECT_FALSE(groups.Find(Key(2)).has_value());
  EXPECT_TRUE(groups.Find(Key(3)).has_value());
  EXPECT_TRUE(groups.Find(Key(4)).has_value());
  EXPECT_EQ(groups.size(), 3u);
}

TEST(HistoryGroupsTest, ANewGroupInAnOldSlotIsEmpty) {
  HistoryGroups groups(1);
  const auto slot = groups.Use(Key(1), HistoryLevel::kUser);
  groups.At(slot).values[0].Add({.at_s = 1, .code = 5});
  groups.At(slot).ends = 9;
  EXPECT_EQ(groups.Use(Key(2), HistoryLevel::kName), slot);
  EXPECT_TRUE(groups.At(slot).values[0].empty());
  EXPECT_EQ(groups.At(slot).ends, 0);
  EXPECT_EQ(groups.At(slot).level, HistoryLevel::kName);
}

TEST(HistoryGroupsTest, FindsTheFamilyOfAScriptThatIsAlike) {
  HistoryGroups groups(10);
  const ScriptFamily family = Family(kAda, kScript);
  const auto slot = groups.Use(Key(1), HistoryLevel::kScript, &family);
  std::string other(kScript);
  other += "echo done\n";
  EXPECT_EQ(groups.FindFamily(kAda, SignScript(other, {})), slot);
  EXPECT_FALSE(groups.FindFamily(kAda, SignScript("make -j 8 all\nctest -V\n", {})).has_value());
}

TEST(HistoryGroupsTest, AFamilyIsItsUsersOnly) {
  HistoryGroups groups(10);
  const ScriptFamily family = Family(kAda, kScript);
  groups.Use(Key(1), HistoryLevel::kScript, &family);
  EXPECT_FALSE(groups.FindFamily(kBob, family.signature).has_value());
  // Two keys that agree in the half that is hashed do not make one user.
  EXPECT_FALSE(groups.FindFamily({99, kAda.low}, family.signature).has_value());
}

TEST(HistoryGroupsTest, OfTwoFamiliesTheMoreAlikeIsFound) {
  HistoryGroups groups(10);
  const std::string longer = std::string(kScript) + "rsync -a results archive:/data\n";
  const ScriptFamily one = Family(kAda, kScript), two = Family(kAda, longer);
  const auto first = groups.Use(Key(1), HistoryLevel::kScript, &one);
  const auto second = groups.Use(Key(2), HistoryLevel::kScript, &two);
  EXPECT_EQ(groups.FindFamily(kAda, two.signature), second);
  groups.Use(Key(1), HistoryLevel::kScript);
  EXPECT_EQ(groups.FindFamily(kAda, one.signature), first);
}

TEST(HistoryGroupsTest, AFamilyThatMadeRoomIsNotFound) {
  HistoryGroups groups(1);
  const ScriptFamily family = Family(kAda, kScript);
  groups.Use(Key(1), HistoryLevel::kScript, &family);
  groups.Use(Key(2), HistoryLevel::kUser);
  EXPECT_FALSE(groups.FindFamily(kAda, family.signature).has_value());
}

HistoryGroup Group(uint64_t key, uint64_t used) {
  HistoryGroup group;
  group.key = Key(key);
  group.used = used;
  return group;
}

TEST(HistoryGroupsTest, RestoresInOrderOfUseOnly) {
  HistoryGroups groups(4);
  EXPECT_TRUE(groups.Restore(2, Group(1, 10)));
  EXPECT_FALSE(groups.Restore(3, Group(2, 10)));  // not later than what is there
  EXPECT_FALSE(groups.Restore(2, Group(2, 11)));  // taken
  EXPECT_FALSE(groups.Restore(4, Group(2, 11)));  // beyond the table
  EXPECT_FALSE(groups.Restore(3, Group(1, 11)));  // there already
  EXPECT_TRUE(groups.Restore(0, Group(2, 11)));
  // Free slots are used before anything makes room, and the oldest goes first then.
  for (const uint64_t i : {3, 4}) groups.Use(Key(i), HistoryLevel::kUser);
  EXPECT_EQ(groups.size(), 4u);
  EXPECT_TRUE(groups.Find(Key(1)).has_value());
  groups.Use(Key(5), HistoryLevel::kUser);
  EXPECT_FALSE(groups.Find(Key(1)).has_value());
  EXPECT_TRUE(groups.Find(Key(2)).has_value());
}

TEST(HistoryGroupsTest, HoldsWhatAListInOrderOfUseHolds) {
  base::Rng rng(testing::TestSeed(1));
  HistoryGroups groups(50);
  std::list<uint64_t> oracle;  // newest first
  int made_room = 0;
  for (int round = 0; round < 20'000; ++round) {
    const uint64_t key = 1 + rng.Uniform(120);
    const auto slot = groups.Use(Key(key), HistoryLevel::kUser);
    ASSERT_EQ(groups.At(slot).key, Key(key));
    const auto found = std::find(oracle.begin(), oracle.end(), key);
    if (found != oracle.end()) oracle.erase(found);
    oracle.push_front(key);
    if (oracle.size() > 50) {
      oracle.pop_back();
      ++made_room;
    }
    const uint64_t asked = 1 + rng.Uniform(120);
    const bool there = std::find(oracle.begin(), oracle.end(), asked) != oracle.end();
    ASSERT_EQ(groups.Find(Key(asked)).has_value(), there) << "round " << round;
  }
  EXPECT_GT(made_room, 1000);
}

}  // namespace
}  // namespace berth::features
