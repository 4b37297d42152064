#include "agentd/latency/peer_latencies.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/logging.h"

namespace berth::agentd {
namespace {

constexpr size_t kMostAnswers = 5;
constexpr size_t kLeastAnswers = 3;
constexpr int kMostMissed = 3;
constexpr uint8_t kEchoRequest6 = 128;
constexpr uint8_t kEchoReply6 = 129;

// As on the wire, for both protocols.
struct Echo {
  uint8_t type = 0;
  uint8_t code = 0;
  uint16_t checksum = 0;
  uint16_t identifier = 0;
  uint16_t sequence = 0;
  uint8_t padding[48] = {};  // as long as what ping sends
};

uint16_t Checksum(const Echo& echo) {
  uint16_t words[sizeof(Echo) / 2];
  std::memcpy(words, &echo, sizeof(echo));
  uint32_t sum = 0;
  for (const uint16_t word : words) sum += word;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

int64_t NowUs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

PeerLatencies::PeerLatencies(EventLoop& loop, const base::Clock& clock)
    : loop_(loop), clock_(clock), identifier_(static_cast<uint16_t>(getpid())) {}

PeerLatencies::~PeerLatencies() {
  for (const Socket* socket : {&v4_, &v6_}) {
    if (socket->fd.valid()) loop_.Unwatch(socket->fd.get());
  }
}

void PeerLatencies::SetPeers(const v1::Peers& peers) {
  std::map<std::string, Peer> before = std::exchange(peers_, {});
  for (const v1::Peer& peer : peers.peers()) {
    const auto known = before.find(peer.node());
    if (known != before.end() && known->second.address == peer.address()) {
      peers_.insert(before.extract(known));
    } else {
      peers_[peer.node()].address = peer.address();
    }
  }
  if (!peers_.empty() && !std::exchange(runs_, true)) Round();
}

std::vector<v1::PeerLatency> PeerLatencies::Known() const {
  std::vector<v1::PeerLatency> known;
  for (const auto& [node, peer] : peers_) {
    const bool silent = peer.missed >= kMostMissed;
    if (!silent && peer.answers_us.size() < kLeastAnswers) continue;
    v1::PeerLatency& latency = known.emplace_back();
    latency.set_node(node);
    if (silent) continue;
    std::vector<int64_t> sorted(peer.answers_us.begin(), peer.answers_us.end());
    std::sort(sorted.begin(), sorted.end());
    latency.set_round_trip_us(std::max<int64_t>(1, sorted[sorted.size() / 2]));
  }
  return known;
}

void PeerLatencies::Round() {
  if (peers_.empty()) {
    runs_ = false;
    return;
  }
  for (auto& [node, peer] : peers_) Ask(peer);
  loop_.At(clock_.MonotonicMs() + kPeriodMs, [this] { Round(); });
}

void PeerLatencies::Ask(Peer& peer) {
  if (peer.waits_for != 0) {
    if (++peer.missed >= kMostMissed) peer.answers_us.clear();
    peer.waits_for = 0;
  }
  sockaddr_in v4 = {};
  sockaddr_in6 v6 = {};
  const sockaddr* to = nullptr;
  socklen_t size = 0;
  if (inet_pton(AF_INET, peer.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    to = reinterpret_cast<const sockaddr*>(&v4);
    size = sizeof(v4);
  } else if (inet_pton(AF_INET6, peer.address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    to = reinterpret_cast<const sockaddr*>(&v6);
    size = sizeof(v6);
  } else {
    return;
  }
  const Socket* socket = SocketOf(to->sa_family);
  if (socket == nullptr) return;
  if (++sequence_ == 0) ++sequence_;
  Echo echo;
  echo.type = to->sa_family == AF_INET ? ICMP_ECHO : kEchoRequest6;
  echo.identifier = htons(identifier_);
  echo.sequence = htons(sequence_);
  // The kernel does it for version 6.
  if (to->sa_family == AF_INET) echo.checksum = Checksum(echo);
  peer.waits_for = sequence_;
  peer.sent_us = NowUs();
  // What cannot be sent is not answered either.
  if (sendto(socket->fd.get(), &echo, sizeof(echo), 0, to, size) < 0) {
    BERTH_LOG_DEBUG("no echo to {}: errno {}", peer.address, errno);
  }
}

PeerLatencies::Socket* PeerLatencies::SocketOf(int family) {
  Socket& one = family == AF_INET ? v4_ : v6_;
  if (one.fd.valid()) return &one;
  if (one.failed) return nullptr;
  const int protocol = family == AF_INET ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  for (const int type : {SOCK_RAW, SOCK_DGRAM}) {
    one.fd.reset(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    if (!one.fd.valid()) continue;
    one.is_raw = type == SOCK_RAW;
    loop_.Watch(one.fd.get(), [this, family] { OnPacket(family); });
    return &one;
  }
  one.failed = true;
  BERTH_LOG_WARN("the time of travel to other nodes is not measured: no ICMP socket: {}",
                 strerrordesc_np(errno));
  return nullptr;
}

void PeerLatencies::OnPacket(int family) {
  const Socket& socket = family == AF_INET ? v4_ : v6_;
  char packet[2048];
  for (;;) {
    const ssize_t got = recv(socket.fd.get(), packet, sizeof(packet), 0);
    if (got < 0) return;
    size_t at = 0;
    if (family == AF_INET && socket.is_raw) {
      ip header;
      if (static_cast<size_t>(got) < sizeof(header)) continue;
      std::memcpy(&header, packet, sizeof(header));
      at = size_t{header.ip_hl} * 4;
    }
    Echo echo;
    if (static_cast<size_t>(got) < at + sizeof(echo)) continue;
    std::memcpy(&echo, packet + at, sizeof(echo));
    if (echo.type != (family == AF_INET ? ICMP_ECHOREPLY : kEchoReply6)) continue;
    if (socket.is_raw && ntohs(echo.identifier) != identifier_) continue;
    Answered(ntohs(echo.sequence));
  }
}

void PeerLatencies::Answered(uint16_t sequence) {
  for (auto& [node, peer] : peers_) {
    if (peer.waits_for != sequence || sequence == 0) continue;
    peer.waits_for = 0;
    peer.missed = 0;
    peer.answers_us.push_back(NowUs() - peer.sent_us);
    if (peer.answers_us.size() > kMostAnswers) peer.answers_us.pop_front();
    return;
  }
}

}  // namespace berth::agentd
