#include "api/diagnose_call.h"

#include <utility>

#include "api/node_findings.h"
#include "base/strings.h"
#include "berth/v1/scheduler.pb.h"

namespace berth::api {

void DiagnoseCall::Start(wire::DataSource& data, uint64_t stream, const std::string& node,
                         v1::Diagnosis ours, PendingCallPtr call) {
  const std::shared_ptr<DiagnoseCall> self(new DiagnoseCall(std::move(ours), std::move(call)));
  wire::DataRequest request{.stream = stream, .node = node, .open = {}};
  request.open.mutable_diagnose();
  const std::shared_ptr<wire::DataChannel> channel = data.Open(request, self);
  {
    base::MutexLock lock(self->mutex_);
    self->channel_ = channel;
  }
  channel->Next();
}

void DiagnoseCall::OnFrame(v1::DataFromAgent frame) { Answer(frame.diagnosis()); }

void DiagnoseCall::OnEnd(absl::Status status, Reason) {
  v1::Diagnosis theirs;
  v1::Finding& finding = *theirs.add_findings();
  finding.set_level(v1::FINDING_LEVEL_BAD);
  finding.set_subject("agent");
  finding.set_text("its agent does not say how it is: " +
                   (status.ok() ? std::string("it ended the channel; it may be of an older version")
                                : base::S(status.message())));
  Answer(theirs);
}

void DiagnoseCall::Answer(const v1::Diagnosis& theirs) {
  std::shared_ptr<wire::DataChannel> channel;
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(answered_, true)) return;
    channel.swap(channel_);
  }
  v1::DiagnoseNodeResponse response;
  *response.mutable_diagnosis() = ours_;
  response.mutable_diagnosis()->MergeFrom(theirs);
  SortFindings(*response.mutable_diagnosis());
  call_->Answer(response);
  if (channel != nullptr) channel->Close();
}

}  // namespace berth::api
