// Every registered plugin against the contract of include/berth.
//
// The checks know nothing of what a plugin does: a new one is under them by being registered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/strings.h"
#include "berth/device_score.h"
#include "berth/filter.h"
#include "berth/queue_sort.h"
#include "berth/reserve.h"
#include "berth/score.h"
#include "pipeline/table_context.h"
#include "state/requirements_table.h"
#include "tests/conformance/altered_columns.h"
#include "tests/conformance/plugin_variants.h"
#include "tests/support/plugin_args_builder.h"
#include "tests/support/random_cluster.h"

namespace berth {
namespace {

using testing::AddCounters;
using testing::AllVariants;
using testing::Arg;
using testing::ArgMap;
using testing::Between;
using testing::Chance;
using testing::CountRandomly;
using testing::EmptiedColumns;
using testing::FillRandomly;
using testing::MakeVariant;
using testing::MeasureRandomly;
using testing::MixedColumns;
using testing::RandomNearTerm;
using testing::RandomNeeds;
using testing::RandomShared;
using testing::RandomTerm;
using testing::SetSharedRandomly;
using testing::TakeSharedRandomly;
using testing::Variant;

constexpr TaskKey kKey{.job = JobId{7}, .group = 0, .position = 3};
constexpr TaskKey kOtherKey{.job = JobId{8}, .group = 1, .position = 0};

class PluginConformanceTest : public ::testing::TestWithParam<Variant> {
 protected:
  PluginConformanceTest() : rng_(testing::TestSeed(20'260'101)) {}

  // A cluster of `nodes` slots, and the plugin made for it.
  void Draw(int nodes) {
    table_ = std::make_unique<state::NodeTable>(1);
    FillRandomly(rng_, nodes, *table_);
    counters_ = AddCounters(*table_, {"zone", "disk"});
    CountRandomly(rng_, counters_, *table_);
    for (const auto& [key, counter] : counters_) table_->WatchNearness(key);
    MeasureRandomly(rng_, *table_);
    SetSharedRandomly(rng_, *table_);
    TakeSharedRandomly(rng_, *table_);
    pipeline::TableContext context(table_->names());
    auto made = MakeVariant(GetParam(), context);
    ASSERT_TRUE(made.ok()) << made.status();
    plugin_ = *std::move(made);
    ASSERT_NE(plugin_, nullptr);
    filter_ = dynamic_cast<const FilterPlugin*>(plugin_.get());
    score_ = dynamic_cast<const ScorePlugin*>(plugin_.get());
    of_devices_ = dynamic_cast<const DeviceScorePlugin*>(plugin_.get());
    reserve_ = dynamic_cast<const ReservePlugin*>(plugin_.get());
  }

  const TaskRequirements& DrawNeeds() {
    const auto shape = shapes_.Acquire(RandomNeeds(rng_), 0, *table_, /*intern_unknown=*/true);
    EXPECT_TRUE(shape.ok()) << shape.status();
    TaskRequirements& needs = drawn_.emplace_back(shapes_.Get(*shape));
    if (Chance(rng_, 60)) {
      for (int i = Between(rng_, 1, 3); i > 0; --i) {
        needs.terms.push_back(RandomTerm(rng_, counters_));
      }
      if (Chance(rng_, 40)) needs.terms.push_back(RandomNearTerm(rng_, counters_));
      needs.others_terms.push_back(RandomTerm(rng_, counters_));
      needs.others_terms.back().kind = TermKind::kAntiAffinity;
    }
    if (Chance(rng_, 30)) needs.shared = RandomShared(rng_, *table_);
    return needs;
  }

  // Calls check(needs) for a number of tasks on clusters of several sizes.
  template <typename F>
  void ForManyTasks(F&& check) {
    for (int nodes : {0, 1, 63, 64, 65, 300}) {
      Draw(nodes);
      if (HasFatalFailure()) return;
      for (int i = 0; i < 40; ++i) {
        check(DrawNeeds());
        if (HasFatalFailure()) return;
      }
    }
  }

  // A random part of the slots, each once, in random order.
  std::vector<Slot> DrawSlots() {
    std::vector<Slot> slots;
    for (Slot slot = 0; slot < table_->size(); ++slot) {
      if (Chance(rng_, 40)) slots.push_back(slot);
    }
    for (size_t i = slots.size(); i > 1; --i) std::swap(slots[i - 1], slots[rng_.Uniform(i)]);
    return slots;
  }

  // The nodes of `start` that are left when the filter was asked about `slots`; others stay.
  NodeMask Filter(const TaskRequirements& needs, const NodeColumns& columns, SlotSpan slots,
                  const NodeMask& start, TaskKey key = kKey) const {
    std::vector<uint64_t> words(WordsFor(slots.size()), 0);
    slots.ForEach(
        [&](size_t i, Slot slot) { words[i / 64] |= uint64_t{start.Test(slot)} << (i % 64); });
    SlotMask mask(slots, words);
    const absl::Status status = filter_->Filter({needs, key}, columns, mask);
    EXPECT_TRUE(status.ok()) << status;
    NodeMask left = start;
    slots.ForEach([&](size_t i, Slot slot) { left.Assign(slot, mask.Test(i)); });
    if (slots.size() % 64 != 0) {
      EXPECT_EQ(words.back() >> (slots.size() % 64), 0u);
    }
    return left;
  }
  NodeMask FilterAll(const TaskRequirements& needs, const NodeColumns& columns) const {
    return Filter(needs, columns, SlotSpan::All(columns.size()), columns.live());
  }

  // Untouched slots keep kUntouched.
  static constexpr int32_t kUntouched = -77;
  std::vector<int32_t> Score(const TaskRequirements& needs, const NodeColumns& columns,
                             SlotSpan slots, TaskKey key = kKey) const {
    // One more on each side, which belongs to nobody.
    std::vector<int32_t> written(slots.size() + 2, kUntouched);
    const absl::Status status =
        score_->Score({needs, key}, columns, slots, std::span(written).subspan(1, slots.size()));
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(written.front(), kUntouched);
    EXPECT_EQ(written.back(), kUntouched);
    std::vector<int32_t> scores(columns.size(), kUntouched);
    slots.ForEach([&](size_t i, Slot slot) { scores[slot] = written[i + 1]; });
    return scores;
  }
  std::vector<int32_t> ScoreAll(const TaskRequirements& needs, const NodeColumns& columns) const {
    return Score(needs, columns, SlotSpan::All(columns.size()));
  }

  // Columns like the table's, but for those that a plugin with these reads does not look at.
  template <typename F>
  void WithOtherColumns(Reads reads, F&& check) {
    state::NodeTable other(2);
    FillRandomly(rng_, static_cast<int>(table_->size()), other);
    CountRandomly(rng_, AddCounters(other, {"zone", "disk"}), other);
    SetSharedRandomly(rng_, other);
    TakeSharedRandomly(rng_, other);
    const auto unread = static_cast<Reads>(
        (kReadsStatic | kReadsAllocation | kReadsDevices | kReadsUsage | kReadsTerms) & ~reads);
    check(MixedColumns(*table_, other, unread));
  }

  base::Rng rng_;
  std::unique_ptr<state::NodeTable> table_;
  state::RequirementsTable shapes_;
  std::vector<testing::KeyedCounter> counters_;
  std::deque<TaskRequirements> drawn_;
  std::unique_ptr<Plugin> plugin_;
  const FilterPlugin* filter_ = nullptr;
  const ScorePlugin* score_ = nullptr;
  const DeviceScorePlugin* of_devices_ = nullptr;
  const ReservePlugin* reserve_ = nullptr;
};

// What one Reject said.
struct Seen {
  Slot slot;
  Reason reason;
  int64_t requested, free, capacity;
  bool permanent;
};

class SeenSink final : public RejectionSink {
 public:
  void Reject(Slot slot, Reason reason, uint32_t, int64_t requested, int64_t free, int64_t capacity,
              bool permanent) override {
    seen.push_back({slot, reason, requested, free, capacity, permanent});
  }
  // In rising order.
  std::vector<Slot> Slots() const {
    std::vector<Slot> slots;
    for (const Seen& one : seen) slots.push_back(one.slot);
    std::sort(slots.begin(), slots.end());
    return slots;
  }
  std::vector<Seen> seen;
};

std::vector<Slot> SlotsOf(const NodeMask& mask) {
  std::vector<Slot> slots;
  mask.ForEach([&](Slot slot) { slots.push_back(slot); });
  return slots;
}

TEST_P(PluginConformanceTest, HasTheNameItIsRegisteredBy) {
  Draw(0);
  EXPECT_EQ(plugin_->name(), GetParam().plugin);
}

TEST_P(PluginConformanceTest, TakesPartSomewhere) {
  Draw(0);
  EXPECT_TRUE(filter_ != nullptr || score_ != nullptr || of_devices_ != nullptr ||
              reserve_ != nullptr ||
              dynamic_cast<const QueueSortPlugin*>(plugin_.get()) != nullptr);
}

TEST_P(PluginConformanceTest, RefusesArgumentsItDoesNotKnow) {
  state::Names names;
  pipeline::TableContext context(names);
  const auto made =
      MakeVariant({GetParam().plugin, "", ArgMap({{"noSuchArgument", Arg(1)}})}, context);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(base::S(made.status().message()).rfind("noSuchArgument: ", 0), 0u) << made.status();
}

// ---- filters ----

class FilterConformanceTest : public PluginConformanceTest {};

TEST_P(FilterConformanceTest, AnswersTheSameTwiceAndForEqualTasks) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const SlotSpan all = SlotSpan::All(table_->size());
    const NodeMask first = Filter(needs, *table_, all, table_->live());
    ASSERT_EQ(Filter(needs, *table_, all, table_->live()), first);
    ASSERT_EQ(Filter(needs, *table_, all, table_->live(), kOtherKey), first);
  });
}

TEST_P(FilterConformanceTest, OnlyClearsAndDoesNotLookAtTheMask) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const NodeMask all = FilterAll(needs, *table_);
    NodeMask start(table_->size());
    for (Slot slot : DrawSlots()) start.Assign(slot, table_->live().Test(slot));
    NodeMask expected = start;
    expected.And(all);
    ASSERT_EQ(Filter(needs, *table_, SlotSpan::All(table_->size()), start), expected);
  });
}

TEST_P(FilterConformanceTest, AnswersForAListAsForTheWholeRange) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const NodeMask all = FilterAll(needs, *table_);
    const std::vector<Slot> listed = DrawSlots();
    const NodeMask some = Filter(needs, *table_, SlotSpan::List(listed), table_->live());
    NodeMask expected = table_->live();
    for (Slot slot : listed) expected.Assign(slot, all.Test(slot));
    ASSERT_EQ(some, expected);
  });
}

TEST_P(FilterConformanceTest, AnswersForAPartOfTheRangeAsForTheWhole) {
  ForManyTasks([&](const TaskRequirements& needs) {
    if (table_->size() <= 64) return;
    const NodeMask all = FilterAll(needs, *table_);
    const SlotSpan rest = SlotSpan::Range(64, table_->size() - 64);
    NodeMask expected = table_->live();
    rest.ForEach([&](size_t, Slot slot) { expected.Assign(slot, all.Test(slot)); });
    ASSERT_EQ(Filter(needs, *table_, rest, table_->live()), expected);
  });
}

TEST_P(FilterConformanceTest, AnswersTheSameWithColumnsGatheredByOthers) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const std::vector<Slot> listed = DrawSlots();
    GatheredColumns gathered;
    const SlotSpan list = SlotSpan::List(listed, &gathered);
    const NodeMask alone = Filter(needs, *table_, SlotSpan::List(listed), table_->live());
    ASSERT_EQ(Filter(needs, *table_, list, table_->live()), alone);
    ASSERT_EQ(Filter(needs, *table_, list, table_->live()), alone);
  });
}

TEST_P(FilterConformanceTest, PassesAllOnlyTasksOfWhichItRemovesNoNode) {
  ForManyTasks([&](const TaskRequirements& needs) {
    if (!filter_->PassesAll(needs)) return;
    ASSERT_EQ(FilterAll(needs, *table_), table_->live());
  });
}

TEST_P(FilterConformanceTest, ReadsOnlyWhatItDeclares) {
  ForManyTasks([&](const TaskRequirements& needs) {
    WithOtherColumns(filter_->reads(), [&](const NodeColumns& columns) {
      ASSERT_EQ(FilterAll(needs, columns), FilterAll(needs, *table_));
    });
  });
}

TEST_P(FilterConformanceTest, DiagnosesEachNodeThatItRemovesOnceAndNoOther) {
  ForManyTasks([&](const TaskRequirements& needs) {
    NodeMask removed = table_->live();
    removed.AndNot(FilterAll(needs, *table_));
    SeenSink exact, asked_of_all;
    filter_->Diagnose({needs, kKey}, *table_, removed, exact);
    filter_->Diagnose({needs, kKey}, *table_, table_->live(), asked_of_all);
    ASSERT_EQ(exact.Slots(), SlotsOf(removed));
    ASSERT_EQ(asked_of_all.Slots(), SlotsOf(removed));
  });
}

TEST_P(FilterConformanceTest, GivesReasonsOfFiltersAndAmountsThatExplainThem) {
  ForManyTasks([&](const TaskRequirements& needs) {
    SeenSink sink;
    filter_->Diagnose({needs, kKey}, *table_, table_->live(), sink);
    for (const Seen& seen : sink.seen) {
      ASSERT_GE(static_cast<int>(seen.reason), 100);
      ASSERT_LT(static_cast<int>(seen.reason), 200);
      ASSERT_GE(seen.free, 0);
      ASSERT_LE(seen.free, seen.capacity);
      // Where amounts are concerned, what is free is not enough; where it is for good, nor is what
      // there is.
      if (seen.requested == 0) continue;
      ASSERT_LT(seen.free, seen.requested);
      ASSERT_TRUE(!seen.permanent || seen.capacity < seen.requested);
    }
  });
}

TEST_P(FilterConformanceTest, CallsPermanentWhatNoReleaseMends) {
  ForManyTasks([&](const TaskRequirements& drawn) {
    // Without a task to be with, affinity is unmet; one may still come.
    TaskRequirements needs = drawn;
    std::erase_if(needs.terms,
                  [](const TermUse& term) { return term.kind == TermKind::kAffinity; });
    SeenSink sink;
    filter_->Diagnose({needs, kKey}, *table_, table_->live(), sink);
    NodeMask possible = table_->live();
    for (const Seen& seen : sink.seen) {
      if (seen.permanent) possible.Clear(seen.slot);
    }
    ASSERT_EQ(FilterAll(needs, EmptiedColumns(*table_)), possible);
  });
}

// ---- scores ----

class ScoreConformanceTest : public PluginConformanceTest {};

TEST_P(ScoreConformanceTest, StaysInRangeOnEverySlot) {
  ForManyTasks([&](const TaskRequirements& needs) {
    for (int32_t score : ScoreAll(needs, *table_)) {
      ASSERT_GE(score, 0);
      ASSERT_LE(score, kMaxScore);
    }
  });
}

TEST_P(ScoreConformanceTest, AnswersTheSameTwiceAndForEqualTasks) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const SlotSpan all = SlotSpan::All(table_->size());
    const std::vector<int32_t> first = Score(needs, *table_, all);
    ASSERT_EQ(Score(needs, *table_, all), first);
    ASSERT_EQ(Score(needs, *table_, all, kOtherKey), first);
  });
}

TEST_P(ScoreConformanceTest, AnswersForAListAsForTheWholeRangeAndWritesNothingElse) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const std::vector<int32_t> all = ScoreAll(needs, *table_);
    const std::vector<Slot> listed = DrawSlots();
    std::vector<int32_t> expected(table_->size(), kUntouched);
    for (Slot slot : listed) expected[slot] = all[slot];
    ASSERT_EQ(Score(needs, *table_, SlotSpan::List(listed)), expected);
  });
}

TEST_P(ScoreConformanceTest, AnswersForAPartOfTheRangeAsForTheWhole) {
  ForManyTasks([&](const TaskRequirements& needs) {
    if (table_->size() <= 64) return;
    const std::vector<int32_t> all = ScoreAll(needs, *table_);
    const SlotSpan rest = SlotSpan::Range(64, table_->size() - 64);
    std::vector<int32_t> expected(table_->size(), kUntouched);
    rest.ForEach([&](size_t, Slot slot) { expected[slot] = all[slot]; });
    ASSERT_EQ(Score(needs, *table_, rest), expected);
  });
}

TEST_P(ScoreConformanceTest, AnswersTheSameWithColumnsGatheredByOthers) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const std::vector<Slot> listed = DrawSlots();
    GatheredColumns gathered;
    const SlotSpan list = SlotSpan::List(listed, &gathered);
    const std::vector<int32_t> alone = Score(needs, *table_, SlotSpan::List(listed));
    ASSERT_EQ(Score(needs, *table_, list), alone);
    ASSERT_EQ(Score(needs, *table_, list), alone);
  });
}

TEST_P(ScoreConformanceTest, ReadsOnlyWhatItDeclares) {
  ForManyTasks([&](const TaskRequirements& needs) {
    WithOtherColumns(score_->reads(), [&](const NodeColumns& columns) {
      ASSERT_EQ(ScoreAll(needs, columns), ScoreAll(needs, *table_));
    });
  });
}

TEST_P(ScoreConformanceTest, SkipsOnlyTasksOnWhichEveryNodeScoresTheSame) {
  ForManyTasks([&](const TaskRequirements& needs) {
    if (!score_->Skips(needs)) return;
    const std::vector<int32_t> scores = ScoreAll(needs, *table_);
    ASSERT_EQ(std::count(scores.begin(), scores.end(), scores.empty() ? 0 : scores[0]),
              static_cast<std::ptrdiff_t>(scores.size()));
  });
}

// ---- scores of sets of devices ----

class DeviceScoreConformanceTest : public PluginConformanceTest {
 protected:
  std::vector<int32_t> ScoreSets(const TaskRequirements& needs, const DeviceNeed& need,
                                 const NodeColumns& columns, Slot slot, TaskKey key = kKey) const {
    DeviceSets sets;
    sets.Find(need, columns.devices(slot));
    // One more on each side, which belongs to nobody.
    std::vector<int32_t> written(sets.size() + 2, kUntouched);
    const absl::Status status = of_devices_->ScoreSets({needs, key}, columns, slot, need, sets,
                                                       std::span(written).subspan(1, sets.size()));
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(written.front(), kUntouched);
    EXPECT_EQ(written.back(), kUntouched);
    return {written.begin() + 1, written.end() - 1};
  }

  // Calls check(needs, need, slot) for nodes that have a set for one of a task's needs, and expects
  // that there are some.
  template <typename F>
  void ForManySets(F&& check) {
    int64_t checked = 0;
    ForManyTasks([&](const TaskRequirements& needs) {
      for (const DeviceNeed& need : needs.devices) {
        for (Slot slot = 0; slot < table_->size(); ++slot) {
          DeviceSets sets;
          sets.Find(need, table_->devices(slot));
          if (sets.size() == 0) continue;
          check(needs, need, slot);
          ++checked;
          if (HasFatalFailure()) return;
        }
      }
    });
    EXPECT_GT(checked, 500);
  }
};

TEST_P(DeviceScoreConformanceTest, StaysInRange) {
  ForManySets([&](const TaskRequirements& needs, const DeviceNeed& need, Slot slot) {
    for (const int32_t score : ScoreSets(needs, need, *table_, slot)) {
      ASSERT_GE(score, 0);
      ASSERT_LE(score, kMaxScore);
    }
  });
}

TEST_P(DeviceScoreConformanceTest, AnswersTheSameTwiceAndForEqualTasks) {
  ForManySets([&](const TaskRequirements& needs, const DeviceNeed& need, Slot slot) {
    const std::vector<int32_t> first = ScoreSets(needs, need, *table_, slot);
    ASSERT_EQ(ScoreSets(needs, need, *table_, slot), first);
    ASSERT_EQ(ScoreSets(needs, need, *table_, slot, kOtherKey), first);
  });
}

TEST_P(DeviceScoreConformanceTest, ReadsOnlyWhatItDeclares) {
  // What sets there are is read from the devices by whoever asks.
  ForManySets([&](const TaskRequirements& needs, const DeviceNeed& need, Slot slot) {
    if (!Chance(rng_, 2)) return;
    WithOtherColumns(of_devices_->reads() | kReadsDevices, [&](const NodeColumns& columns) {
      ASSERT_EQ(ScoreSets(needs, need, columns, slot), ScoreSets(needs, need, *table_, slot));
    });
  });
}

TEST_P(DeviceScoreConformanceTest, DependsOnNoOtherNode) {
  ForManySets([&](const TaskRequirements& needs, const DeviceNeed& need, Slot slot) {
    if (!Chance(rng_, 20)) return;
    const std::vector<int32_t> before = ScoreSets(needs, need, *table_, slot);
    const Slot other = static_cast<Slot>(rng_.Uniform(table_->size()));
    if (other == slot || !table_->Holds(other)) return;
    table_->Allocate(other, needs, {});
    ASSERT_EQ(ScoreSets(needs, need, *table_, slot), before);
    table_->Release(other, needs, {});
  });
}

TEST_P(DeviceScoreConformanceTest, SkipsOnlyTasksOfWhichEverySetScoresTheSame) {
  ForManySets([&](const TaskRequirements& needs, const DeviceNeed& need, Slot slot) {
    if (!of_devices_->Skips(needs)) return;
    for (const int32_t score : ScoreSets(needs, need, *table_, slot)) ASSERT_EQ(score, 0);
  });
}

// ---- what depends on domains ----

class DomainConformanceTest : public PluginConformanceTest {
 protected:
  // What the plugin says of each node: -1 where its filter removes it, else its score.
  std::vector<int32_t> Answers(const TaskRequirements& needs, const NodeColumns& columns) const {
    std::vector<int32_t> answers =
        score_ == nullptr ? std::vector<int32_t>(columns.size(), 0) : ScoreAll(needs, columns);
    if (filter_ == nullptr) return answers;
    const NodeMask fits = FilterAll(needs, columns);
    for (Slot slot = 0; slot < columns.size(); ++slot) {
      if (columns.live().Test(slot) && !fits.Test(slot)) answers[slot] = -1;
    }
    return answers;
  }
  const DomainPlugin& domain() const { return dynamic_cast<const DomainPlugin&>(*plugin_); }
  std::vector<DomainKey> KeysOf(const TaskRequirements& needs) const {
    std::vector<DomainKey> keys;
    domain().AppendKeys(needs, keys);
    return keys;
  }
};

TEST_P(DomainConformanceTest, AnswersTheSameForNodesInTheSameDomains) {
  ForManyTasks([&](const TaskRequirements& needs) {
    const std::vector<int32_t> answers = Answers(needs, *table_);
    std::map<std::vector<int32_t>, int32_t> of_cell;
    table_->live().ForEach([&](Slot slot) {
      std::vector<int32_t> cell;
      for (const DomainKey& key : KeysOf(needs)) cell.push_back(table_->domains(key.key)[slot]);
      const auto [it, is_new] = of_cell.try_emplace(cell, answers[slot]);
      EXPECT_EQ(it->second, answers[slot]) << "slot " << slot;
    });
  });
}

TEST_P(DomainConformanceTest, RemovesNodesWithoutALabelThatItRequires) {
  ForManyTasks([&](const TaskRequirements& needs) {
    if (filter_ == nullptr || filter_->PassesAll(needs)) return;
    const NodeMask fits = FilterAll(needs, *table_);
    for (const DomainKey& key : KeysOf(needs)) {
      if (!key.required) continue;
      fits.ForEach([&](Slot slot) { EXPECT_NE(table_->domains(key.key)[slot], kNoDomain); });
    }
  });
}

TEST_P(DomainConformanceTest, WhatIsLocalDependsOnItsOwnDomainsAlone) {
  int64_t compared = 0;
  ForManyTasks([&](const TaskRequirements& needs) {
    if (!domain().IsLocal(needs)) return;
    state::NodeTable other(2);
    FillRandomly(rng_, static_cast<int>(table_->size()), other);
    CountRandomly(rng_, AddCounters(other, {"zone", "disk"}), other);
    SetSharedRandomly(rng_, other);
    TakeSharedRandomly(rng_, other);
    const MixedColumns elsewhere(*table_, other, kReadsTerms);
    const std::vector<int32_t> before = Answers(needs, *table_);
    const std::vector<int32_t> after = Answers(needs, elsewhere);
    table_->live().ForEach([&](Slot slot) {
      const bool same = std::all_of(counters_.begin(), counters_.end(), [&](const auto& counter) {
        const int32_t at = table_->domains(counter.first)[slot];
        return at == kNoDomain || table_->counts(counter.second)[static_cast<size_t>(at)] ==
                                      elsewhere.counts(counter.second)[static_cast<size_t>(at)];
      });
      if (!same) return;
      EXPECT_EQ(before[slot], after[slot]) << "slot " << slot;
      ++compared;
    });
  });
  // Of those that never are, there is nothing to compare.
  TaskRequirements away;
  away.terms = {
      {.kind = TermKind::kAntiAffinity, .key = counters_[0].first, .counter = counters_[0].second}};
  if (domain().IsLocal(away)) {
    EXPECT_GT(compared, 0);
  }
}

// ---- reserves ----

class ReserveConformanceTest : public PluginConformanceTest {
 protected:
  Reservation Reserve(const TaskRequirements& needs, const NodeColumns& columns, Slot slot,
                      TaskKey key = kKey) const {
    Reservation reservation;
    const absl::Status status = reserve_->Reserve({needs, key}, columns, slot, reservation);
    EXPECT_TRUE(status.ok()) << status;
    return reservation;
  }

  // Calls check(needs, slot) for nodes that pass the plugin's own filter.
  template <typename F>
  void ForManyPlacements(F&& check) {
    ForManyTasks([&](const TaskRequirements& needs) {
      const NodeMask fits = filter_ == nullptr ? table_->live() : FilterAll(needs, *table_);
      for (Slot slot : SlotsOf(fits)) {
        check(needs, slot);
        if (HasFatalFailure()) return;
      }
    });
  }
};

TEST_P(ReserveConformanceTest, AnswersTheSameTwiceAndForEqualTasks) {
  ForManyPlacements([&](const TaskRequirements& needs, Slot slot) {
    const Reservation first = Reserve(needs, *table_, slot);
    ASSERT_EQ(Reserve(needs, *table_, slot), first);
    ASSERT_EQ(Reserve(needs, *table_, slot, kOtherKey), first);
  });
}

TEST_P(ReserveConformanceTest, GivesNoPartOfADeviceAwayTwice) {
  ForManyPlacements([&](const TaskRequirements& needs, Slot slot) {
    const Reservation reservation = Reserve(needs, *table_, slot);
    table_->Allocate(slot, needs, reservation);
    for (const DeviceGrant& grant : reservation.devices) {
      ASSERT_LT(grant.device, table_->devices(slot).size());
      const DeviceRow& row = table_->devices(slot)[grant.device];
      ASSERT_GE(grant.share_milli, 1);
      ASSERT_TRUE(row.healthy);
      ASSERT_LE(row.allocated_milli, 1000);
      ASSERT_LE(row.allocated_memory_mib, row.memory_mib);
    }
    table_->Release(slot, needs, reservation);
  });
}

TEST_P(ReserveConformanceTest, AddsToWhatIsReservedAlready) {
  ForManyPlacements([&](const TaskRequirements& needs, Slot slot) {
    Reservation reservation;
    reservation.devices.push_back({63, 1, 2});
    ASSERT_TRUE(reserve_->Reserve({needs, kKey}, *table_, slot, reservation).ok());
    ASSERT_EQ(reservation.devices.front(), (DeviceGrant{63, 1, 2}));
    reservation.devices.erase(reservation.devices.begin());
    ASSERT_EQ(reservation, Reserve(needs, *table_, slot));
  });
}

// ---- queue orders ----

class QueueSortConformanceTest : public PluginConformanceTest {};

TEST_P(QueueSortConformanceTest, AnswersTheSameTwice) {
  Draw(0);
  const auto* sort = dynamic_cast<const QueueSortPlugin*>(plugin_.get());
  for (int i = 0; i < 1000; ++i) {
    const QueuedGroup group{.job = JobId{rng_.Uniform(100)},
                            .group = static_cast<uint32_t>(rng_.Uniform(3)),
                            .priority = Between(rng_, -1000, 1000),
                            .queued_at_ms = static_cast<int64_t>(rng_.Uniform(1'000'000))};
    ASSERT_EQ(sort->Key(group), sort->Key(group));
  }
}

// ---- who is under which contract ----

template <typename Point>
std::vector<Variant> VariantsWith() {
  std::vector<Variant> with;
  state::Names names;
  pipeline::TableContext context(names);
  for (const Variant& variant : AllVariants()) {
    const auto made = MakeVariant(variant, context);
    if (made.ok() && dynamic_cast<const Point*>(made->get()) != nullptr) with.push_back(variant);
  }
  return with;
}

std::string NameOf(const ::testing::TestParamInfo<Variant>& info) {
  return info.param.plugin + info.param.label;
}

INSTANTIATE_TEST_SUITE_P(Registered, PluginConformanceTest, ::testing::ValuesIn(AllVariants()),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Registered, FilterConformanceTest,
                         ::testing::ValuesIn(VariantsWith<FilterPlugin>()), NameOf);
INSTANTIATE_TEST_SUITE_P(Registered, ScoreConformanceTest,
                         ::testing::ValuesIn(VariantsWith<ScorePlugin>()), NameOf);
INSTANTIATE_TEST_SUITE_P(Registered, DeviceScoreConformanceTest,
                         ::testing::ValuesIn(VariantsWith<DeviceScorePlugin>()), NameOf);
INSTANTIATE_TEST_SUITE_P(Registered, DomainConformanceTest,
                         ::testing::ValuesIn(VariantsWith<DomainPlugin>()), NameOf);
INSTANTIATE_TEST_SUITE_P(Registered, ReserveConformanceTest,
                         ::testing::ValuesIn(VariantsWith<ReservePlugin>()), NameOf);
INSTANTIATE_TEST_SUITE_P(Registered, QueueSortConformanceTest,
                         ::testing::ValuesIn(VariantsWith<QueueSortPlugin>()), NameOf);

// As many nodes as the largest clusters have, and more than any block that a plugin works in.
TEST(ManyNodesConformanceTest, EveryFilterAndScoreAnswersForAListAsForTheRange) {
  constexpr int kNodes = 100'000;
  base::Rng rng(testing::TestSeed(5));
  state::NodeTable table(1);
  FillRandomly(rng, kNodes, table);
  const auto counters = AddCounters(table, {"zone", "disk"});
  CountRandomly(rng, counters, table);
  SetSharedRandomly(rng, table);
  TakeSharedRandomly(rng, table);
  state::RequirementsTable shapes;
  pipeline::TableContext context(table.names());
  std::vector<Slot> every(table.size());
  std::iota(every.begin(), every.end(), Slot{0});
  for (const Variant& variant : AllVariants()) {
    const auto plugin = MakeVariant(variant, context);
    ASSERT_TRUE(plugin.ok()) << plugin.status();
    const auto* filter = dynamic_cast<const FilterPlugin*>(plugin->get());
    const auto* score = dynamic_cast<const ScorePlugin*>(plugin->get());
    for (int i = 0; i < 3; ++i) {
      const auto shape = shapes.Acquire(RandomNeeds(rng), 0, table, /*intern_unknown=*/true);
      ASSERT_TRUE(shape.ok());
      TaskRequirements needs = shapes.Get(*shape);
      needs.terms.push_back(RandomTerm(rng, counters));
      needs.shared = RandomShared(rng, table);
      const TaskView task{needs, kKey};
      if (filter != nullptr) {
        NodeMask range = table.live(), list = table.live();
        SlotMask of_range(SlotSpan::All(table.size()), range.mutable_words());
        SlotMask of_list(SlotSpan::List(every), list.mutable_words());
        ASSERT_TRUE(filter->Filter(task, table, of_range).ok());
        ASSERT_TRUE(filter->Filter(task, table, of_list).ok());
        ASSERT_EQ(range, list) << variant.plugin;
      }
      if (score != nullptr) {
        std::vector<int32_t> range(table.size()), list(table.size());
        ASSERT_TRUE(score->Score(task, table, SlotSpan::All(table.size()), range).ok());
        ASSERT_TRUE(score->Score(task, table, SlotSpan::List(every), list).ok());
        ASSERT_EQ(range, list) << variant.plugin;
        const auto [least, most] = std::minmax_element(range.begin(), range.end());
        ASSERT_GE(*least, 0) << variant.plugin;
        ASSERT_LE(*most, kMaxScore) << variant.plugin;
      }
    }
  }
}

}  // namespace
}  // namespace berth
