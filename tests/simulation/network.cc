#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace berth::simulation {

void Stream::Push(Direction direction, std::string bytes) {
  End& end = ends_[direction];
  if (end.closed) return;
  const int64_t ready = std::max(
      end.last_ready_us, context_.events.now_us() + context_.Between(50, route_.slowest_us));
  end.last_ready_us = ready;
  end.items.push_back({ready, std::move(bytes), false});
  Kick(direction);
}

void Stream::CloseFrom(Direction here, Direction there) {
  ends_[here].receiver = {};
  ends_[here].told = true;
  ends_[here].closed = true;
  CloseDirection(there);
}

void Stream::CloseDirection(Direction direction) {
  End& end = ends_[direction];
  if (end.closed) return;
  end.closed = true;
  const auto keeps = static_cast<size_t>(context_.rng.Uniform(end.items.size() + 1));
  end.items.resize(keeps);
  const int64_t ready = std::max(
      end.last_ready_us, context_.events.now_us() + context_.Between(50, route_.slowest_us));
  end.items.push_back({ready, {}, true});
  Kick(direction);
}

std::deque<std::string> Stream::TakeLingering() {
  std::deque<std::string> lingering;
  for (Item& item : ends_[kDown].items) {
    if (!item.is_close) lingering.push_back(item.bytes);
  }
  return lingering;
}

void Stream::Kick(Direction direction) {
  End& end = ends_[direction];
  if (end.planned || end.items.empty() || end.paused || IsCut(direction)) return;
  end.planned = true;
  context_.events.At(end.items.front().ready_us, [self = shared_from_this(), direction] {
    self->ends_[direction].planned = false;
    self->Deliver(direction);
  });
}

void Stream::Deliver(Direction direction) {
  End& end = ends_[direction];
  if (end.items.empty() || end.paused || IsCut(direction)) return;
  const Item item = std::move(end.items.front());
  end.items.pop_front();
  if (item.is_close) {
    if (!std::exchange(end.told, true) && end.receiver.on_closed) {
      const Receiver receiver = std::exchange(end.receiver, {});
      receiver.on_closed();
    }
    return;
  }
  if (route_.duplicates_of_thousand > 0 && context_.Chance(route_.duplicates_of_thousand)) {
    context_.Fault("a message comes twice");
    // At once, or out of some buffer much later.
    const int64_t later_us = context_.Chance(500) ? 0 : context_.Between(0, 60'000'000);
    context_.events.After(later_us, [self = shared_from_this(), direction, bytes = item.bytes] {
      const auto again = self->ends_[direction].receiver.on_message;
      if (again) again(bytes);
    });
  }
  // A copy: what is called may end the stream.
  const auto on_message = end.receiver.on_message;
  if (on_message) on_message(item.bytes);
  Kick(direction);
}

}  // namespace berth::simulation
