#include "api/loop_port.h"

#include <utility>

#include "scheduler/loop.h"

namespace berth::api {
namespace {

class DirectLoopPort final : public LoopPort {
 public:
  explicit DirectLoopPort(scheduler::Loop& loop) : loop_(loop) {}

  absl::Status Post(state::CommandClass command_class, state::Command command,
                    ReplyCallback reply) override {
    return loop_.Post(command_class, std::move(command), std::move(reply));
  }
  scheduler::WatchHub& watches() override { return loop_.watches(); }
  std::shared_ptr<const scheduler::LoopSnapshot> snapshot() const override {
    return loop_.snapshot();
  }

 private:
  scheduler::Loop& loop_;
};

}  // namespace

std::unique_ptr<LoopPort> MakeLoopPort(scheduler::Loop& loop) {
  return std::make_unique<DirectLoopPort>(loop);
}

}  // namespace berth::api
