// What rules between tasks mean for each group is what their definition says, whatever came and
// went before, and also when the state is put together again from its records.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/sha256.h"
#include "state/cluster_state.h"
#include "tests/support/random_cluster.h"
#include "tests/support/recovered_state.h"

namespace berth::state {
namespace {

using berth::testing::Between;
using berth::testing::Chance;

#ifndef BERTH_TERM_WALKS
#define BERTH_TERM_WALKS 2000
#endif

const std::vector<std::string> kTopologyKeys = {"zone", "rack", "nowhere"};

std::string PickOne(base::Rng& rng, const std::vector<std::string>& from) {
  return from[static_cast<size_t>(Between(rng, 0, static_cast<int32_t>(from.size()) - 1))];
}

constexpr const char* kData[] = {"imagenet", "words"};

NodeSpec RandomPlace(base::Rng& rng, const std::string& name) {
  NodeSpec spec;
  spec.name = name;
  spec.capacity.builtin = {64'000, 65'536, 0, 0};
  if (Chance(rng, 80)) spec.labels["zone"] = PickOne(rng, {"a", "b", "c"});
  if (Chance(rng, 60)) spec.labels["rack"] = PickOne(rng, {"r1", "r2"});
  for (const char* data : kData) {
    if (Chance(rng, 40)) spec.data.emplace_back(data);
  }
  return spec;
}

LabelSelectorSpec RandomSelector(base::Rng& rng) {
  LabelSelectorSpec selector;
  for (int i = Between(rng, 1, 2); i > 0; --i) {
    LabelRequirementSpec one;
    one.op = static_cast<SelectorOp>(Between(rng, 0, 3));
    one.key = PickOne(rng, {"app", "tier"});
    if (one.op == SelectorOp::kIn || one.op == SelectorOp::kNotIn) {
      for (int v = Between(rng, 1, 2); v > 0; --v)
        one.values.push_back(PickOne(rng, {"x", "y", ""}));
    }
    selector.push_back(std::move(one));
  }
  return selector;
}

TermSpec RandomTermSpec(base::Rng& rng, const std::string& ns) {
  TermSpec term;
  term.kind = static_cast<TermKind>(Between(rng, 0, 4));
  term.topology_key = PickOne(rng, kTopologyKeys);
  if (term.kind == TermKind::kNearData) {
    term.data = PickOne(rng, {"imagenet", "words", "nowhere"});
  } else if (Chance(rng, 80)) {
    term.selector = RandomSelector(rng);
    term.namespaces = {Chance(rng, 70) ? ns : "red"};
    if (Chance(rng, 30)) term.namespaces.push_back("blue");
  }
  const bool is_near = term.kind == TermKind::kNearTasks || term.kind == TermKind::kNearData;
  if (is_near || Chance(rng, 50)) term.weight = Between(rng, 1, 3);
  if (term.kind == TermKind::kSpread) term.max_skew = Between(rng, 1, 3);
  return term;
}

std::shared_ptr<const JobSpec> RandomJob(base::Rng& rng) {
  auto spec = std::make_shared<JobSpec>();
  spec->ns = Chance(rng, 60) ? "red" : "blue";
  spec->blob = base::Sha256Of("b");
  if (Chance(rng, 60)) spec->labels["app"] = PickOne(rng, {"x", "y", ""});
  if (Chance(rng, 40)) spec->labels["tier"] = PickOne(rng, {"x", "y"});
  spec->groups.resize(static_cast<size_t>(Between(rng, 1, 2)));
  for (GroupSpec& group : spec->groups) {
    group.ranges = {{0, static_cast<uint32_t>(Between(rng, 0, 3)), 1}};
    group.needs.Edit().requests.builtin = {100, 64, 0, 0};
    for (int i = Between(rng, -2, 2); i > 0; --i) {
      group.needs.Edit().terms.push_back(RandomTermSpec(rng, spec->ns));
    }
  }
  return spec;
}

// ---- the definition ----

bool Holds(const LabelRequirementSpec& one, const JobSpec& job) {
  const auto it = job.labels.find(one.key);
  const std::set<std::string> values(one.values.begin(), one.values.end());
  if (one.op == SelectorOp::kIn) return it != job.labels.end() && values.contains(it->second);
  if (one.op == SelectorOp::kNotIn) return it == job.labels.end() || !values.contains(it->second);
  return (one.op == SelectorOp::kExists) == (it != job.labels.end());
}

struct Group {
  const JobRow* job = nullptr;
  uint32_t index = 0;
  const std::vector<TermSpec>& terms() const { return job->spec->groups[index].needs->terms; }
};

// Whether a rule of `owner` is about the tasks of `other`.
bool IsAbout(const TermSpec& term, const Group& owner, const Group& other) {
  if (term.kind == TermKind::kNearData) return false;
  if (term.selector.empty()) return owner.job == other.job && owner.index == other.index;
  const JobSpec& spec = *other.job->spec;
  return std::find(term.namespaces.begin(), term.namespaces.end(), spec.ns) !=
             term.namespaces.end() &&
         std::all_of(term.selector.begin(), term.selector.end(),
                     [&](const LabelRequirementSpec& one) { return Holds(one, spec); });
}

// Rules that read the same, in whatever order, are one.
std::string Spelling(const TermSpec& term) {
  std::set<std::string> namespaces(term.namespaces.begin(), term.namespaces.end());
  std::set<std::string> requirements;
  for (const LabelRequirementSpec& one : term.selector) {
    std::set<std::string> values(one.values.begin(), one.values.end());
    std::string text = one.key + "?" + std::to_string(static_cast<int>(one.op));
    for (const std::string& value : values) text += "|" + value;
    requirements.insert(text);
  }
  std::string text = std::to_string(static_cast<int>(term.kind)) + " " + term.topology_key + " " +
                     std::to_string(term.weight);
  for (const std::string& ns : namespaces) text += " " + ns;
  for (const std::string& requirement : requirements) text += " " + requirement;
  return text;
}

// ---- a walk ----

class TermsWalk {
 public:
  explicit TermsWalk(uint64_t seed)
      : rng_(seed), state_(std::make_unique<ClusterState>(ClusterMeta{.seed = seed}, 4)) {
    for (int i = 0; i < 6; ++i) Put("n" + std::to_string(i));
  }

  // What is wrong, and "" if nothing is.
  std::string Run() {
    for (int step = 0; step < 60; ++step) {
      const std::string done = Step();
      SyncTerms();
      if (std::string wrong = Check(); !wrong.empty()) {
        return "step " + std::to_string(step) + ", " + done + ": " + wrong;
      }
    }
    while (!Live().empty()) End(*state_->FindJob(Live().front().job->id));
    SyncTerms();
    for (const std::string& key : kTopologyKeys) {
      const uint32_t id = state_->nodes().names().keys.Find(key);
      if (id != Dictionary::kNone && state_->nodes().topology().Tracks(KeyId{id})) {
        return "a counter over " + key + " was left behind";
      }
    }
    return "";
  }

  std::map<std::string, int64_t> counts;

 private:
  void Put(const std::string& name) { *state_->PutNode(RandomPlace(rng_, name), 1); }

  std::vector<Group> Live() const {
    std::vector<Group> groups;
    for (const auto& [id, job] : state_->jobs()) {
      if (job->ended()) continue;
      for (uint32_t g = 0; g < job->groups.size(); ++g) groups.push_back({job.get(), g});
    }
    return groups;
  }

  std::string Step() {
    const int what = Between(rng_, 0, 99);
    const auto live = Live();
    if (what < 30 || live.empty()) return Submit();
    const Group& group =
        live[static_cast<size_t>(Between(rng_, 0, static_cast<int32_t>(live.size()) - 1))];
    JobRow& job = *state_->FindJob(group.job->id);
    if (what < 60) return Bind(job, group.index);
    if (what < 72) return Unbind(job, group.index);
    if (what < 84) return End(job);
    if (what < 95) {
      Put("n" + std::to_string(Between(rng_, 0, 5)));
      return "relabel";
    }
    return Reload();
  }

  std::string Submit() {
    auto spec = RandomJob(rng_);
    std::vector<ShapeId> shapes;
    for (const GroupSpec& group : spec->groups) {
      shapes.push_back(*state_->requirements().Acquire(*group.needs, 0, state_->nodes(), false));
    }
    const JobRow& job = state_->AddJob(std::move(spec), std::make_shared<const std::string>(),
                                       std::move(shapes), "uid:0", {}, 0, 0);
    state_->JoinTerms(job);
    return "submit";
  }

  std::string Bind(JobRow& job, uint32_t g) {
    GroupRow& group = job.groups[g];
    std::vector<uint32_t> waiting;
    for (uint32_t p = 0; p < group.count; ++p) {
      const TaskRow* row = state_->FindRow({job.id, g, p});
      if (row == nullptr || row->state == TaskState::kQueued) waiting.push_back(p);
    }
    if (waiting.empty()) return "nothing";
    const TaskKey key{
        job.id, g,
        waiting[static_cast<size_t>(Between(rng_, 0, static_cast<int32_t>(waiting.size()) - 1))]};
    state_->Materialise(job, g, key.position);
    TaskRow& row = state_->Row(key);
    row.slot = state_->nodes().Find("n" + std::to_string(Between(rng_, 0, 5)));
    row.slot_generation = state_->nodes().generation(row.slot);
    state_->Move(job, key, TaskState::kBound);
    state_->Hold(job, key);
    return "bind";
  }

  // Back to the queue, at times with more memory.
  std::string Unbind(JobRow& job, uint32_t g) {
    for (auto& [position, row] : job.groups[g].rows) {
      if (row.slot == kNoSlot) continue;
      const TaskKey key{job.id, g, position};
      state_->LetGo(job, key);
      if (Chance(rng_, 50)) {
        ++counts["grown"];
        if (!state_->SetMemory(job, key, Between(rng_, 65, 67))) return "grow: refused";
      }
      state_->Move(job, key, TaskState::kQueued);
      state_->SyncQueued(key);
      return "unbind";
    }
    return "nothing";
  }

  std::string End(JobRow& job) {
    for (uint32_t g = 0; g < job.groups.size(); ++g) {
      for (auto& [position, row] : job.groups[g].rows) {
        if (row.slot == kNoSlot) continue;
        state_->LetGo(job, {job.id, g, position});
        state_->Move(job, {job.id, g, position}, TaskState::kSucceeded);
      }
    }
    job.ended_at_ms = 1;
    state_->LeaveTerms(job);
    SyncTerms();
    if (Chance(rng_, 70)) state_->RemoveJob(job.id);
    return "end";
  }

  void SyncTerms() {
    for (const GroupKey& stale : state_->TakeStaleGroups()) {
      ++counts["reshaped"];
      state_->Reshape(*state_->FindJob(stale.job), stale.group);
    }
    state_->DropUnusedTerms();
  }

  // The state from its own records.
  std::string Reload() {
    ++counts["reload"];
    auto again = berth::testing::Recovered(*state_, /*restored=*/false);
    state_ = std::move(again);
    return "reload";
  }

  // Tasks by node, of the groups that are meant.
  template <typename IsMeant>
  std::map<Slot, int32_t> Placed(IsMeant is_meant) const {
    std::map<Slot, int32_t> placed;
    for (const Group& group : Live()) {
      if (!is_meant(group)) continue;
      for (const auto& [position, row] : group.job->groups[group.index].rows) {
        if (row.slot != kNoSlot) ++placed[row.slot];
      }
    }
    return placed;
  }

  // Nodes that have some data.
  std::map<Slot, int32_t> With(const std::string& data) const {
    std::map<Slot, int32_t> nodes;
    for (const auto& [name, slot] : state_->nodes().by_name()) {
      const auto& there = state_->nodes().spec(slot).data;
      if (std::find(there.begin(), there.end(), data) != there.end()) nodes[slot] = 1;
    }
    return nodes;
  }

  // "n0:2 n1:0 ...": for each node with the label, what is in its domain.
  std::string DomainsOf(const std::string& key, const std::map<Slot, int32_t>& placed) const {
    std::ostringstream text;
    for (const auto& [name, slot] : state_->nodes().by_name()) {
      const auto& labels = state_->nodes().spec(slot).labels;
      const auto label = labels.find(key);
      if (label == labels.end()) continue;
      int32_t count = 0;
      for (const auto& [other, tasks] : placed) {
        const auto& others = state_->nodes().spec(other).labels;
        const auto it = others.find(key);
        if (it != others.end() && it->second == label->second) count += tasks;
      }
      text << name << ":" << count << " ";
    }
    return text.str();
  }
  std::string CountedFor(const TermUse& term) const {
    std::ostringstream text;
    const NodeTable& table = state_->nodes();
    for (const auto& [name, slot] : table.by_name()) {
      const int32_t domain = table.domains(term.key)[slot];
      if (domain == kNoDomain) continue;
      text << name << ":" << table.counts(term.counter)[static_cast<size_t>(domain)] << " ";
    }
    return text.str();
  }

  std::string Check() {
    for (const Group& group : Live()) {
      const GroupRow& row = group.job->groups[group.index];
      std::vector<ShapeId> shapes = {row.shape};
      for (const auto& [shape, apart] : row.apart) shapes.push_back(shape);
      for (const ShapeId shape : shapes) {
        if (std::string wrong = CheckRules(group, state_->requirements().Get(shape));
            !wrong.empty()) {
          return "job " + std::to_string(group.job->id.value) + ", group " +
                 std::to_string(group.index) + ": " + wrong;
        }
      }
    }
    return "";
  }

  std::string CheckRules(const Group& group, const TaskRequirements& needs) {
    if (needs.terms.size() != group.terms().size()) return "rules are missing";
    for (size_t i = 0; i < needs.terms.size(); ++i) {
      const TermSpec& spec = group.terms()[i];
      const TermUse& use = needs.terms[i];
      if (use.kind != spec.kind || use.weight != spec.weight || use.max_skew != spec.max_skew ||
          state_->nodes().names().keys.Name(use.key.value) != spec.topology_key) {
        return "rule " + std::to_string(i) + " reads otherwise";
      }
      if (use.counts_itself != IsAbout(spec, group, group)) {
        return "rule " + std::to_string(i) + ": whether it is about itself";
      }
      ++counts[use.counts_itself ? "about itself" : "about others"];
      const std::string wanted =
          DomainsOf(spec.topology_key,
                    spec.kind == TermKind::kNearData
                        ? With(spec.data)
                        : Placed([&](const Group& other) { return IsAbout(spec, group, other); }));
      counts["about data"] += spec.kind == TermKind::kNearData;
      if (CountedFor(use) != wanted) {
        return "rule " + std::to_string(i) + " counts " + CountedFor(use) + "instead of " + wanted;
      }
    }
    // Of others: each distinct rule once, with where its owners are.
    std::map<std::string, std::pair<const TermSpec*, const Group*>> rules;
    const std::vector<Group> live = Live();
    for (const Group& owner : live) {
      for (const TermSpec& term : owner.terms()) {
        const bool both_ways = term.kind == TermKind::kAntiAffinity ||
                               (term.kind == TermKind::kAffinity && term.weight > 0);
        if (term.selector.empty() || !both_ways || !IsAbout(term, owner, group)) continue;
        rules.emplace(Spelling(term), std::make_pair(&term, &owner));
      }
    }
    std::multiset<std::string> wanted;
    for (const auto& [spelling, rule] : rules) {
      const TermSpec& term = *rule.first;
      const auto owns = [&, &text = spelling](const Group& other) {
        return std::any_of(other.terms().begin(), other.terms().end(), [&](const TermSpec& one) {
          return !one.selector.empty() && Spelling(one) == text;
        });
      };
      wanted.insert(std::to_string(static_cast<int>(term.kind)) + " " + term.topology_key + " " +
                    std::to_string(term.weight) + ": " +
                    DomainsOf(term.topology_key, Placed(owns)));
    }
    std::multiset<std::string> had;
    for (const TermUse& use : needs.others_terms) {
      had.insert(std::to_string(static_cast<int>(use.kind)) + " " +
                 state_->nodes().names().keys.Name(use.key.value) + " " +
                 std::to_string(use.weight) + ": " + CountedFor(use));
      ++counts["others' rules"];
    }
    if (had == wanted) return "";
    std::string text = "others' rules:";
    for (const std::string& one : had) text += "\n  " + one;
    text += "\ninstead of:";
    for (const std::string& one : wanted) text += "\n  " + one;
    return text;
  }

  base::Rng rng_;
  std::unique_ptr<ClusterState> state_;
};

TEST(TermsPropertyTest, EachGroupHasTheRulesThatTheDefinitionGivesIt) {
  const uint64_t first = berth::testing::TestSeed(1);
  std::map<std::string, int64_t> counts;
  for (uint64_t seed = first; seed < first + BERTH_TERM_WALKS; ++seed) {
    TermsWalk walk(seed);
    ASSERT_EQ(walk.Run(), "") << "on the walk with seed " << seed;
    for (const auto& [what, count] : walk.counts) counts[what] += count;
  }
  for (const char* what :
       {"about itself", "about others", "others' rules", "reshaped", "reload", "grown"}) {
    std::cout << "  " << what << ": " << counts[what] << std::endl;
    EXPECT_GT(counts[what], 0) << what << " never happened";
  }
}

}  // namespace
}  // namespace berth::state
