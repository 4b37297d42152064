#pragma once

#include <utility>

#include "agentd/channels/data_call.h"
#include "berth/v1/types.pb.h"

namespace berth::agentd {

// Says what an examination of the node has found.
class DiagnosisServer final : public ChannelServer {
 public:
  DiagnosisServer(DataCall& call, v1::Diagnosis diagnosis)
      : call_(call), diagnosis_(std::move(diagnosis)) {}

  void Begin() override { call_.ReadOn(); }
  void OnRoom() override {
    if (std::exchange(said_, true)) return call_.Finish();
    v1::DataFromAgent message;
    *message.mutable_diagnosis() = diagnosis_;
    call_.Send(std::move(message));
  }
  void OnFrame(v1::DataFromDaemon) override { call_.End(); }
  void OnGone() override {}
  [[nodiscard]] bool done() const override { return true; }

 private:
  DataCall& call_;
  const v1::Diagnosis diagnosis_;
  bool said_ = false;
};

}  // namespace berth::agentd
