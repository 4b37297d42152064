#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentd/attempt_key.h"
#include "base/ipv4_subnet.h"
#include "base/work_thread.h"

namespace berth::agentd {

// Network namespaces for attempts that want a network of their own, each joined to the node by a
// pair of virtual interfaces, with its bandwidth limited at both ends.
//
//   node:  NAME  subnet + 4 i + 1 ──veth── subnet + 4 i + 2  eth0  :namespace /run/netns/FILE
//
// What leaves the node from there is the operator's to forward and to translate. The names hold
// whose they are, so that an agent after this one finds them again. One that cannot be removed
// keeps its number i from others, who would fail at its names, until a later try has removed it.
//
// Threading: the loop's thread. What takes time is done on a thread of its own.
class TaskNetworks {
 public:
  // Runs what it is given on the loop's thread.
  using Post = std::function<void(std::function<void()>)>;
  // The namespace's path, or why there is none.
  using Done = std::function<void(absl::StatusOr<std::string>)>;

  // `owner`: tells this agent's namespaces from those of another on the machine.
  TaskNetworks(base::Ipv4Subnet subnet, const std::string& owner, Post post);
  TaskNetworks(const TaskNetworks&) = delete;
  TaskNetworks& operator=(const TaskNetworks&) = delete;
  ~TaskNetworks() { thread_.Stop(); }

  // Finds those that an agent before this one has made. Before anything else.
  void Open();

  // Makes one. `bits_per_s` 0: no limit. ResourceExhausted: the subnet has no addresses left. Calls
  // `done` once, not from within.
  void Make(const AttemptKey& key, int64_t bits_per_s, Done done);
  // Nothing when there is none.
  void Remove(const AttemptKey& key);
  // Removes those of attempts that `known` does not know.
  void RemoveLeftovers(const std::function<bool(const AttemptKey&)>& known);
  // Empty: it has none.
  [[nodiscard]] std::string PathOf(const AttemptKey& key) const;

 private:
  struct Network {
    uint32_t index = 0;
    std::string file;
    bool said = false;  // that it is left
  };

  [[nodiscard]] std::string FileOf(const AttemptKey& key, uint32_t index) const;
  [[nodiscard]] std::string InterfaceOf(uint32_t index) const;
  void TakeApart(const Network& network);
  void TryAgain();
  // What came of a TearDown(). Whose the network was has let go of it.
  void Settle(Network network, const absl::Status& gone);
  // On the thread.
  [[nodiscard]] absl::Status Build(const Network& network, int64_t bits_per_s) const;
  // OK: nothing of it is there any more; else what is left, and why.
  [[nodiscard]] absl::Status TearDown(const Network& network) const;

  const base::Ipv4Subnet subnet_;
  const std::string owner_;  // five hexadecimal digits
  const Post post_;
  std::map<AttemptKey, Network> networks_;
  std::set<uint32_t> used_;   // numbers: of networks_, of what is being removed, and of left_
  std::deque<Network> left_;  // could not be removed so far
  base::WorkThread thread_{"networks"};
};

}  // namespace berth::agentd
