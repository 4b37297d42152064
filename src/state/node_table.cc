#include "state/node_table.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/planted_fault.h"
#include "state/rank.h"

namespace berth::state {
namespace {

constexpr std::string_view kBuiltinNames[kFirstExtended] = {"cpu", "memory", "storage",
                                                            "bandwidth"};

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string LabelName(std::string_view key, std::string_view value) {
  std::string name(key);
  name.push_back('\0');
  name.append(value);
  return name;
}

absl::StatusOr<ResourceIndex> ResourceColumn(Names& names, std::string_view name) {
  for (ResourceIndex i = 0; i < kFirstExtended; ++i) {
    if (name == kBuiltinNames[i]) return i;
  }
  if (const uint32_t known = names.extended.Find(name); known != Dictionary::kNone) {
    return kFirstExtended + known;
  }
  if (kFirstExtended + names.extended.size() >= kMaxResources) {
    return absl::ResourceExhaustedError("resource \"" + std::string(name) + "\": the cluster has " +
                                        std::to_string(kMaxResources - kFirstExtended) +
                                        " extended resources already, and cannot have more");
  }
  return kFirstExtended + names.extended.Intern(name);
}

std::string ResourceName(const Names& names, ResourceIndex resource) {
  if (resource < kFirstExtended) return std::string(kBuiltinNames[resource]);
  return names.extended.Name(resource - kFirstExtended);
}

// ---- changes ----

void NodeTable::Grow(size_t slots) {
  if (slots <= size()) return;
  // Doubling draws all ranks anew; otherwise only the new slots have none.
  Slot unranked = static_cast<Slot>(size());
  while (rank_capacity_ < slots) {
    rank_capacity_ *= 2;
    unranked = 0;
  }
  specs_.resize(slots);
  generations_.resize(slots, 0);
  task_counts_.resize(slots, 0);
  devices_.resize(slots);
  device_uses_.resize(slots);
  idle_devices_.resize(slots, 0);
  usage_.resize(slots, -1);
  for (auto& column : class_usage_) column.resize(slots, -1);
  for (auto* columns : {&class_cpu_, &class_tasks_}) {
    for (auto& column : *columns) column.resize(slots, 0);
  }
  missing_devices_.resize(slots);
  for (auto& column : capacity_) column.resize(slots, 0);
  for (auto& column : allocated_) column.resize(slots, 0);
  for (auto& column : inverse_capacity_) column.resize(slots, 0);
  ranks_.resize(slots);
  for (Slot slot = unranked; slot < slots; ++slot) {
    ranks_[slot] = RankOf(seed_, slot, rank_capacity_);
  }
  for (NodeMask* mask : {&live_, &ready_, &cordoned_, &empty_}) mask->Resize(slots);
  ChangePostings([slots](NodeMask& mask) { mask.Resize(slots); });
  topology_.Grow(slots);
  for (DirtyLog* log : {&changes_, &static_changes_, &usage_changes_, &improvements_})
    log->Reserve(slots);
}

void NodeTable::NoteStatic(Slot slot, bool may_hold_more) {
  changes_.Append(slot);
  static_changes_.Append(slot);
  if (may_hold_more) improvements_.Append(slot);
}

template <typename Change>
void NodeTable::ChangePostings(Change change) {
  for (auto& [id, label] : labels_) change(label.nodes);
  for (auto& [id, key] : keys_) change(key.nodes);
  for (auto& [id, nodes] : with_kind_) change(nodes);
  for (NodeMask& nodes : with_taint_) change(nodes);
}

absl::StatusOr<Slot> NodeTable::Put(const NodeSpec& spec) {
  for (const auto& [name, amount] : spec.capacity.extended) {
    if (auto column = ResourceColumn(names_, name); !column.ok()) return column.status();
  }
  Slot slot = Find(spec.name);
  const size_t held = slot == kNoSlot ? 0 : devices_[slot].size();
  if (spec.devices.size() + held > std::numeric_limits<uint16_t>::max()) {
    return absl::ResourceExhaustedError(
        "node \"" + spec.name + "\": " + std::to_string(spec.devices.size()) +
        " devices, and up to " + std::to_string(held) +
        " that tasks still hold, cannot be told apart; let those tasks end first");
  }
  if (slot == kNoSlot) {
    if (!free_slots_.empty()) {
      slot = free_slots_.back();
      free_slots_.pop_back();
    } else {
      slot = static_cast<Slot>(size());
      Grow(slot + 1);
    }
    ++generations_[slot];
    outside_scores_.Clear(slot);
    by_name_.emplace(spec.name, slot);
  } else {
    Undescribe(slot);
  }
  Describe(slot, spec);
  NoteStatic(slot, true);
  return slot;
}

absl::Status NodeTable::Restore(Slot slot, uint32_t generation, const NodeSpec& spec) {
  if (Find(spec.name) != kNoSlot || Holds(slot)) {
    return absl::DataLossError("node \"" + spec.name + "\": its slot " + std::to_string(slot) +
                               " or its name is there twice");
  }
  for (const auto& [name, amount] : spec.capacity.extended) {
    if (auto column = ResourceColumn(names_, name); !column.ok()) return column.status();
  }
  const size_t before = size();
  Grow(slot + 1);
  for (size_t i = before; i < slot; ++i) free_slots_.push_back(static_cast<Slot>(i));
  std::erase(free_slots_, slot);
  generations_[slot] = generation;
  by_name_.emplace(spec.name, slot);
  Describe(slot, spec);
  NoteStatic(slot, true);
  return absl::OkStatus();
}

void NodeTable::Describe(Slot slot, const NodeSpec& spec) {
  for (ResourceIndex i = 0; i < kFirstExtended; ++i) SetCapacity(slot, i, spec.capacity.builtin[i]);
  for (const auto& [name, amount] : spec.capacity.extended) {
    SetCapacity(slot, *ResourceColumn(names_, name), amount);
  }
  for (const auto& [key, value] : spec.labels) {
    LabelInfo& label = labels_.at(InternLabel(key, value).value);
    label.nodes.Set(slot);
    keys_.at(label.key.value).nodes.Set(slot);
    if (topology_.Tracks(label.key)) topology_.Move(slot, label.key, label.domain);
  }
  // Of keys whose label it had and has no more, it is in no domain.
  if (specs_[slot] != nullptr) {
    for (const auto& [key, value] : specs_[slot]->labels) {
      if (spec.labels.contains(key)) continue;
      const KeyId id = InternKey(key);
      if (topology_.Tracks(id)) topology_.Move(slot, id, kNoDomain);
    }
  }
  if (const uint32_t whole = names_.keys.Find(""); whole != Dictionary::kNone) {
    if (topology_.Tracks(KeyId{whole})) topology_.Move(slot, KeyId{whole}, kWholeCluster);
  }
  for (const TaintSpec& taint : spec.taints) with_taint_[InternTaint(taint).value].Set(slot);

  DescribeDevices(slot, spec);
  DescribeData(slot, spec);
  live_.Set(slot);
  specs_[slot] = std::make_shared<const NodeSpec>(spec);
}

// Devices keep what is allocated on them by id; the rest is new. REQUIRES: specs_[slot] is still
// the one that the rows are of.
void NodeTable::DescribeDevices(Slot slot, const NodeSpec& spec) {
  std::map<std::string, DeviceRow> before;
  for (size_t i = 0; i < devices_[slot].size(); ++i) {
    before.emplace(DeviceId(slot, i), devices_[slot][i]);
  }
  std::vector<DeviceRow> rows;
  for (const DeviceSpec& device : spec.devices) {
    DeviceRow row;
    if (const auto it = before.find(device.id); it != before.end()) {
      row = it->second;
      before.erase(it);
    }
    row.kind = KindId{names_.kinds.Intern(device.kind)};
    row.model = ModelId{names_.models.Intern(device.model)};
    row.memory_mib = device.memory_mib;
    row.numa_node = device.numa_node;
    row.healthy = device.healthy;
    row.torus = device.torus;
    if (BERTH_PLANTED(kWrapEverywhere)) row.torus.wraps = 7;
    row.fast_links = 0;
    for (size_t peer = 0; peer < spec.devices.size() && peer < 64; ++peer) {
      const auto& peers = device.fast_peers;
      if (std::find(peers.begin(), peers.end(), spec.devices[peer].id) != peers.end()) {
        row.fast_links |= uint64_t{1} << peer;
      }
    }
    with_kind_.try_emplace(row.kind.value, size()).first->second.Set(slot);
    rows.push_back(row);
  }
  missing_devices_[slot].clear();
  for (const auto& [id, row] : before) {
    if (row.allocated_milli == 0) continue;
    missing_devices_[slot].push_back(id);
    rows.push_back(row);
  }
  devices_[slot] = std::move(rows);
  CountIdle(slot);
}

// After the node is in its domains.
void NodeTable::DescribeData(Slot slot, const NodeSpec& spec) {
  for (const std::string& name : spec.data) {
    Data& data = data_[name];
    const auto at = std::lower_bound(data.nodes.begin(), data.nodes.end(), slot);
    if (at != data.nodes.end() && *at == slot) continue;
    data.nodes.insert(at, slot);
    for (const CounterId counter : data.counters) topology_.Count(slot, counter, 1);
  }
}

void NodeTable::UndescribeData(Slot slot) {
  for (const std::string& name : specs_[slot]->data) {
    const auto it = data_.find(name);
    if (it == data_.end() || std::erase(it->second.nodes, slot) == 0) continue;
    for (const CounterId counter : it->second.counters) topology_.Count(slot, counter, -1);
    if (it->second.nodes.empty() && it->second.counters.empty()) data_.erase(it);
  }
}

CounterId NodeTable::AddDataCounter(KeyId key, const std::string& data) {
  const CounterId counter = AddCounter(key);
  Data& entry = data_[data];
  entry.counters.push_back(counter);
  for (const Slot slot : entry.nodes) topology_.Count(slot, counter, 1);
  return counter;
}

void NodeTable::RemoveDataCounter(CounterId counter, const std::string& data) {
  const auto it = data_.find(data);
  BERTH_CHECK(it != data_.end());
  for (const Slot slot : it->second.nodes) topology_.Count(slot, counter, -1);
  std::erase(it->second.counters, counter);
  if (it->second.nodes.empty() && it->second.counters.empty()) data_.erase(it);
  RemoveCounter(counter);
}

void NodeTable::SetCapacity(Slot slot, ResourceIndex resource, int32_t amount) {
  capacity_[resource][slot] = amount;
  inverse_capacity_[resource][slot] = amount > 0 ? 1.0F / static_cast<float>(amount) : 0.0F;
}

void NodeTable::Undescribe(Slot slot) {
  for (ResourceIndex i = 0; i < kMaxResources; ++i) SetCapacity(slot, i, 0);
  ChangePostings([slot](NodeMask& mask) { mask.Clear(slot); });
  UndescribeData(slot);
}

void NodeTable::Remove(Slot slot) {
  BERTH_CHECK(Holds(slot) && task_counts_[slot] == 0);
  Undescribe(slot);
  topology_.Leave(slot);
  by_name_.erase(specs_[slot]->name);
  specs_[slot].reset();
  devices_[slot].clear();
  idle_devices_[slot] = 0;
  SetUsage(slot, -1);
  for (size_t c = 0; c < kComputationClasses; ++c) {
    SetClassUsage(slot, static_cast<ComputationClass>(c), -1);
  }
  missing_devices_[slot].clear();
  live_.Clear(slot);
  ready_.Clear(slot);
  cordoned_.Clear(slot);
  free_slots_.push_back(slot);
  NoteStatic(slot, false);
}

void NodeTable::SetReady(Slot slot, bool ready) {
  BERTH_CHECK(Holds(slot));
  ready_.Assign(slot, ready);
  NoteStatic(slot, ready);
}

void NodeTable::SetCordoned(Slot slot, bool cordoned) {
  BERTH_CHECK(Holds(slot));
  cordoned_.Assign(slot, cordoned);
  NoteStatic(slot, !cordoned);
}

void NodeTable::BeginTrial() {
  BERTH_CHECK(!trial_.has_value());
  trial_.emplace(Trial{changes_.end(), improvements_.end(), {}});
}

void NodeTable::KeepTrial() {
  BERTH_CHECK(trial_.has_value());
  trial_.reset();
}

void NodeTable::UndoTrial() {
  BERTH_CHECK(trial_.has_value());
  const Trial trial = *std::move(trial_);
  trial_.reset();
  for (auto step = trial.steps.rbegin(); step != trial.steps.rend(); ++step) {
    if (step->is_release) {
      Allocate(step->slot, *step->needs, step->reservation);
    } else {
      Release(step->slot, *step->needs, step->reservation);
    }
  }
  if (changes_.begin() <= trial.changes) changes_.Truncate(trial.changes);
  if (improvements_.begin() <= trial.improvements) improvements_.Truncate(trial.improvements);
}

void NodeTable::Allocate(Slot slot, const TaskRequirements& needs, const Reservation& reservation) {
  BERTH_CHECK(Holds(slot));
  if (trial_) trial_->steps.push_back({slot, &needs, reservation, false});
  for (uint32_t i = 0; i < needs.resource_count; ++i) allocated_[i][slot] += needs.requests[i];
  for (const DeviceGrant& grant : reservation.devices) {
    BERTH_CHECK(grant.device < devices_[slot].size());
    DeviceRow& row = devices_[slot][grant.device];
    row.allocated_milli += grant.share_milli;
    row.allocated_memory_mib += grant.memory_mib;
  }
  for (const DeviceNeed& need : needs.devices) CountUse(slot, need, 1);
  if (!reservation.devices.empty()) CountIdle(slot);
  for (const CounterId counter : needs.counted_in) topology_.Count(slot, counter, 1);
  for (const SharedUse& use : needs.shared) topology_.Count(slot, use.counter, use.amount);
  CountClass(slot, needs, 1);
  ++task_counts_[slot];
  changes_.Append(slot);
}

void NodeTable::Release(Slot slot, const TaskRequirements& needs, const Reservation& reservation) {
  BERTH_CHECK(Holds(slot) && task_counts_[slot] > 0);
  if (trial_) trial_->steps.push_back({slot, &needs, reservation, true});
  for (uint32_t i = 0; i < needs.resource_count; ++i) {
    allocated_[i][slot] -= needs.requests[i];
    BERTH_CHECK(allocated_[i][slot] >= 0);
  }
  for (const DeviceGrant& grant : reservation.devices) {
    BERTH_CHECK(grant.device < devices_[slot].size());
    DeviceRow& row = devices_[slot][grant.device];
    row.allocated_milli -= grant.share_milli;
    row.allocated_memory_mib -= grant.memory_mib;
    BERTH_CHECK(row.allocated_milli >= 0 && row.allocated_memory_mib >= 0);
  }
  // Only from the end: those who hold a missing device know it by its position.
  auto& missing = missing_devices_[slot];
  while (!missing.empty() && devices_[slot].back().allocated_milli == 0) {
    devices_[slot].pop_back();
    missing.pop_back();
  }
  --task_counts_[slot];
  for (const DeviceNeed& need : needs.devices) CountUse(slot, need, -1);
  if (!reservation.devices.empty()) CountIdle(slot);
  for (const CounterId counter : needs.counted_in) {
    if (!BERTH_PLANTED(kForgetCountedOut)) topology_.Count(slot, counter, -1);
  }
  for (const SharedUse& use : needs.shared) {
    if (!BERTH_PLANTED(kForgetShared)) topology_.Count(slot, use.counter, -use.amount);
  }
  if (!BERTH_PLANTED(kForgetClass)) CountClass(slot, needs, -1);
  changes_.Append(slot);
  if (!BERTH_PLANTED(kForgetRelease)) improvements_.Append(slot);
}

void NodeTable::Recount(Slot slot, std::span<const CounterId> before,
                        std::span<const CounterId> after) {
  BERTH_CHECK(Holds(slot) && !trial_.has_value());
  if (std::equal(before.begin(), before.end(), after.begin(), after.end())) return;
  for (const CounterId counter : before) topology_.Count(slot, counter, -1);
  for (const CounterId counter : after) topology_.Count(slot, counter, 1);
  changes_.Append(slot);
}

void NodeTable::Reclass(Slot slot, const TaskRequirements& before, const TaskRequirements& after) {
  BERTH_CHECK(Holds(slot) && !trial_.has_value());
  if (before.bound_by == after.bound_by) return;
  CountClass(slot, before, -1);
  CountClass(slot, after, 1);
  changes_.Append(slot);
}

void NodeTable::CountClass(Slot slot, const TaskRequirements& needs, int32_t change) {
  if (!needs.bound_by) return;
  const auto c = static_cast<size_t>(*needs.bound_by);
  class_cpu_[c][slot] += change * needs.requests[kCpu];
  class_tasks_[c][slot] += change;
}

void NodeTable::CountUse(Slot slot, const DeviceNeed& need, int32_t change) {
  std::vector<DeviceUse>& uses = device_uses_[slot];
  const DeviceUse wanted{need.kind, need.share_milli < 1000 ? 0 : need.count, 0};
  const auto before = [](const DeviceUse& a, const DeviceUse& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.devices < b.devices;
  };
  auto at = std::lower_bound(uses.begin(), uses.end(), wanted, before);
  if (at == uses.end() || before(wanted, *at)) at = uses.insert(at, wanted);
  at->tasks += change;
  BERTH_CHECK(at->tasks >= 0);
  if (at->tasks == 0) uses.erase(at);
}

void NodeTable::CountIdle(Slot slot) {
  int64_t free_milli = 0, healthy = 0;
  for (const DeviceRow& device : devices(slot)) {
    if (!device.healthy) continue;
    ++healthy;
    free_milli += std::max(0, 1000 - device.allocated_milli);
  }
  idle_devices_[slot] =
      healthy == 0 ? 0 : static_cast<int32_t>(kMaxScore * free_milli / (1000 * healthy));
}

void NodeTable::SetSharedResources(std::span<const SharedResourceSpec> specs) {
  for (SharedResource& known : shared_) {
    known.is_configured = false;
    known.capacity = kMaxQuanta;
  }
  for (const SharedResourceSpec& spec : specs) {
    auto known = std::find_if(shared_.begin(), shared_.end(),
                              [&](const SharedResource& one) { return one.name == spec.name; });
    if (known == shared_.end()) {
      const KeyId key = InternKey(spec.topology_key);
      known = shared_.insert(shared_.end(), {.name = spec.name,
                                             .topology_key = spec.topology_key,
                                             .key = key,
                                             .counter = AddCounter(key)});
    }
    BERTH_CHECK(known->topology_key == spec.topology_key) << spec.name;
    known->capacity = spec.capacity;
    known->is_configured = true;
  }
  // Whoever waits for some looks again.
  for (const SharedResource& one : shared_) topology_.Touch(one.counter);
}

const SharedResource* NodeTable::FindShared(std::string_view name) const {
  const auto it = std::find_if(shared_.begin(), shared_.end(), [&](const SharedResource& one) {
    return one.is_configured && one.name == name;
  });
  return it == shared_.end() ? nullptr : &*it;
}

CounterId NodeTable::AddCounter(KeyId key) {
  // No label has an empty key: it stands for the whole cluster, one domain with every node.
  if (names_.keys.Name(key.value).empty()) {
    return topology_.AddCounter(key, /*domains=*/1,
                                [&](Slot slot) { return Holds(slot) ? kWholeCluster : kNoDomain; });
  }
  const auto known = keys_.find(key.value);
  const size_t domains = known == keys_.end() ? 0 : known->second.labels.size();
  return topology_.AddCounter(key, domains, [&](Slot slot) {
    if (!Holds(slot)) return kNoDomain;
    const auto& labels = specs_[slot]->labels;
    const auto label = labels.find(names_.keys.Name(key.value));
    if (label == labels.end()) return kNoDomain;
    return labels_.at(names_.labels.Find(LabelName(label->first, label->second))).domain;
  });
}

void NodeTable::SetUsage(Slot slot, int32_t steps) {
  BERTH_CHECK(steps >= -1 && steps <= kUsageSteps);
  const int32_t before = std::exchange(usage_[slot], steps);
  if (before == steps) return;
  changes_.Append(slot);
  usage_changes_.Append(slot);
  // A filter may want idle nodes.
  if (steps < before) improvements_.Append(slot);
}

void NodeTable::SetClassUsage(Slot slot, ComputationClass bound_by, int32_t steps) {
  BERTH_CHECK(steps >= -1 && steps <= kUsageSteps);
  int32_t& known = class_usage_[static_cast<size_t>(bound_by)][slot];
  if (std::exchange(known, steps) == steps) return;
  changes_.Append(slot);
  usage_changes_.Append(slot);
}

uint16_t NodeTable::DevicePosition(Slot slot, const std::string& id) {
  BERTH_CHECK(Holds(slot));
  size_t position = 0;
  while (position < devices_[slot].size() && DeviceId(slot, position) != id) ++position;
  if (position == devices_[slot].size()) {
    missing_devices_[slot].push_back(id);
    devices_[slot].emplace_back();
  }
  return static_cast<uint16_t>(position);
}

const std::string& NodeTable::DeviceId(Slot slot, size_t position) const {
  BERTH_CHECK(position < devices_[slot].size());
  const auto& reported = specs_[slot]->devices;
  return position < reported.size() ? reported[position].id
                                    : missing_devices_[slot][position - reported.size()];
}

// ---- one node ----

Slot NodeTable::Find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? kNoSlot : it->second;
}

const NodeSpec& NodeTable::spec(Slot slot) const {
  BERTH_CHECK(Holds(slot));
  return *specs_[slot];
}

std::vector<std::string> NodeTable::DeviceIds(Slot slot, const Reservation& reservation) const {
  std::vector<std::string> ids;
  for (const DeviceGrant& grant : reservation.devices) {
    ids.push_back(DeviceId(slot, grant.device));
  }
  return ids;
}

// ---- NodeColumns ----

std::span<const int32_t> NodeTable::capacity(ResourceIndex resource) const {
  return capacity_[resource];
}
std::span<const int32_t> NodeTable::allocated(ResourceIndex resource) const {
  return allocated_[resource];
}
std::span<const float> NodeTable::inverse_capacity(ResourceIndex resource) const {
  return inverse_capacity_[resource];
}

const NodeMask& NodeTable::with_label(LabelId label) const {
  const auto it = labels_.find(label.value);
  return it != labels_.end() ? it->second.nodes : empty_;
}
const NodeMask& NodeTable::with_key(KeyId key) const {
  const auto it = keys_.find(key.value);
  return it != keys_.end() ? it->second.nodes : empty_;
}
const NodeMask& NodeTable::with_taint(TaintId taint) const {
  return taint.value < with_taint_.size() ? with_taint_[taint.value] : empty_;
}
const NodeMask& NodeTable::with_device_kind(KindId kind) const {
  const auto it = with_kind_.find(kind.value);
  return it != with_kind_.end() ? it->second : empty_;
}

std::span<const LabelId> NodeTable::labels_of_key(KeyId key) const {
  const auto it = keys_.find(key.value);
  if (it == keys_.end()) return {};
  return it->second.labels;
}

bool NodeTable::integer_value(LabelId label, int64_t& value) const {
  const auto it = labels_.find(label.value);
  if (it == labels_.end() || !it->second.integer) return false;
  value = *it->second.integer;
  return true;
}

TaintEffect NodeTable::effect(TaintId taint) const { return taints_[taint.value].effect; }

bool NodeTable::Tolerates(std::span<const Toleration> tolerations, TaintId taint) const {
  return std::any_of(tolerations.begin(), tolerations.end(), [&](const Toleration& toleration) {
    return (!toleration.effect || *toleration.effect == taints_[taint.value].effect) &&
           (!toleration.key || *toleration.key == taint_keys_[taint.value]) &&
           (!toleration.key_value || *toleration.key_value == taint_pairs_[taint.value]);
  });
}

std::span<const DeviceRow> NodeTable::devices(Slot slot) const {
  // Missing devices are nobody's to choose.
  return std::span(devices_[slot]).first(devices_[slot].size() - missing_devices_[slot].size());
}

// ---- interning ----

KeyId NodeTable::InternKey(std::string_view key) {
  const KeyId id{names_.keys.Intern(key)};
  keys_.try_emplace(id.value, KeyInfo{.labels = {}, .nodes = NodeMask(size())});
  return id;
}

LabelId NodeTable::InternLabel(std::string_view key, std::string_view value) {
  const LabelId id{names_.labels.Intern(LabelName(key, value))};
  const auto [it, is_new] = labels_.try_emplace(id.value);
  if (is_new) {
    const KeyId key_id = InternKey(key);
    std::vector<LabelId>& labels = keys_.at(key_id.value).labels;
    it->second = {key_id, static_cast<int32_t>(labels.size()), ParseInteger(value),
                  NodeMask(size())};
    labels.push_back(id);
  }
  return id;
}

TaintId NodeTable::InternTaint(const TaintSpec& taint) {
  const auto effect = static_cast<char>('0' + static_cast<int>(taint.effect));
  const TaintId id{
      names_.taints.Intern(LabelName(LabelName(taint.key, taint.value), {&effect, 1}))};
  if (id.value == with_taint_.size()) {
    with_taint_.emplace_back(size());
    taints_.push_back(taint);
    taint_keys_.push_back(InternKey(taint.key));
    taint_pairs_.push_back(InternLabel(taint.key, taint.value));
  }
  return id;
}

std::string NodeTable::LabelText(LabelId label) const {
  std::string text = names_.labels.Name(label.value);
  text[text.find('\0')] = '=';
  return text;
}

}  // namespace berth::state
