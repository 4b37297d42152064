// Which stream a batch of submissions belongs to.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "api/open_calls.h"
#include "base/mutex.h"

namespace berth::api {

// A batch belongs to the stream that named it last. A client whose connection broke comes with a
// new stream while berthd may still read what the old one has brought: the old one must have
// posted its last item before the new one asks where the batch stands.
//
// Threading: any thread.
class OpenBatches {
 public:
  // Gives the batch to `call`; returns the call that had it, which is to be ended. Null: none.
  std::shared_ptr<StreamingCall> Take(const std::string& principal, const std::string& batch_id,
                                      const std::shared_ptr<StreamingCall>& call);
  // Nothing happens when the batch is another call's by now.
  void Leave(const std::string& principal, const std::string& batch_id, const StreamingCall* call);

 private:
  base::Mutex mutex_;
  // By name of the principal and batch_id.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<StreamingCall>> calls_
      BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::api
