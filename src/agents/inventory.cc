#include "agents/inventory.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/build_info.h"
#include "base/sort_unique.h"
#include "base/utf8.h"
#include "wire/amounts.h"
#include "wire/message_buffer.h"
#include "wire/names.h"
#include "wire/node_usage.h"
#include "wire/refusal.h"
#include "wire/values.h"

namespace berth::agents {
namespace {

using wire::FieldPath;
using wire::Violations;

constexpr int kMostDevices = 1024;
constexpr int kMostLocalData = 8192;  // found and declared
constexpr size_t kMostUuidBytes = 64;
constexpr size_t kMostMessageBytes = 1024;
constexpr size_t kMostNotEnforced = 16;
constexpr int kMostAddresses = 16;
constexpr size_t kMostTailBytes = 32 << 10;

// What an agent says in words goes into records that last, so it is cut to a bound: between
// characters, since a record with half of one could not be read back.
std::string Cut(std::string_view text, size_t most_bytes) {
  return std::string(base::CutUtf8(text, most_bytes));
}

// ---- tori ----
//
// A node that was registered by an older version, or is in the store, is taken as it is: devices
// whose place makes no sense are in no torus. One that registers now is told (CheckTori).

bool IsExtent(int32_t extent) { return extent >= 1 && extent <= kMaxTorusExtent; }

bool IsTorus(const v1::Torus& torus) {
  return torus.extents_size() >= 1 && torus.extents_size() <= static_cast<int>(kTorusAxes) &&
         std::all_of(torus.extents().begin(), torus.extents().end(), IsExtent) &&
         (torus.wraps_size() == 0 || torus.wraps_size() == torus.extents_size());
}

// nullptr: the inventory says nothing of this kind.
const v1::Torus* TorusOf(const v1::NodeInventory& inventory, const std::string& kind) {
  for (const v1::Torus& torus : inventory.tori()) {
    if (torus.kind() == kind) return &torus;
  }
  return nullptr;
}

// Extents and wraps for all devices of a kind; extents of 0: they are in no torus.
TorusPlace WholeTorus(const v1::NodeInventory& inventory, const std::string& kind) {
  TorusPlace whole;
  if (const v1::Torus* torus = TorusOf(inventory, kind)) {
    if (!IsTorus(*torus)) return whole;
    whole.extent.fill(1);
    for (int axis = 0; axis < torus->extents_size(); ++axis) {
      whole.extent[static_cast<size_t>(axis)] = static_cast<uint8_t>(torus->extents(axis));
      if (torus->wraps_size() > 0 && torus->wraps(axis)) {
        whole.wraps = static_cast<uint8_t>(whole.wraps | 1u << axis);
      }
    }
    return whole;
  }
  whole.extent.fill(1);
  for (const v1::Device& device : inventory.devices()) {
    if (device.kind() != kind || device.torus_coordinates_size() > static_cast<int>(kTorusAxes)) {
      continue;
    }
    for (int axis = 0; axis < device.torus_coordinates_size(); ++axis) {
      uint8_t& extent = whole.extent[static_cast<size_t>(axis)];
      const int32_t at = std::clamp(device.torus_coordinates(axis), 0, kMaxTorusExtent - 1);
      extent = std::max(extent, static_cast<uint8_t>(at + 1));
    }
  }
  return whole;
}

bool HasPlaceIn(const TorusPlace& whole, const v1::Device& device) {
  const auto& at = device.torus_coordinates();
  if (at.empty() || at.size() > static_cast<int>(kTorusAxes)) return false;
  for (int axis = 0; axis < at.size(); ++axis) {
    if (at[axis] < 0 || at[axis] >= whole.extent[static_cast<size_t>(axis)]) return false;
  }
  return true;
}

void PlaceInTori(const v1::NodeInventory& inventory, state::NodeSpec& node) {
  std::map<std::string, TorusPlace> wholes;
  for (int i = 0; i < inventory.devices_size(); ++i) {
    const v1::Device& device = inventory.devices(i);
    if (device.torus_coordinates_size() == 0) continue;
    auto [whole, is_new] = wholes.try_emplace(device.kind());
    if (is_new) whole->second = WholeTorus(inventory, device.kind());
    if (!HasPlaceIn(whole->second, device)) continue;
    TorusPlace& torus = node.devices[static_cast<size_t>(i)].torus;
    torus = whole->second;
    for (int axis = 0; axis < device.torus_coordinates_size(); ++axis) {
      torus.at[static_cast<size_t>(axis)] = static_cast<uint8_t>(device.torus_coordinates(axis));
    }
  }
}

void ReadDevices(const v1::NodeInventory& inventory, state::NodeSpec& node,
                 Violations& violations) {
  if (inventory.devices_size() > kMostDevices) {
    violations.Add(FieldPath(FieldPath::Root(), "devices"),
                   std::to_string(inventory.devices_size()) + " devices; at most " +
                       std::to_string(kMostDevices) + " are allowed");
    return;
  }
  std::set<std::string> ids;
  for (int i = 0; i < inventory.devices_size(); ++i) {
    const v1::Device& device = inventory.devices(i);
    const FieldPath path(FieldPath::Root(), "devices", i);
    const FieldPath id_path(path, "id");
    wire::CheckText(device.id(), wire::kMostValueBytes, id_path, violations);
    wire::CheckName(wire::kDeviceKind, device.kind(), FieldPath(path, "kind"), violations);
    wire::CheckText(device.model(), wire::kMostValueBytes, FieldPath(path, "model"), violations);
    if (device.id().empty()) violations.Add(id_path, "is required");
    if (!ids.insert(device.id()).second) {
      violations.Add(id_path, "\"" + device.id() + "\" is there twice");
    }
    state::DeviceSpec spec;
    spec.id = device.id();
    spec.kind = device.kind();
    spec.model = device.model();
    spec.memory_mib =
        wire::ToQuanta(device.memory_bytes(), kMemoryQuantumBytes, wire::Rounding::kDown,
                       FieldPath(path, "memory_bytes"), violations)
            .value_or(0);
    if (device.has_numa_node()) {
      if (device.numa_node() < 0 || device.numa_node() > INT16_MAX) {
        violations.Add(FieldPath(path, "numa_node"), "must be from 0 to 32767");
      } else {
        spec.numa_node = static_cast<int16_t>(device.numa_node());
      }
    }
    spec.healthy = !device.unhealthy();
    for (const v1::DeviceLink& link : device.links()) {
      if (link.kind() != v1::LINK_KIND_PCIE && link.kind() != v1::LINK_KIND_UNSPECIFIED) {
        spec.fast_peers.push_back(link.peer_id());
      }
    }
    node.devices.push_back(std::move(spec));
  }
  PlaceInTori(inventory, node);
}

void CheckTori(const v1::NodeInventory& inventory, Violations& violations) {
  const std::string axes = std::to_string(kTorusAxes);
  std::set<std::string> kinds;
  for (int i = 0; i < inventory.tori_size(); ++i) {
    const v1::Torus& torus = inventory.tori(i);
    const FieldPath path(FieldPath::Root(), "tori", i);
    wire::CheckName(wire::kDeviceKind, torus.kind(), FieldPath(path, "kind"), violations);
    if (!kinds.insert(torus.kind()).second) {
      violations.Add(FieldPath(path, "kind"), "\"" + torus.kind() + "\" is there twice");
    }
    if (IsTorus(torus)) continue;
    violations.Add(path, "has 1 to " + axes + " extents from 1 to " +
                             std::to_string(kMaxTorusExtent) + ", and no or as many wraps");
  }
  std::set<std::pair<std::string, std::array<uint8_t, kTorusAxes>>> taken;
  std::map<std::string, TorusPlace> wholes;
  for (int i = 0; i < inventory.devices_size(); ++i) {
    const v1::Device& device = inventory.devices(i);
    if (device.torus_coordinates_size() == 0) continue;
    const FieldPath entry(FieldPath::Root(), "devices", i);
    const FieldPath path(entry, "torus_coordinates");
    auto [whole, is_new] = wholes.try_emplace(device.kind());
    if (is_new) whole->second = WholeTorus(inventory, device.kind());
    if (!HasPlaceIn(whole->second, device)) {
      violations.Add(path, "is no place in the torus of \"" + device.kind() +
                               "\" devices: at most " + axes +
                               " numbers from 0 to below its extents");
      continue;
    }
    std::array<uint8_t, kTorusAxes> at{};
    std::copy(device.torus_coordinates().begin(), device.torus_coordinates().end(), at.begin());
    if (!taken.emplace(device.kind(), at).second) {
      violations.Add(path, "is the place of another device too");
    }
  }
}

// Beyond what is placed by, of what is only kept for people to see.
void CheckCounts(const v1::NodeInventory& inventory, Violations& violations) {
  const auto check = [&](const char* name, int count, int most) {
    if (count <= most) return;
    violations.Add(
        FieldPath(FieldPath::Root(), name),
        std::to_string(count) + " entries; at most " + std::to_string(most) + " are allowed");
  };
  check("hardware.numa_nodes", inventory.hardware().numa_nodes_size(), wire::kMostParts);
  check("hardware.disks", inventory.hardware().disks_size(), wire::kMostParts);
  check("hardware.interfaces", inventory.hardware().interfaces_size(), wire::kMostParts);
  check("data_sets", inventory.data_sets_size(), kMostLocalData);
  check("models", inventory.models_size(), kMostLocalData);
  check("addresses", inventory.addresses_size(), kMostAddresses);
}

state::NodeSpec ReadInventory(const v1::NodeInventory& inventory, Violations& violations) {
  state::NodeSpec node;
  node.capacity = wire::CapacityAmounts(inventory.capacity(),
                                        FieldPath(FieldPath::Root(), "capacity"), violations);
  wire::CheckLabels(inventory.labels(), FieldPath::Root(), "labels", violations);
  node.labels.insert(inventory.labels().begin(), inventory.labels().end());
  if (inventory.taints_size() > wire::kMostTaints) {
    violations.Add(FieldPath(FieldPath::Root(), "taints"),
                   "at most " + std::to_string(wire::kMostTaints) + " are allowed");
  } else {
    for (int i = 0; i < inventory.taints_size(); ++i) {
      node.taints.push_back(wire::ReadTaint(inventory.taints(i),
                                            FieldPath(FieldPath::Root(), "taints", i), violations));
    }
  }
  ReadDevices(inventory, node, violations);
  for (const auto* all : {&inventory.data_sets(), &inventory.models()}) {
    for (const v1::LocalData& data : *all) node.data.push_back(data.name());
  }
  base::SortUnique(node.data);
  node.isolation = Cut(inventory.isolation(), wire::kMostValueBytes);
  if (inventory.addresses_size() > 0) {
    node.address = Cut(inventory.addresses(0), wire::kMostValueBytes);
  }
  return node;
}

// A number of an enum of the wire, if the loop has a name for it.
template <typename State, typename Wire>
State EnumFrom(Wire value, State last) {
  const auto number = static_cast<int>(value);
  return number >= 0 && number <= static_cast<int>(last) ? static_cast<State>(number) : State{};
}

state::AttemptStart FromProto(const v1::AttemptStarted& started) {
  state::AttemptStart start{.unix_ms = started.unix_ms(),
                            .isolation = Cut(started.isolation(), wire::kMostValueBytes)};
  for (const std::string& name : started.not_enforced()) {
    if (start.not_enforced.size() == kMostNotEnforced) break;
    start.not_enforced.push_back(Cut(name, wire::kMostValueBytes));
  }
  return start;
}

state::AttemptFinish FromProto(const v1::AttemptEnded& ended) {
  state::AttemptFinish finish;
  finish.end = EnumFrom(ended.end(), state::AttemptEnd::kUnhealthy);
  // An end of a sort that only a newer agent knows is still an end.
  if (finish.end == state::AttemptEnd::kNone) finish.end = state::AttemptEnd::kExited;
  finish.reason = wire::ReasonFrom(ended.reason());
  finish.message = Cut(ended.message(), kMostMessageBytes);
  if (ended.has_exit_code()) finish.exit_code = ended.exit_code();
  if (ended.has_signal()) finish.signal = ended.signal();
  finish.usage = wire::FromProto(ended.usage());
  finish.started_unix_ms = ended.started_unix_ms();
  finish.ended_unix_ms = ended.ended_unix_ms();
  return finish;
}

}  // namespace

std::variant<state::NodeSpec, wire::Refusal> ReadNode(std::string_view name,
                                                      std::string_view agent_version,
                                                      const v1::NodeInventory& inventory) {
  Violations violations;
  wire::CheckName(wire::kNodeName, name, FieldPath("node"), violations);
  state::NodeSpec node = ReadInventory(inventory, violations);
  CheckCounts(inventory, violations);
  CheckTori(inventory, violations);
  if (!violations.empty()) return wire::RefusalOf(violations);
  node.name = std::string(name);
  node.agent_version = Cut(agent_version, wire::kMostValueBytes);
  node.encoded_inventory = std::make_shared<const std::string>(wire::DeterministicBytes(inventory));
  return node;
}

absl::StatusOr<state::NodeSpec> DecodeInventory(std::string_view encoded) {
  v1::NodeInventory inventory;
  if (!inventory.ParseFromArray(encoded.data(), static_cast<int>(encoded.size()))) {
    return absl::InvalidArgumentError("the bytes are no node inventory");
  }
  Violations violations;
  state::NodeSpec node = ReadInventory(inventory, violations);
  if (!violations.empty()) return absl::InvalidArgumentError(violations.Summary());
  return node;
}

namespace {

// It was admitted once, here or before a restore: what is wrong with it now holds nothing.
state::AttemptHolding ReadHolding(const v1::StartTask& start) {
  state::AttemptHolding holding;
  holding.task_id = Cut(start.task_id(), wire::kMostValueBytes);
  holding.job_name = Cut(start.job_name(), wire::kMostValueBytes);
  holding.ns = Cut(start.namespace_(), wire::kMostValueBytes);
  Violations violations;
  holding.requests =
      wire::RequestAmounts(start.resources(), {}, FieldPath("resources"), violations);
  if (!violations.empty()) holding.requests = {};
  holding.device_ids.assign(start.device_ids().begin(), start.device_ids().end());
  holding.device_share_milli = std::clamp(start.device_share_milli(), 0, 1000);
  holding.device_memory_mib =
      static_cast<int32_t>(std::clamp<int64_t>(start.device_memory_bytes() >> 20, 0, INT32_MAX));
  return holding;
}

}  // namespace

std::variant<state::OpenSession, wire::Refusal> ReadHello(uint64_t stream, const v1::Hello& hello) {
  if (hello.protocol_min() > base::kAgentProtocol || hello.protocol_max() < base::kAgentProtocol) {
    return wire::Refusal{.code = absl::StatusCode::kFailedPrecondition,
                         .reason = Reason::kVersionUnsupported,
                         .message = "node \"" + hello.node() + "\": its agent speaks protocol " +
                                    std::to_string(hello.protocol_min()) + " to " +
                                    std::to_string(hello.protocol_max()) + ", this daemon speaks " +
                                    std::to_string(base::kAgentProtocol) +
                                    "; upgrade the older of the two"};
  }
  auto node = ReadNode(hello.node(), hello.version(), hello.inventory());
  if (auto* refusal = std::get_if<wire::Refusal>(&node)) return std::move(*refusal);
  Violations violations;
  wire::CheckText(hello.incarnation(), kMostUuidBytes, FieldPath("incarnation"), violations);
  wire::CheckText(hello.cluster_id(), kMostUuidBytes, FieldPath("cluster_id"), violations);
  if (hello.incarnation().empty()) violations.Add(FieldPath("incarnation"), "is required");
  if (!violations.empty()) return wire::RefusalOf(violations);

  state::OpenSession session;
  session.stream = stream;
  session.node = std::move(std::get<state::NodeSpec>(node));
  session.incarnation = hello.incarnation();
  session.cluster_id = hello.cluster_id();
  session.generation = hello.generation();
  session.directive_sequence = hello.directive_sequence();
  for (const v1::AttemptReport& report : hello.attempts()) {
    state::AttemptReport read;
    read.attempt = wire::FromProto(report.key());
    read.phase = EnumFrom(report.phase(), state::AttemptPhase::kEnded);
    if (report.has_started()) read.started = FromProto(report.started());
    if (report.has_ended()) read.ended = FromProto(report.ended());
    if (report.has_start()) read.holding = ReadHolding(report.start());
    session.attempts.push_back(std::move(read));
  }
  return session;
}

state::AgentFacts ReadFacts(uint64_t stream, const v1::FactBatch& batch) {
  state::AgentFacts facts;
  facts.stream = stream;
  facts.facts.reserve(static_cast<size_t>(batch.facts_size()));
  for (const v1::Fact& fact : batch.facts()) {
    state::AgentFact read;
    read.sequence = fact.sequence();
    read.attempt = wire::FromProto(fact.key());
    if (fact.has_started()) read.started = FromProto(fact.started());
    if (fact.has_ended()) read.ended = FromProto(fact.ended());
    if (fact.has_readiness()) read.ready = fact.readiness().ready();
    facts.facts.push_back(std::move(read));
  }
  return facts;
}

std::vector<state::OutputTail> ReadTails(const v1::OutputTails& tails) {
  std::vector<state::OutputTail> read;
  for (const v1::OutputTail& tail : tails.tails()) {
    // A longer one's end is what is wanted; the rest of what could be wrong is not there to be
    // read.
    const size_t surplus = tail.data().size() - std::min(tail.data().size(), kMostTailBytes);
    if (tail.data().empty() || tail.offset() < 0) continue;
    read.push_back({.attempt = wire::FromProto(tail.key()),
                    .is_error = tail.is_stderr(),
                    .offset = tail.offset() + static_cast<int64_t>(surplus),
                    .data = tail.data().substr(surplus)});
  }
  return read;
}

state::AgentHeartbeat ReadHeartbeat(uint64_t stream, const v1::Heartbeat& heartbeat) {
  state::AgentHeartbeat read;
  read.stream = stream;
  read.sequence = heartbeat.sequence();
  read.node = wire::FromProto(heartbeat.usage());
  if (heartbeat.has_parts()) read.parts = wire::FromProto(heartbeat.parts());
  for (const v1::AttemptUsage& usage : heartbeat.attempts()) {
    read.attempts.emplace_back(wire::FromProto(usage.key()), wire::FromProto(usage.usage()));
  }
  for (const v1::PeerLatency& latency : heartbeat.latencies()) {
    read.latencies.emplace_back(latency.node(), std::max<int64_t>(0, latency.round_trip_us()));
  }
  return read;
}

}  // namespace berth::agents
