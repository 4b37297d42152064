// One plugin of scope kDomain on nodes in zones, with tasks counted in them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/plugin_probe.h"

namespace berth::testing {

// Nodes a1 and a2 in zone a, b1 in zone b, c1 in zone c, and bare without a zone.
class DomainRules {
 public:
  explicit DomainRules(std::string_view plugin) : probe(plugin) {
    for (const char* name : {"a1", "a2", "b1", "c1"}) {
      probe.cluster.Add(NodeBuilder(name).Label("zone", std::string(1, name[0])));
    }
    probe.cluster.Add(NodeBuilder("bare"));
    zone = table().InternKey("zone");
    counter = table().AddCounter(zone);
  }

  // So many tasks that the rule is about, on a node.
  void Run(std::string_view node, int count) {
    TaskRequirements task;
    task.counted_in = {counter};
    for (int i = 0; i < count; ++i) table().Allocate(probe.cluster.At(node), task, {});
  }

  TermUse Rule(TermKind kind, int32_t weight = 0) const {
    TermUse term;
    term.kind = kind;
    term.key = zone;
    term.counter = counter;
    term.weight = weight;
    term.counts_itself = true;
    return term;
  }

  std::vector<std::string> Passing(const TaskRequirements& needs,
                                   const EligibleDomains* eligible = nullptr) {
    NodeMask nodes = table().live();
    SlotMask mask(SlotSpan::All(nodes.size()), nodes.mutable_words());
    const absl::Status status =
        probe.As<FilterPlugin>().Filter({needs, {}, eligible}, table(), mask);
    BERTH_CHECK(status.ok()) << base::S(status.message());
    return probe.cluster.NamesOf(nodes);
  }
  std::map<std::string, int32_t> Scores(const TaskRequirements& needs) {
    std::vector<int32_t> scores(table().size());
    const absl::Status status =
        probe.As<ScorePlugin>().Score({needs, {}}, table(), SlotSpan::All(scores.size()), scores);
    BERTH_CHECK(status.ok()) << base::S(status.message());
    std::map<std::string, int32_t> by_name;
    for (Slot slot = 0; slot < scores.size(); ++slot) {
      by_name[probe.cluster.NameOf(slot)] = scores[slot];
    }
    return by_name;
  }
  std::vector<SeenRejection> Rejections(const TaskRequirements& needs) {
    RecordingSink sink(probe.cluster);
    probe.As<FilterPlugin>().Diagnose({needs, {}}, table(), table().live(), sink);
    return sink.seen;
  }

  state::NodeTable& table() { return probe.cluster.table(); }

  PluginProbe probe;
  KeyId zone;
  CounterId counter;
};

}  // namespace berth::testing
