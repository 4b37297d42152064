#include "api/open_calls.h"

namespace berth::api {
namespace {

wire::Refusal Stopping() {
  return {.code = absl::StatusCode::kUnavailable,
          .reason = Reason::kShuttingDown,
          .message = "berthd is shutting down; connect again in a moment"};
}

}  // namespace

void OpenCalls::Add(const std::shared_ptr<StreamingCall>& call) {
  {
    base::MutexLock lock(mutex_);
    calls_.insert(call);
    if (!ended_) return;
  }
  call->End(Stopping());
}

void OpenCalls::Remove(const std::shared_ptr<StreamingCall>& call) {
  base::MutexLock lock(mutex_);
  calls_.erase(call);
}

void OpenCalls::EndAll() {
  std::set<std::shared_ptr<StreamingCall>> calls;
  {
    base::MutexLock lock(mutex_);
    ended_ = true;
    calls = calls_;
  }
  for (const auto& call : calls) call->End(Stopping());
}

size_t OpenCalls::size() const {
  base::MutexLock lock(mutex_);
  return calls_.size();
}

}  // namespace berth::api
