#include "tests/support/random_cluster.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "state/requirements_table.h"

namespace berth::testing {
namespace {

const std::vector<std::string> kZones = {"a", "b", "c", "d"};
const std::vector<std::string> kDisks = {"hdd", "nvme"};
const std::vector<std::string> kCores = {"-4", "0", "8", "16", "64", "many", "016"};
const std::vector<std::string> kTeams = {"x", "y"};
const std::vector<std::string> kModels = {"A100", "H100", "T4"};
constexpr TaintEffect kEffects[] = {TaintEffect::kNoSchedule, TaintEffect::kPreferNoSchedule,
                                    TaintEffect::kNoExecute};

const std::string& OneOf(base::Rng& rng, const std::vector<std::string>& values) {
  return values[rng.Uniform(values.size())];
}

// Side by side in a torus or a mesh, from some place on; what it is too small for is in none.
void PlaceInTorus(base::Rng& rng, state::NodeSpec& node) {
  TorusPlace torus;
  torus.extent = {static_cast<uint8_t>(Between(rng, 1, 4)),
                  static_cast<uint8_t>(Between(rng, 1, 3)),
                  static_cast<uint8_t>(Between(rng, 1, 2))};
  torus.wraps = static_cast<uint8_t>(Between(rng, 0, 7));
  const size_t places = size_t{torus.extent[0]} * torus.extent[1] * torus.extent[2];
  const size_t first = rng.Uniform(places);
  for (size_t i = 0; i < node.devices.size() && i < places; ++i) {
    const size_t place = (first + i) % places;
    torus.at = {static_cast<uint8_t>(place % torus.extent[0]),
                static_cast<uint8_t>(place / torus.extent[0] % torus.extent[1]),
                static_cast<uint8_t>(place / torus.extent[0] / torus.extent[1])};
    node.devices[i].torus = torus;
  }
}

void AddDevices(base::Rng& rng, state::NodeSpec& node) {
  const int count = 1 << rng.Uniform(4);
  const size_t island = size_t{1} << rng.Uniform(4);
  const bool mixed = Chance(rng, 20);
  std::string model = OneOf(rng, kModels);
  for (int i = 0; i < count; ++i) {
    state::DeviceSpec device;
    device.id = "d" + std::to_string(i);
    device.kind = Chance(rng, 10) ? "tpu" : "gpu";
    if (mixed) model = OneOf(rng, kModels);
    device.model = model;
    device.memory_mib = 1024 * Between(rng, 1, 4) * 10;
    device.numa_node = static_cast<int16_t>(Chance(rng, 20) ? -1 : i * 2 / count);
    device.healthy = !Chance(rng, 5);
    node.devices.push_back(std::move(device));
  }
  for (size_t i = 0; i < node.devices.size(); ++i) {
    for (size_t j = 0; j < node.devices.size(); ++j) {
      if (i != j && i / island == j / island) {
        node.devices[i].fast_peers.push_back(node.devices[j].id);
      }
    }
  }
  if (Chance(rng, 50)) PlaceInTorus(rng, node);
}

state::LabelRequirementSpec RandomRequirement(base::Rng& rng) {
  state::LabelRequirementSpec requirement;
  requirement.op = static_cast<SelectorOp>(rng.Uniform(6));
  switch (requirement.op) {
    case SelectorOp::kIn:
    case SelectorOp::kNotIn:
      requirement.key = "zone";
      for (const std::string& zone : kZones) {
        if (Chance(rng, 50)) requirement.values.push_back(zone);
      }
      if (requirement.values.empty()) requirement.values.push_back("nowhere");
      break;
    case SelectorOp::kExists:
    case SelectorOp::kDoesNotExist:
      requirement.key = Chance(rng, 80) ? "disk" : "unheard-of";
      break;
    case SelectorOp::kGreater:
    case SelectorOp::kLess:
      requirement.key = "cores";
      requirement.bound = Between(rng, -5, 65);
      break;
  }
  return requirement;
}

state::LabelSelectorSpec RandomSelector(base::Rng& rng) {
  state::LabelSelectorSpec selector;
  for (int i = Between(rng, 0, 2); i > 0; --i) selector.push_back(RandomRequirement(rng));
  return selector;
}

// A part of every device that nobody else has, at random.
Reservation RandomGrants(base::Rng& rng, const state::NodeTable& table, Slot slot) {
  Reservation reservation;
  const auto devices = table.devices(slot);
  for (size_t i = 0; i < devices.size(); ++i) {
    if (Chance(rng, 50)) continue;
    const auto milli = static_cast<int16_t>(Chance(rng, 50) ? 1000 : Between(rng, 1, 999));
    const int32_t memory = milli == 1000 ? 0 : Between(rng, 0, devices[i].memory_mib);
    reservation.devices.push_back({static_cast<uint16_t>(i), milli, memory});
  }
  return reservation;
}

}  // namespace

uint64_t TestSeed(uint64_t fallback) {
  const char* given = std::getenv("BERTH_SEED");
  const uint64_t seed = given == nullptr ? fallback : std::strtoull(given, nullptr, 10);
  std::cout << "seed " << seed << " (repeat with BERTH_SEED=" << seed << ")" << std::endl;
  return seed;
}

bool Chance(base::Rng& rng, int percent) {
  return rng.Uniform(100) < static_cast<uint64_t>(percent);
}

int32_t Between(base::Rng& rng, int32_t least, int32_t most) {
  return least + static_cast<int32_t>(rng.Uniform(static_cast<uint64_t>(most - least + 1)));
}

state::NodeSpec RandomNode(base::Rng& rng, std::string name) {
  state::NodeSpec node;
  node.name = std::move(name);
  node.capacity.builtin[kCpu] = 1000 * Between(rng, 1, 64);
  node.capacity.builtin[kMemory] = 1024 * Between(rng, 1, 256) - Between(rng, 0, 1000);
  if (Chance(rng, 70)) node.capacity.builtin[kStorage] = Between(rng, 1, 1 << 20);
  if (Chance(rng, 70)) node.capacity.builtin[kBandwidth] = Between(rng, 1, 100'000);
  if (Chance(rng, 30)) node.capacity.extended.emplace_back("fpga_slots", Between(rng, 1, 8));
  if (Chance(rng, 80)) node.labels["zone"] = OneOf(rng, kZones);
  if (Chance(rng, 50)) node.labels["disk"] = OneOf(rng, kDisks);
  if (Chance(rng, 60)) node.labels["cores"] = OneOf(rng, kCores);
  if (Chance(rng, 20)) node.taints.push_back({"gpu", "true", kEffects[rng.Uniform(3)]});
  if (Chance(rng, 20))
    node.taints.push_back({"team", OneOf(rng, kTeams), kEffects[rng.Uniform(3)]});
  if (Chance(rng, 20)) node.taints.push_back({"slow", "", TaintEffect::kPreferNoSchedule});
  if (Chance(rng, 40)) AddDevices(rng, node);
  return node;
}

state::NeedsSpec RandomNeeds(base::Rng& rng) {
  state::NeedsSpec needs;
  if (Chance(rng, 90))
    needs.requests.builtin[kCpu] = 250 * Between(rng, 1, Chance(rng, 90) ? 32 : 300);
  if (Chance(rng, 90))
    needs.requests.builtin[kMemory] = Between(rng, 1, Chance(rng, 90) ? 16'384 : 300'000);
  if (Chance(rng, 15)) needs.requests.builtin[kStorage] = Between(rng, 1, 1 << 19);
  if (Chance(rng, 15)) needs.requests.builtin[kBandwidth] = Between(rng, 1, 50'000);
  if (Chance(rng, 10)) needs.requests.extended.emplace_back("fpga_slots", Between(rng, 1, 4));
  if (Chance(rng, 30)) {
    state::DeviceNeedSpec need;
    need.kind = "gpu";
    if (Chance(rng, 50)) {
      need.share_milli = Between(rng, 1, 999);
    } else if (Chance(rng, 60)) {
      need.count = Between(rng, 1, 5);
    } else {
      need.box = {Between(rng, 1, 3)};
      if (Chance(rng, 70)) need.box.push_back(Between(rng, 1, 2));
      if (Chance(rng, 30)) need.box.push_back(Between(rng, 1, 2));
      for (const int32_t extent : need.box) need.count *= extent;
    }
    if (Chance(rng, 40)) need.memory_mib = 1024 * Between(rng, 1, 41);
    for (const std::string& model : kModels) {
      if (Chance(rng, 20)) need.models.push_back(model);
    }
    needs.devices.push_back(std::move(need));
    if (Chance(rng, 10)) needs.devices.push_back({"tpu", 1, 1000, 0, {}, {}});
  }
  if (Chance(rng, 10)) needs.node_selector["zone"] = OneOf(rng, kZones);
  if (Chance(rng, 10)) needs.node_selector["disk"] = OneOf(rng, kDisks);
  if (Chance(rng, 15)) {
    for (int i = Between(rng, 1, 2); i > 0; --i)
      needs.required_nodes.push_back(RandomSelector(rng));
  }
  if (Chance(rng, 25)) {
    for (int i = Between(rng, 1, 3); i > 0; --i) {
      needs.preferred_nodes.push_back({Between(rng, 1, 100), RandomSelector(rng)});
    }
  }
  if (Chance(rng, 40)) needs.tolerations.push_back({"gpu", std::nullopt, std::nullopt});
  if (Chance(rng, 30)) needs.tolerations.push_back({"team", OneOf(rng, kTeams), std::nullopt});
  if (Chance(rng, 15)) needs.tolerations.push_back({"", std::nullopt, kEffects[rng.Uniform(3)]});
  return needs;
}

std::vector<KeyedCounter> AddCounters(state::NodeTable& table,
                                      const std::vector<std::string>& keys) {
  std::vector<KeyedCounter> counters;
  for (const std::string& name : keys) {
    const KeyId key = table.InternKey(name);
    for (int i = 0; i < 2; ++i) counters.emplace_back(key, table.AddCounter(key));
  }
  return counters;
}

void CountRandomly(base::Rng& rng, const std::vector<KeyedCounter>& counters,
                   state::NodeTable& table) {
  std::vector<Slot> nodes;
  table.live().ForEach([&](Slot slot) { nodes.push_back(slot); });
  if (nodes.empty()) return;
  for (const auto& [key, counter] : counters) {
    TaskRequirements counted;
    counted.counted_in = {counter};
    for (int i = Between(rng, 0, 12); i > 0; --i) {
      table.Allocate(nodes[rng.Uniform(nodes.size())], counted, {});
    }
  }
}

TermUse RandomTerm(base::Rng& rng, const std::vector<KeyedCounter>& counters) {
  TermUse term;
  term.kind = static_cast<TermKind>(rng.Uniform(3));
  const auto& [key, counter] = counters[rng.Uniform(counters.size())];
  term.key = key;
  term.counter = counter;
  term.weight = Chance(rng, 50) ? 0 : Between(rng, 1, 100);
  term.max_skew = Between(rng, 1, 3);
  term.counts_itself = Chance(rng, 70);
  return term;
}

TermUse RandomNearTerm(base::Rng& rng, const std::vector<KeyedCounter>& counters) {
  TermUse term = RandomTerm(rng, counters);
  term.kind = Chance(rng, 50) ? TermKind::kNearTasks : TermKind::kNearData;
  term.weight = Between(rng, 1, 100);
  return term;
}

void MeasureRandomly(base::Rng& rng, state::NodeTable& table) {
  std::vector<Slot> nodes;
  table.live().ForEach([&](Slot slot) { nodes.push_back(slot); });
  if (nodes.empty()) return;
  for (int i = Between(rng, 0, 30); i > 0; --i) {
    table.latencies().Set(nodes[rng.Uniform(nodes.size())], nodes[rng.Uniform(nodes.size())],
                          Chance(rng, 10) ? 0 : int64_t{1} << Between(rng, 4, 16));
  }
  table.latencies().Recount(table.topology(), nodes.size());
}

void SetSharedRandomly(base::Rng& rng, state::NodeTable& table) {
  const state::SharedResourceSpec specs[] = {
      {.name = "licence", .topology_key = "", .capacity = Between(rng, 0, 8)},
      {.name = "uplink", .topology_key = "zone", .capacity = Between(rng, 0, 8)}};
  table.SetSharedResources(specs);
}

void TakeSharedRandomly(base::Rng& rng, state::NodeTable& table) {
  std::vector<Slot> nodes;
  table.live().ForEach([&](Slot slot) { nodes.push_back(slot); });
  if (nodes.empty()) return;
  for (int i = Between(rng, 0, 6); i > 0; --i) {
    TaskRequirements holder;
    holder.shared = RandomShared(rng, table);
    table.Allocate(nodes[rng.Uniform(nodes.size())], holder, {});
  }
}

std::vector<SharedUse> RandomShared(base::Rng& rng, const state::NodeTable& table) {
  const auto shared = table.shared_resources();
  const auto first = static_cast<uint32_t>(rng.Uniform(shared.size()));
  std::vector<SharedUse> uses;
  for (uint32_t i = first; i < shared.size(); ++i) {
    uses.push_back({i, shared[i].key, shared[i].counter, Between(rng, 1, 3)});
  }
  return uses;
}

void InternEverything(state::NodeTable& table) {
  BERTH_CHECK(state::ResourceColumn(table.names(), "fpga_slots").ok());
  for (const std::string& zone : kZones) table.InternLabel("zone", zone);
  for (const std::string& disk : kDisks) table.InternLabel("disk", disk);
  for (const std::string& cores : kCores) table.InternLabel("cores", cores);
  for (TaintEffect effect : kEffects) {
    table.InternTaint({"gpu", "true", effect});
    for (const std::string& team : kTeams) table.InternTaint({"team", team, effect});
  }
  table.InternTaint({"slow", "", TaintEffect::kPreferNoSchedule});
  for (const char* kind : {"gpu", "tpu"}) table.names().kinds.Intern(kind);
  for (const std::string& model : kModels) table.names().models.Intern(model);
}

void FillRandomly(base::Rng& rng, int count, state::NodeTable& table) {
  InternEverything(table);
  for (int i = 0; i < count; ++i) {
    const auto slot = table.Put(RandomNode(rng, "n" + std::to_string(i)));
    BERTH_CHECK(slot.ok()) << base::S(slot.status().message());
    table.SetReady(*slot, !Chance(rng, 10));
    table.SetCordoned(*slot, Chance(rng, 10));
    table.SetUsage(*slot, Between(rng, -1, kUsageSteps));
  }
  state::RequirementsTable shapes;
  for (int i = 0; i < count; ++i) {
    const Slot slot = table.Find("n" + std::to_string(i));
    if (Chance(rng, 5)) {
      table.Remove(slot);
      continue;
    }
    state::NeedsSpec taken;
    for (ResourceIndex r = 0; r < kFirstExtended; ++r) {
      // At times all of it, at times more than there is, as after a node came back smaller.
      const int32_t capacity = table.capacity(r)[slot];
      taken.requests.builtin[r] = Chance(rng, 10)  ? capacity
                                  : Chance(rng, 2) ? capacity + 1
                                                   : Between(rng, 0, capacity);
    }
    // Whose devices they are; how much of them follows.
    if (!table.devices(slot).empty() && Chance(rng, 70)) {
      taken.devices.push_back({"gpu", 1, 1000, 0, {}});
      if (Chance(rng, 50)) {
        taken.devices.back().share_milli = 500;
      } else {
        taken.devices.back().count = Between(rng, 1, 4);
      }
    }
    const auto shape = shapes.Acquire(taken, 0, table, /*intern_unknown=*/true);
    BERTH_CHECK(shape.ok());
    table.Allocate(slot, shapes.Get(*shape), RandomGrants(rng, table, slot));
  }
}

}  // namespace berth::testing
