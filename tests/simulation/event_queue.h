// Virtual time: what happens next, and nothing else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace berth::simulation {

// Events in order of time, then of being planned.
class EventQueue {
 public:
  using Callback = std::function<void()>;

  // Microseconds since the simulation began: the time of the world outside of every machine.
  int64_t now_us() const { return now_us_; }

  void At(int64_t at_us, Callback callback) {
    heap_.push_back({std::max(at_us, now_us_), next_++, std::move(callback)});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  void After(int64_t delay_us, Callback callback) { At(now_us_ + delay_us, std::move(callback)); }

  bool empty() const { return heap_.empty(); }
  int64_t next_us() const { return heap_.front().at_us; }

  // Lets the next event happen. REQUIRES: !empty().
  void Step() {
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    Event event = std::move(heap_.back());
    heap_.pop_back();
    now_us_ = event.at_us;
    event.callback();
  }

 private:
  struct Event {
    int64_t at_us;
    uint64_t number;
    Callback callback;
  };
  static bool Later(const Event& a, const Event& b) {
    return a.at_us != b.at_us ? a.at_us > b.at_us : a.number > b.number;
  }

  std::vector<Event> heap_;
  int64_t now_us_ = 0;
  uint64_t next_ = 0;
};

}  // namespace berth::simulation
