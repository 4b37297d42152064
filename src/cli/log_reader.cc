#include "cli/log_reader.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/quantities.h"
#include "cli/patience.h"
#include "cli/rpc_status.h"

namespace berth::cli {
namespace {

std::string Words(int64_t bytes) { return base::FormatBytes(bytes, base::Rounding::kDown); }

std::string StreamName(bool is_stderr) { return is_stderr ? "standard error" : "standard output"; }

}  // namespace

absl::Status LogReader::Read(v1::LogsRequest request) {
  wants_tail_ = request.has_tail_bytes();
  Patience patience(clock_);
  while (true) {
    heard_ = false;
    const absl::Status status = ReadLeg(request);
    if (over_) return absl::OkStatus();
    if (status.ok()) {
      TellOfShortTail(request);
      TellWhyNothingCame(request);
    }
    if (status.ok() || !request.follow() || !IsPassing(status)) return status;
    // Where it goes on is known by the offsets now.
    if (streams_[0].next + streams_[1].next > 0) request.clear_tail_bytes();
    if (heard_) patience.Renew();
    patience.Miss();
    if (patience.IsOver()) return status;
    std::this_thread::sleep_for(kRetryPause);
  }
}

void LogReader::Cancel() {
  base::MutexLock lock(mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

absl::Status LogReader::ReadLeg(const v1::LogsRequest& request) {
  grpc::ClientContext context;
  client_.SetLogsDeadline(context);
  {
    base::MutexLock lock(mutex_);
    if (cancelled_) over_ = true;
    if (over_) return absl::OkStatus();
    context_ = &context;
  }
  const auto stream = client_.jobs().Logs(&context, request);
  v1::LogsResponse response;
  while (stream->Read(&response)) {
    // What is kept comes again and again: the node is still missed.
    if (!response.kept()) heard_ = true;
    if (over_ || Take(response)) continue;
    over_ = true;
    context.TryCancel();
  }
  const grpc::Status status = stream->Finish();
  base::MutexLock lock(mutex_);
  context_ = nullptr;
  if (cancelled_) over_ = true;
  return status.ok() ? absl::OkStatus() : client_.Explain(status);
}

bool LogReader::Take(v1::LogsResponse& response) {
  const bool is_stderr = response.stream() == v1::OUTPUT_STREAM_STDERR;
  Stream& stream = streams_[is_stderr];
  if (!TellOfGap(response)) return false;
  std::string data = std::move(*response.mutable_data());
  const int64_t end = response.offset() + static_cast<int64_t>(data.size());
  const int64_t known = std::max<int64_t>(stream.next - response.offset(), 0);
  if (known >= static_cast<int64_t>(data.size())) return true;
  data.erase(0, static_cast<size_t>(known));
  stream.seen += static_cast<int64_t>(data.size());
  stream.next = end;
  return take_({is_stderr, response.unix_ms(), std::move(data), {}});
}

bool LogReader::Tell(bool is_stderr, std::string what) {
  return take_({is_stderr, 0, {}, std::move(what)});
}

// Whatever a person sees is all that there is, unless they are told.
bool LogReader::TellOfGap(const v1::LogsResponse& response) {
  const bool is_stderr = response.stream() == v1::OUTPUT_STREAM_STDERR;
  Stream& stream = streams_[is_stderr];
  const int64_t gap = response.offset() - stream.next;
  if (gap > 0 && stream.seen == 0) stream.first = response.offset();
  if (response.kept()) {
    if (std::exchange(stream.kept, true)) return true;
    const auto size = static_cast<int64_t>(response.data().size());
    const std::string which = response.offset() == 0
                                  ? "all " + std::to_string(size) + " bytes"
                                  : "bytes " + std::to_string(response.offset()) + " to " +
                                        std::to_string(response.offset() + size);
    return Tell(is_stderr, "the node has it no more, or cannot be asked: this is the end of " +
                               StreamName(is_stderr) + " that berthd has kept, " + which);
  }
  if (gap <= 0) return true;
  if (stream.seen > 0) {
    return Tell(is_stderr, Words(gap) + " of " + StreamName(is_stderr) +
                               " are gone: the task wrote them faster than they were read, and " +
                               kNodeKeeps);
  }
  if (wants_tail_) return true;
  return Tell(is_stderr, "the first " + Words(gap) + " of " + StreamName(is_stderr) +
                             " are gone: " + kNodeKeeps);
}

// A tail that is shorter than asked for, while there was more before it.
void LogReader::TellOfShortTail(const v1::LogsRequest& request) {
  if (!wants_tail_ || request.follow()) return;
  for (const bool is_stderr : {false, true}) {
    const Stream& stream = streams_[is_stderr];
    if (stream.kept || stream.first == 0 || stream.seen >= request.tail_bytes()) continue;
    Tell(is_stderr, "only " + Words(stream.seen) + " of " + StreamName(is_stderr) +
                        " are left: " + kNodeKeeps);
  }
}

// Of the last attempt of a task, when it never ran.
void LogReader::TellWhyNothingCame(const v1::LogsRequest& request) {
  if (streams_[0].next + streams_[1].next > 0 || request.previous() ||
      request.id().find('#') != std::string::npos) {
    return;
  }
  v1::GetTaskRequest of;
  of.set_task_id(request.id());
  const auto answer = client_.Call(client_.jobs(), &v1::JobService::Stub::GetTask, of);
  if (!answer.ok()) return;  // who asked has the answer already: there is nothing
  const v1::Task& task = answer->task();
  if (task.attempt().end() == v1::ATTEMPT_END_COULD_NOT_START) {
    Tell(true, "nothing was written: attempt " + task.attempt().id() +
                   " could not start: " + task.attempt().message());
  } else if (task.attempts() == 0) {
    Tell(true,
         "nothing was written: it has not been started; see 'berth explain " + request.id() + "'");
  }
}

}  // namespace berth::cli
