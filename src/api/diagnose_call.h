// One DiagnoseNode call, when the node's agent is asked too.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/pending_call.h"
#include "base/mutex.h"
#include "berth/v1/types.pb.h"
#include "wire/data_source.h"

namespace berth::api {

// Asks the agent for what it finds, puts it beside what berthd has found, and answers. An agent
// that does not say is a finding too.
//
// Lifetime: the channel's and its own, until it has answered.
class DiagnoseCall final : public wire::DataReceiver,
                           public std::enable_shared_from_this<DiagnoseCall> {
 public:
  // `ours`: what berthd has found.
  static void Start(wire::DataSource& data, uint64_t stream, const std::string& node,
                    v1::Diagnosis ours, PendingCallPtr call);

  void OnFrame(v1::DataFromAgent frame) override;
  void OnEnd(absl::Status status, Reason reason) override;

 private:
  DiagnoseCall(v1::Diagnosis ours, PendingCallPtr call)
      : ours_(std::move(ours)), call_(std::move(call)) {}

  // Once; later ones are too late.
  void Answer(const v1::Diagnosis& theirs);

  const v1::Diagnosis ours_;
  const PendingCallPtr call_;
  base::Mutex mutex_;
  bool answered_ BERTH_GUARDED_BY(mutex_) = false;
  std::shared_ptr<wire::DataChannel> channel_ BERTH_GUARDED_BY(mutex_);
};

}  // namespace berth::api
