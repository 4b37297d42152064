// Which nodes measure the way to which.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/turn.h"

namespace berth::scheduler {
namespace {

// After a change, and between two plans: a cluster that starts is planned once.
constexpr int64_t kPlanAfterMs = 5'000;
constexpr size_t kNeighbours = 2;
constexpr size_t kOfOtherDomains = 3;  // of each topology key
constexpr size_t kMostLooks = 64;      // for those

// Labels whose values are domains that lie apart.
constexpr const char* kTopologyKeys[] = {"zone", "rack"};

}  // namespace

void Turn::NodesChanged() {
  if (!plan_peers_at_ms_) plan_peers_at_ms_ = now_ms_ + kPlanAfterMs;
}

// Each node measures its neighbours in a ring of all, so that all pairs of domains that are next to
// each other are, and the first nodes after it that are in other domains.
void Turn::PlanPeers() {
  plan_peers_at_ms_.reset();
  std::vector<Slot> ring;
  for (const auto& [name, slot] : state_->nodes().by_name()) {
    const bool is_here = state_->Link(slot).stream != 0;
    if (is_here && !state_->nodes().spec_ptr(slot)->address.empty()) ring.push_back(slot);
  }
  for (size_t i = 0; i < ring.size(); ++i) {
    std::vector<state::Peer> peers = PeersOf(ring, i);
    state::NodeLink& link = state_->Link(ring[i]);
    if (peers == link.peers) continue;
    link.peers = peers;
    effects_.emplace_back(state::SendPeers{link.stream, std::move(peers)});
  }
}

std::vector<state::Peer> Turn::PeersOf(const std::vector<Slot>& ring, size_t at) const {
  const auto spec = [&](size_t i) -> const state::NodeSpec& {
    return *state_->nodes().spec_ptr(ring[i % ring.size()]);
  };
  const auto domain = [](const state::NodeSpec& node, const char* key) {
    const auto label = node.labels.find(key);
    return label == node.labels.end() ? std::string() : label->second;
  };
  std::map<std::string, std::string> chosen;  // node → address
  const size_t others = ring.size() - 1;
  for (size_t step = 1; step <= std::min(kNeighbours, others); ++step) {
    chosen.emplace(spec(at + step).name, spec(at + step).address);
  }
  for (const char* key : kTopologyKeys) {
    std::set<std::string> seen = {domain(spec(at), key), ""};
    for (size_t step = 1; step <= std::min(kMostLooks, others); ++step) {
      const state::NodeSpec& node = spec(at + step);
      if (seen.size() == kOfOtherDomains + 2) break;
      if (seen.insert(domain(node, key)).second) chosen.emplace(node.name, node.address);
    }
  }
  std::vector<state::Peer> peers;
  for (auto& [node, address] : chosen) peers.push_back({node, address});
  return peers;
}

void Turn::TakeLatencies(Slot slot, const std::vector<std::pair<std::string, int64_t>>& latencies) {
  for (const auto& [node, round_trip_us] : latencies) {
    const Slot peer = state_->nodes().Find(node);
    if (peer != kNoSlot) state_->latencies().Set(slot, peer, round_trip_us);
  }
}

}  // namespace berth::scheduler
