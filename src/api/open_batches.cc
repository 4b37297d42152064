#include "api/open_batches.h"

namespace berth::api {

std::shared_ptr<StreamingCall> OpenBatches::Take(const std::string& principal,
                                                 const std::string& batch_id,
                                                 const std::shared_ptr<StreamingCall>& call) {
  base::MutexLock lock(mutex_);
  return std::exchange(calls_[{principal, batch_id}], call);
}

void OpenBatches::Leave(const std::string& principal, const std::string& batch_id,
                        const StreamingCall* call) {
  base::MutexLock lock(mutex_);
  const auto it = calls_.find({principal, batch_id});
  if (it != calls_.end() && it->second.get() == call) calls_.erase(it);
}

}  // namespace berth::api
