#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agentd/event_loop.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// Times of travel to a few other nodes and back, by ICMP echo: nothing listens for it there but the
// kernel.
//
// Every 10 s all peers are asked, without waiting in between. A time is the median of the last
// answers, so one that was held up says nothing; a peer that has not answered three times in a row
// has none.
//
// Threading: the loop's thread. Cost: a packet each way for each peer every 10 s. Errors: where the
// kernel gives no socket for it, or an address is none, nothing is known; said once in the log.
class PeerLatencies {
 public:
  static constexpr int64_t kPeriodMs = 10'000;

  // Both outlive it.
  PeerLatencies(EventLoop& loop, const base::Clock& clock);
  PeerLatencies(const PeerLatencies&) = delete;
  PeerLatencies& operator=(const PeerLatencies&) = delete;
  ~PeerLatencies();

  // Whom to ask from now on. What is known of those that stay is kept.
  void SetPeers(const v1::Peers& peers);

  // Of the peers that were asked long enough to say something, in order of name.
  [[nodiscard]] std::vector<v1::PeerLatency> Known() const;

 private:
  // Of one protocol.
  struct Socket {
    base::UniqueFd fd;
    bool is_raw = false;  // gets every packet, with its IP header
    bool failed = false;
  };

  struct Peer {
    std::string address;
    std::deque<int64_t> answers_us;
    int missed = 0;
    uint16_t waits_for = 0;  // sequence of the last request; 0: answered
    int64_t sent_us = 0;
  };

  void Round();
  void Ask(Peer& peer);
  Socket* SocketOf(int family);
  void OnPacket(int family);
  void Answered(uint16_t sequence);

  EventLoop& loop_;
  const base::Clock& clock_;
  Socket v4_;
  Socket v6_;
  const uint16_t identifier_;  // tells our answers from others' on a raw socket
  uint16_t sequence_ = 0;
  std::map<std::string, Peer> peers_;  // by node
  bool runs_ = false;                  // a round is planned
};

}  // namespace berth::agentd
