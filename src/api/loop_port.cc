#include "api/loop_port.h"

#include <utility>

#include "scheduler/loop.h"
#include "wire/refusal.h"

namespace berth::api {
namespace {

class DirectLoopPort final : public LoopPort {
 public:
  DirectLoopPort(scheduler::Loop& loop, std::function<absl::Status()> check_room)
      : loop_(loop), check_room_(std::move(check_room)) {}

  absl::Status Post(state::CommandClass command_class, state::Command command,
                    ReplyCallback reply) override {
    // What goes on in the cluster still lands; only what is new is turned away.
    if (command_class == state::CommandClass::kSubmissions && check_room_) {
      if (absl::Status room = check_room_(); !room.ok()) {
        return wire::WithReason(std::move(room), Reason::kDiskFull);
      }
    }
    return loop_.Post(command_class, std::move(command), std::move(reply));
  }
  scheduler::WatchHub& watches() override { return loop_.watches(); }
  std::shared_ptr<const scheduler::LoopSnapshot> snapshot() const override {
    return loop_.snapshot();
  }

 private:
  scheduler::Loop& loop_;
  const std::function<absl::Status()> check_room_;
};

}  // namespace

std::unique_ptr<LoopPort> MakeLoopPort(scheduler::Loop& loop,
                                       std::function<absl::Status()> check_room) {
  return std::make_unique<DirectLoopPort>(loop, std::move(check_room));
}

}  // namespace berth::api
