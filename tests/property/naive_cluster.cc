#include "tests/property/naive_cluster.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "berth/resources.h"
#include "tests/support/naive_boxes.h"

namespace berth::testing {
namespace {

using Node = NaiveCluster::Node;

constexpr const char* kNames[kFirstExtended] = {"cpu", "memory", "storage", "bandwidth"};
constexpr int64_t kFull = 1 << 20;

std::map<std::string, int64_t> InWords(const state::Amounts& amounts) {
  std::map<std::string, int64_t> words;
  for (size_t i = 0; i < kFirstExtended; ++i) words[kNames[i]] = amounts.builtin[i];
  for (const auto& [name, amount] : amounts.extended) words[name] = amount;
  return words;
}

int64_t Get(const std::map<std::string, int64_t>& amounts, const std::string& name) {
  const auto it = amounts.find(name);
  return it == amounts.end() ? 0 : it->second;
}

std::optional<int64_t> AsInteger(const std::string& text) {
  size_t used = 0;
  try {
    const int64_t value = std::stoll(text, &used);
    if (used == text.size()) return value;
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

bool Holds(const state::LabelRequirementSpec& requirement, const Node& node) {
  const auto label = node.spec.labels.find(requirement.key);
  const bool there = label != node.spec.labels.end();
  const auto& values = requirement.values;
  const bool listed =
      there && std::find(values.begin(), values.end(), label->second) != values.end();
  const auto number = there ? AsInteger(label->second) : std::nullopt;
  switch (requirement.op) {
    case SelectorOp::kIn:
      return listed;
    case SelectorOp::kNotIn:
      return !listed;
    case SelectorOp::kExists:
      return there;
    case SelectorOp::kDoesNotExist:
      return !there;
    case SelectorOp::kGreater:
      return number && *number > requirement.bound;
    case SelectorOp::kLess:
      return number && *number < requirement.bound;
  }
  return false;
}

bool Holds(const state::LabelSelectorSpec& selector, const Node& node) {
  for (const auto& requirement : selector) {
    if (!Holds(requirement, node)) return false;
  }
  return true;
}

bool Tolerated(const state::TaintSpec& taint, const state::NeedsSpec& needs) {
  for (const auto& toleration : needs.tolerations) {
    if (!toleration.key.empty() && toleration.key != taint.key) continue;
    if (!toleration.key.empty() && toleration.value && *toleration.value != taint.value) continue;
    if (toleration.effect && *toleration.effect != taint.effect) continue;
    return true;
  }
  return false;
}

bool CanGive(const Node& node, size_t position, const state::DeviceNeedSpec& need) {
  const state::DeviceSpec& device = node.spec.devices[position];
  const NaiveCluster::Device& use = node.devices[position];
  if (device.kind != need.kind || !device.healthy) return false;
  if (!need.models.empty() &&
      std::count(need.models.begin(), need.models.end(), device.model) == 0) {
    return false;
  }
  if (need.share_milli == 1000) return use.milli == 0 && device.memory_mib >= need.memory_mib;
  return 1000 - use.milli >= need.share_milli &&
         device.memory_mib - use.memory_mib >= need.memory_mib;
}

bool CanGiveBox(const Node& node, const state::DeviceNeedSpec& need) {
  for (const std::set<size_t>& box : AllBoxes(node.spec, need.kind, need.box)) {
    if (std::all_of(box.begin(), box.end(), [&](size_t i) { return CanGive(node, i, need); })) {
      return true;
    }
  }
  return false;
}

bool Fits(const Node& node, const state::NeedsSpec& needs) {
  if (!node.ready || node.cordoned) return false;
  for (const auto& taint : node.spec.taints) {
    if (taint.effect != TaintEffect::kPreferNoSchedule && !Tolerated(taint, needs)) return false;
  }
  for (const auto& [key, value] : needs.node_selector) {
    if (!Holds({SelectorOp::kIn, key, {value}, 0}, node)) return false;
  }
  bool any = needs.required_nodes.empty();
  for (const auto& selector : needs.required_nodes) any = any || Holds(selector, node);
  if (!any) return false;
  const auto capacity = InWords(node.spec.capacity);
  for (const auto& [name, amount] : InWords(needs.requests)) {
    if (amount > 0 && Get(capacity, name) - Get(node.used, name) < amount) return false;
  }
  for (const auto& need : needs.devices) {
    int count = 0;
    for (size_t i = 0; i < node.spec.devices.size(); ++i) count += CanGive(node, i, need);
    if (count < need.count) return false;
    if (!need.box.empty() && !CanGiveBox(node, need)) return false;
  }
  return true;
}

int64_t FitScore(const Node& node, const state::NeedsSpec& needs) {
  if (needs.devices.empty()) {
    const auto capacity = InWords(node.spec.capacity);
    const auto asked = InWords(needs.requests);
    int64_t score = 0;
    for (const char* name : {"cpu", "memory"}) {
      const int64_t all = Get(capacity, name);
      score += kFull - std::min(Get(node.used, name) + Get(asked, name), all) * kFull / all;
    }
    // What goes with idle devices is for those who want them.
    int64_t free = 0, healthy = 0;
    for (size_t i = 0; i < node.spec.devices.size(); ++i) {
      if (!node.spec.devices[i].healthy) continue;
      free += 1000 - node.devices[i].milli;
      healthy += 1000;
    }
    return std::max<int64_t>(0, score / 2 - (healthy == 0 ? 0 : free * kFull / healthy));
  }
  int64_t used = 0, total = 0;
  for (const auto& need : needs.devices) {
    used += int64_t{need.count} * need.share_milli;
    for (size_t i = 0; i < node.spec.devices.size(); ++i) {
      if (node.spec.devices[i].kind != need.kind || !node.spec.devices[i].healthy) continue;
      used += node.devices[i].milli;
      total += 1000;
    }
  }
  return std::min(used, total) * kFull / total;
}

int64_t BalanceScore(const Node& node, const state::NeedsSpec& needs) {
  const auto capacity = InWords(node.spec.capacity);
  const auto asked = InWords(needs.requests);
  const auto part = [&](const char* name) {
    const int64_t all = Get(capacity, name);
    return std::min(Get(node.used, name) + Get(asked, name), all) * kFull / all;
  };
  return kFull - std::abs(part("cpu") - part("memory"));
}

// The mix that FragmentationGradient has without arguments: cores, devices, share, in thousandths
// of all tasks.
struct MixedTask {
  int64_t cpu, devices, share, weight;
};
constexpr MixedTask kMix[] = {
    {0, 0, 1000, 135},    {4000, 1, 230, 30},    {4000, 1, 320, 40},   {8000, 1, 470, 60},
    {12000, 1, 470, 60},  {12000, 1, 650, 30},   {4000, 1, 810, 130},  {4000, 1, 1000, 75},
    {8000, 1, 1000, 25},  {12000, 1, 1000, 265}, {16000, 1, 1000, 60}, {24000, 1, 1000, 40},
    {24000, 2, 1000, 20}, {48000, 4, 1000, 10},  {88000, 8, 1000, 20},
};

// What is useless of a node's GPUs to the tasks of the mix: in thousandths of one, by so many free
// milli-cores and with so much free on each GPU.
double Fragmentation(int64_t cpu, const std::vector<int64_t>& free) {
  double sum = 0;
  for (const MixedTask& task : kMix) {
    int64_t with_room = 0, useless = 0, all = 0;
    for (const int64_t milli : free) {
      all += milli;
      with_room += milli >= task.share;
      if (milli < task.share) useless += milli;
    }
    if (task.devices == 0 || cpu < task.cpu || with_room < task.devices) useless = all;
    sum += static_cast<double>(task.weight * useless);
  }
  return sum / 1000;
}

// By a line between the two multiples of 1/64 of a GPU that the gain lies between.
int64_t GradientScore(const Node& node, const state::NeedsSpec& needs,
                      const state::DeviceNeedSpec& need, const std::set<size_t>& given) {
  std::vector<int64_t> before, after;
  for (size_t i = 0; i < node.spec.devices.size(); ++i) {
    if (node.spec.devices[i].kind != "gpu" || !node.spec.devices[i].healthy) continue;
    before.push_back(1000 - node.devices[i].milli);
    after.push_back(before.back() - (given.contains(i) ? need.share_milli : 0));
  }
  const int64_t cpu = Get(InWords(node.spec.capacity), "cpu") -
                      (node.used.contains("cpu") ? node.used.at("cpu") : 0);
  const double gain =
      Fragmentation(cpu, before) - Fragmentation(cpu - needs.requests.builtin[kCpu], after);
  const auto sigmoid = [](double x) { return kFull / (1 + std::exp(-x)); };
  const double below = std::floor(gain * 64 / 1000) / 64;
  const double low = sigmoid(below), high = sigmoid(below + 1.0 / 64);
  return static_cast<int64_t>(low + (high - low) * (gain / 1000 - below) * 64);
}

// Ways to give a task its GPUs: each one for a share, and of whole ones, which all are worth the
// same to a mix that names no models, the first.
std::vector<std::set<size_t>> WaysToGive(const Node& node, const state::DeviceNeedSpec& need) {
  std::vector<std::set<size_t>> ways;
  std::set<size_t> whole;
  for (size_t i = 0; i < node.spec.devices.size(); ++i) {
    if (!CanGive(node, i, need)) continue;
    if (need.share_milli < 1000) {
      ways.push_back({i});
    } else if (whole.size() < static_cast<size_t>(need.count)) {
      whole.insert(i);
    }
  }
  if (need.share_milli == 1000) ways.push_back(whole);
  return ways;
}

int64_t FragmentationScore(const Node& node, const state::NeedsSpec& needs) {
  int64_t sum = 0;
  for (const auto& need : needs.devices) {
    int64_t best = 0;
    for (const std::set<size_t>& way : WaysToGive(node, need)) {
      if (need.kind == "gpu") best = std::max(best, GradientScore(node, needs, need, way));
    }
    sum += best;
  }
  return needs.devices.empty() ? 0 : sum / static_cast<int64_t>(needs.devices.size());
}

int64_t AffinityScore(const Node& node, const state::NeedsSpec& needs) {
  int64_t total = 0;
  for (const auto& preferred : needs.preferred_nodes) total += preferred.weight;
  int64_t score = 0, before = 0;
  for (const auto& preferred : needs.preferred_nodes) {
    const int64_t after = before + preferred.weight;
    if (Holds(preferred.selector, node)) score += kFull * after / total - kFull * before / total;
    before = after;
  }
  return score;
}

int64_t TaintScore(const Node& node, const state::NeedsSpec& needs) {
  int64_t score = kFull;
  for (const auto& taint : node.spec.taints) {
    if (taint.effect == TaintEffect::kPreferNoSchedule && !Tolerated(taint, needs)) score /= 4;
  }
  return score;
}

}  // namespace

std::vector<NaiveCluster::Candidate> NaiveCluster::Rank(const state::NeedsSpec& needs) const {
  std::vector<Candidate> candidates;
  for (const auto& [name, node] : nodes) {
    if (!Fits(node, needs)) continue;
    Candidate candidate{name, node.rank, {}, 0};
    candidate.scores = {FitScore(node, needs),
                        BalanceScore(node, needs),
                        FragmentationScore(node, needs),
                        AffinityScore(node, needs),
                        TaintScore(node, needs),
                        0,
                        0,
                        node.usage < 0 ? kFull / 2 : kFull - kFull * node.usage / 16};
    const Scores& s = candidate.scores;
    candidate.total = 2 * s[0] + s[1] + 2 * s[2] + 2 * s[3] + 3 * s[4] + s[7];
    candidates.push_back(std::move(candidate));
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.total != b.total ? a.total > b.total : a.rank < b.rank;
  });
  return candidates;
}

void NaiveCluster::Book(const std::string& name, const state::NeedsSpec& needs,
                        const Reservation& reservation, int sign) {
  Node& node = nodes.at(name);
  for (const auto& [resource, amount] : InWords(needs.requests)) {
    node.used[resource] += sign * amount;
  }
  for (const DeviceGrant& grant : reservation.devices) {
    node.devices.at(grant.device).milli += sign * grant.share_milli;
    node.devices.at(grant.device).memory_mib += sign * grant.memory_mib;
  }
}

bool NaiveCluster::MayGrant(const std::string& name, const state::NeedsSpec& needs,
                            const Reservation& reservation) const {
  const Node& node = nodes.at(name);
  std::set<uint16_t> given;
  size_t next = 0;
  for (const auto& need : needs.devices) {
    const bool share = need.share_milli < 1000;
    std::set<size_t> box;
    for (int i = 0; i < need.count; ++i, ++next) {
      if (next == reservation.devices.size()) return false;
      const DeviceGrant& grant = reservation.devices[next];
      if (grant.device >= node.devices.size() || !given.insert(grant.device).second) return false;
      if (!CanGive(node, grant.device, need)) return false;
      box.insert(grant.device);
      if (grant.share_milli != need.share_milli) return false;
      if (grant.memory_mib != (share ? need.memory_mib : 0)) return false;
      // The best for the tasks that are to come, and of those that are as good the fullest.
      const auto worth = [&](size_t device) {
        const int64_t score = need.kind == "gpu" ? GradientScore(node, needs, need, {device}) : 0;
        return std::make_pair(score, node.devices[device].milli);
      };
      for (size_t other = 0; share && other < node.devices.size(); ++other) {
        if (CanGive(node, other, need) && worth(other) > worth(grant.device)) return false;
      }
    }
    if (!need.box.empty() && !AllBoxes(node.spec, need.kind, need.box).contains(box)) return false;
  }
  return next == reservation.devices.size();
}

}  // namespace berth::testing
