// Which nodes measure the way to which.
#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/sort_unique.h"
#include "scheduler/turn.h"

namespace berth::scheduler {
namespace {

// After a change, and between two plans: a cluster that starts is planned once.
constexpr int64_t kPlanAfterMs = 5'000;
constexpr size_t kNeighbours = 2;
constexpr size_t kOfOtherDomains = 3;  // of each topology key
constexpr size_t kMostLooks = 64;      // for those

// A turn is to be short, and a plan is never urgent. Each node takes two steps, one to be put into
// the ring and one to be told: so many nodes are planned in one turn, more in several.
constexpr size_t kNodesPerTurn = 256;
constexpr size_t kStepsPerTurn = 2 * kNodesPerTurn;

// Labels whose values are domains that lie apart.
constexpr const char* kTopologyKeys[] = {"zone", "rack"};

// Of how near domains are: ways in a network change seldom, and one that is slow for a moment is
// not worth another placement.
constexpr int64_t kRecountMs = 60'000;
constexpr size_t kRecountPerTurn = 1024;  // nodes

}  // namespace

void Turn::NodesChanged() {
  if (!plan_peers_at_ms_) plan_peers_at_ms_ = now_ms_ + kPlanAfterMs;
}

// Each node measures its neighbours in a ring of all, so that all pairs of domains that are next to
// each other are, and the first nodes after it that are in other domains.
void Turn::PlanPeers() {
  // A plan is made to its end also when nodes change meanwhile: where some always do, none would
  // ever be whole else. What it did not see is seen by the next one, kPlanAfterMs after the change.
  if (!peer_plan_) {
    if (!plan_peers_at_ms_ || *plan_peers_at_ms_ > now_ms_) return;
    plan_peers_at_ms_.reset();
    peer_plan_ = PeerPlan{};
    for (const char* key : kTopologyKeys) peer_plan_->keys.push_back({key, {}, {}});
  }
  size_t steps = kStepsPerTurn;
  if (!peer_plan_->is_gathered) GatherRing(*peer_plan_, steps);
  if (!peer_plan_->is_gathered) return;
  TellPeers(*peer_plan_, steps);
  if (peer_plan_->next == peer_plan_->ring.size()) peer_plan_.reset();
}

void Turn::GatherRing(PeerPlan& plan, size_t& steps) const {
  const auto& by_name = state_->nodes().by_name();
  auto node = by_name.lower_bound(plan.next_name);
  for (; node != by_name.end() && steps > 0; ++node, --steps) {
    const Slot slot = node->second;
    const state::NodeLink* link = state_->FindLink(slot);
    const state::NodeSpec& spec = state_->nodes().spec(slot);
    if (link == nullptr || link->stream == 0 || spec.address.empty()) continue;
    plan.ring.push_back(slot);
    for (PeerPlan::Domains& domains : plan.keys) {
      uint32_t number = 0;
      const auto label = spec.labels.find(domains.key);
      if (label != spec.labels.end() && !label->second.empty()) {
        const auto next = static_cast<uint32_t>(domains.numbers.size() + 1);
        number = domains.numbers.emplace(label->second, next).first->second;
      }
      domains.of.push_back(number);
    }
  }
  if (node != by_name.end()) {
    plan.next_name = node->first;
    return;
  }
  plan.is_gathered = true;
  // By a key that no node has, or all alike, nothing lies apart: nobody needs to look for it.
  std::erase_if(plan.keys, [](const PeerPlan::Domains& domains) {
    return std::adjacent_find(domains.of.begin(), domains.of.end(), std::not_equal_to<>()) ==
           domains.of.end();
  });
}

void Turn::TellPeers(PeerPlan& plan, size_t& steps) {
  for (; plan.next < plan.ring.size() && steps > 0; ++plan.next, --steps) {
    state::NodeLink& link = state_->Link(plan.ring[plan.next]);
    if (link.stream == 0) continue;  // it has gone meanwhile
    std::vector<state::Peer> peers;
    for (const size_t place : PeersOf(plan, plan.next)) {
      // Null: so has that one.
      const auto spec = state_->nodes().spec_ptr(plan.ring[place]);
      if (spec != nullptr && !spec->address.empty()) peers.push_back({spec->name, spec->address});
    }
    if (peers == link.peers) continue;
    link.peers = peers;
    effects_.emplace_back(state::SendPeers{link.stream, std::move(peers)});
  }
}

std::vector<size_t> Turn::PeersOf(const PeerPlan& plan, size_t at) {
  const size_t others = plan.ring.size() - 1;
  const auto place = [&](size_t step) {
    return at + step <= others ? at + step : at + step - plan.ring.size();
  };
  std::vector<size_t> chosen;
  for (size_t step = 1; step <= std::min(kNeighbours, others); ++step) {
    chosen.push_back(place(step));
  }
  for (const PeerPlan::Domains& domains : plan.keys) {
    std::array<uint32_t, kOfOtherDomains + 1> seen = {domains.of[at]};
    size_t count = 1;
    for (size_t step = 1; step <= std::min(kMostLooks, others) && count < seen.size(); ++step) {
      const uint32_t domain = domains.of[place(step)];
      const auto known = std::span(seen).first(count);
      if (domain == 0 || std::ranges::find(known, domain) != known.end()) continue;
      seen[count++] = domain;
      chosen.push_back(place(step));
    }
  }
  base::SortUnique(chosen);
  return chosen;
}

void Turn::TakeLatencies(Slot slot, const std::vector<std::pair<std::string, int64_t>>& latencies) {
  for (const auto& [node, round_trip_us] : latencies) {
    const Slot peer = state_->nodes().Find(node);
    if (peer != kNoSlot) state_->nodes().latencies().Set(slot, peer, round_trip_us);
  }
}

void Turn::RecountNearness() {
  state::LatencyMatrix& latencies = state_->nodes().latencies();
  if (!latencies.is_counting()) {
    if (!latencies.IsStale() || now_ms_ < recount_nearness_at_ms_) return;
    recount_nearness_at_ms_ = now_ms_ + kRecountMs;
  }
  latencies.Recount(state_->nodes().topology(), kRecountPerTurn);
}

}  // namespace berth::scheduler
