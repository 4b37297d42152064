// The network between a node and the daemon's machine.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "tests/simulation/context.h"

namespace berth::simulation {

// The way between one node and the daemon. A cut way keeps what is on it, as TCP does, until it is
// whole again or the connection is given up.
struct Route {
  bool up_is_cut = false;    // from the node to the daemon
  bool down_is_cut = false;  // from the daemon to the node
  int64_t slowest_us = 2'000;
  int duplicates_of_thousand = 0;
};

// One connection with one stream on it. Each direction keeps its order, and loses only a tail, when
// the connection breaks; a message may come twice.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  struct Receiver {
    std::function<void(const std::string& bytes)> on_message;
    std::function<void()> on_closed;  // once
  };

  Stream(Context& context, Route& route) : context_(context), route_(route) {}

  void set_daemon(Receiver receiver) { ends_[kUp].receiver = std::move(receiver); }
  void set_agent(Receiver receiver) { ends_[kDown].receiver = std::move(receiver); }

  void SendUp(std::string bytes) { Push(kUp, std::move(bytes)); }
  void SendDown(std::string bytes) { Push(kDown, std::move(bytes)); }

  // The agent's side goes: a part of what it has sent still arrives, then the daemon sees the end.
  void CloseFromAgent() { CloseFrom(kDown, kUp); }
  void CloseFromDaemon() { CloseFrom(kUp, kDown); }
  // Both sides see the end, each after a part of what was on the way.
  void Break() {
    CloseDirection(kUp);
    CloseDirection(kDown);
  }

  // The daemon reads no more until Resume.
  void PauseUp() { ends_[kUp].paused = true; }
  void ResumeUp() {
    ends_[kUp].paused = false;
    Kick(kUp);
  }
  // The route has changed.
  void Kick() {
    Kick(kUp);
    Kick(kDown);
  }

  // What the daemon said and the agent has not got: it may linger somewhere.
  std::deque<std::string> TakeLingering();

 private:
  enum Direction { kUp = 0, kDown = 1 };
  struct Item {
    int64_t ready_us = 0;
    std::string bytes;
    bool is_close = false;
  };
  struct End {
    Receiver receiver;
    std::deque<Item> items;
    int64_t last_ready_us = 0;
    bool planned = false;
    bool paused = false;
    bool closed = false;  // nothing more is taken in
    bool told = false;    // on_closed was called
  };

  bool IsCut(Direction direction) const {
    return direction == kUp ? route_.up_is_cut : route_.down_is_cut;
  }
  void Push(Direction direction, std::string bytes);
  // `here` is the direction in which this side listens.
  void CloseFrom(Direction here, Direction there);
  void CloseDirection(Direction direction);
  void Kick(Direction direction);
  void Deliver(Direction direction);

  Context& context_;
  Route& route_;
  End ends_[2];
};

}  // namespace berth::simulation
