#include "api/job_service.h"

#include <optional>
#include <utility>
#include <variant>

#include "api/convert.h"
#include "api/errors.h"
#include "api/ids.h"
#include "api/list_request.h"
#include "api/logs_call.h"
#include "api/pending_call.h"
#include "api/refused_call.h"
#include "api/relay_call.h"
#include "api/submission.h"
#include "base/logging.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "wire/message_buffer.h"
#include "wire/names.h"

namespace berth::api {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using state::CommandClass;
using state::Principal;

constexpr int kMostCancelled = 1000;
constexpr size_t kMostMessageBytes = 1 << 10;
constexpr size_t kMostRequestIdBytes = 64;
constexpr int32_t kMostTop = 50;
constexpr int32_t kUsualTop = 5;

std::optional<wire::Refusal> CheckNamespace(const std::string& ns) {
  if (ns.empty() || wire::kNamespaceName.matches(ns)) return std::nullopt;
  return InvalidField("namespace", std::string("must match ") + wire::kNamespaceName.pattern);
}

std::optional<wire::Refusal> CheckRequestId(const std::string& id) {
  wire::Violations violations;
  wire::CheckText(id, kMostRequestIdBytes, wire::FieldPath("request_id"), violations);
  if (violations.empty()) return std::nullopt;
  return wire::RefusalOf(violations);
}

}  // namespace

JobService::JobService(const ServiceParts& parts, wire::DataSource& data, BlobReader blobs,
                       const Options& options)
    : parts_(parts),
      data_(data),
      blobs_(std::move(blobs)),
      options_(options),
      admission_(options.admission) {}

void JobService::SetAdmission(const AdmissionOptions& options) {
  base::MutexLock lock(mutex_);
  admission_ = options;
}

AdmissionOptions JobService::admission() const {
  base::MutexLock lock(mutex_);
  return admission_;
}

grpc::ServerUnaryReactor* JobService::SubmitJob(CallbackServerContext* context,
                                                const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::SubmitJobRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::SubmitJobRequest request, PendingCallPtr call) {
        if (const auto refusal = CheckRequestId(request.request_id())) {
          return call->Refuse(*refusal);
        }
        if (!request.has_job()) return call->Refuse(InvalidField("job", "is required"));
        std::string body_hash;
        if (!request.request_id().empty()) {
          body_hash = base::Sha256Hex(wire::DeterministicBytes(request.job()));
        }
        auto made = MakeSubmission(std::move(*request.mutable_job()), principal, admission());
        if (const auto* refusal = std::get_if<wire::Refusal>(&made)) return call->Refuse(*refusal);
        auto& submission = std::get<Submission>(made);
        submission.command.request_id = request.request_id();
        submission.command.body_hash = std::move(body_hash);
        const absl::Status posted = parts_.loop.Post(
            CommandClass::kSubmissions,
            {.principal = std::move(principal), .body = std::move(submission.command)},
            [call, notes = std::move(submission.notes)](const scheduler::Reply& reply) {
              if (!reply.status.ok()) return call->Refuse(SubmissionRefusal(reply));
              call->Answer(
                  SubmissionAnswer(reply, std::get<scheduler::SubmitReply>(reply.body), notes));
            });
        if (!posted.ok()) call->Refuse(wire::RefusalOf(posted));
      });
}

grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* JobService::SubmitJobs(
    CallbackServerContext* context) {
  return BatchCall::Start({.loop = parts_.loop,
                           .authorizer = parts_.authorizer,
                           .answers = parts_.answers,
                           .open_calls = parts_.open_calls,
                           .batches = batches_,
                           .admission = admission(),
                           .limits = options_.batches},
                          context);
}

absl::Status JobService::FillInSpec(const state::JobSpec& spec, v1::Job& job) const {
  const auto blob = blobs_(spec.blob.Hex());
  if (!blob.ok()) return blob.status();
  if (!job.mutable_spec()->ParseFromString(**blob)) {
    return absl::DataLossError("the content of blob " + spec.blob.Hex() + " is no specification");
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* JobService::GetJob(CallbackServerContext* context, const ByteBuffer* in,
                                             ByteBuffer* out) {
  return ReceiveCall<v1::GetJobRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::GetJobRequest request, PendingCallPtr call) {
        const auto job = ParseJobId(request.job_id());
        if (!job.ok()) {
          return call->Refuse(InvalidField("job_id", base::S(job.status().message())));
        }
        AskAtLength<scheduler::JobReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal), .body = state::GetJob{*job}}, std::move(call),
            [this](const scheduler::Reply& reply, const scheduler::JobReply& body) {
              v1::GetJobResponse response;
              *response.mutable_job() = ToProto(body.job, SpecPart::kLeftOut);
              response.set_epoch(reply.epoch);
              const absl::Status filled = FillInSpec(*body.job.spec, *response.mutable_job());
              if (!filled.ok()) {
                // Gone between the answer and here, with its job; or the store is damaged.
                BERTH_LOG_WARN("job {}: its specification cannot be read: {}", body.job.id.value,
                               filled.ToString());
                *response.mutable_job()->mutable_spec() = ToProto(*body.job.spec);
              }
              return response;
            });
      });
}

grpc::ServerUnaryReactor* JobService::ListJobs(CallbackServerContext* context, const ByteBuffer* in,
                                               ByteBuffer* out) {
  return ReceiveCall<v1::ListJobsRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::ListJobsRequest request, PendingCallPtr call) {
        PageRequest page;
        if (const auto refusal = ReadPage(request, page)) return call->Refuse(*refusal);
        if (const auto refusal = CheckNamespace(request.namespace_())) {
          return call->Refuse(*refusal);
        }
        state::ListJobs command;
        for (int i = 0; i < request.states_size(); ++i) {
          if (!v1::JobState_IsValid(request.states(i)) ||
              request.states(i) == v1::JOB_STATE_UNSPECIFIED) {
            return call->Refuse(
                InvalidField("states[" + std::to_string(i) + "]", "is no state of a job"));
          }
          command.states.push_back(static_cast<state::JobState>(request.states(i)));
        }
        command.ns = request.namespace_();
        command.page_size = page.size;
        command.newest_first = request.newest_first();
        command.after = page.token.after.job;
        command.first_epoch = page.token.first_epoch;
        AskAtLength<scheduler::JobsReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal), .body = std::move(command)}, std::move(call),
            [list = page.list](const scheduler::Reply&, const scheduler::JobsReply& body) {
              v1::ListJobsResponse response;
              for (const state::JobView& job : body.jobs) *response.add_jobs() = ToProto(job);
              response.set_epoch(body.first_epoch);
              if (body.more) {
                response.set_next_page_token(EncodePageToken(
                    {.first_epoch = body.first_epoch, .after = {.job = body.after}}, list));
              }
              return response;
            });
      });
}

grpc::ServerUnaryReactor* JobService::GetTask(CallbackServerContext* context, const ByteBuffer* in,
                                              ByteBuffer* out) {
  return ReceiveCall<v1::GetTaskRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::GetTaskRequest request, PendingCallPtr call) {
        const auto object = ParseObjectRef(request.task_id(), Attempts::kRefused);
        if (!object.ok()) {
          return call->Refuse(InvalidField("task_id", base::S(object.status().message())));
        }
        Ask<scheduler::TaskReply>(
            parts_.loop, CommandClass::kOperators,
            {.principal = std::move(principal), .body = state::GetTask{*object}}, std::move(call),
            [](const scheduler::Reply& reply, const scheduler::TaskReply& body) {
              const state::TaskRow& row = body.task.row;
              v1::GetTaskResponse response;
              *response.mutable_task() = ToProto(body.task);
              response.set_epoch(reply.epoch);
              for (const state::AttemptRow& past : row.past) {
                *response.add_attempts() = ToProto(body.task, past);
              }
              if (row.attempt.number != 0) {
                *response.add_attempts() = ToProto(body.task, row.attempt);
              }
              return response;
            });
      });
}

grpc::ServerUnaryReactor* JobService::ListTasks(CallbackServerContext* context,
                                                const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::ListTasksRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::ListTasksRequest request, PendingCallPtr call) {
        PageRequest page;
        if (const auto refusal = ReadPage(request, page)) return call->Refuse(*refusal);
        if (const auto refusal = CheckNamespace(request.namespace_())) {
          return call->Refuse(*refusal);
        }
        state::ListTasks command;
        if (!request.job_id().empty()) {
          const auto job = ParseJobId(request.job_id());
          if (!job.ok()) {
            return call->Refuse(InvalidField("job_id", base::S(job.status().message())));
          }
          command.job = *job;
        }
        for (int i = 0; i < request.states_size(); ++i) {
          if (!v1::TaskState_IsValid(request.states(i)) ||
              request.states(i) == v1::TASK_STATE_UNSPECIFIED) {
            return call->Refuse(
                InvalidField("states[" + std::to_string(i) + "]", "is no state of a task"));
          }
          command.states.push_back(static_cast<state::TaskState>(request.states(i)));
        }
        command.ns = request.namespace_();
        command.page_size = page.size;
        if (!page.first) command.after = page.token.after;
        command.first_epoch = page.token.first_epoch;
        AskAtLength<scheduler::TasksReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal), .body = std::move(command)}, std::move(call),
            [list = page.list](const scheduler::Reply&, const scheduler::TasksReply& body) {
              v1::ListTasksResponse response;
              for (const state::TaskStatusView& task : body.tasks) {
                *response.add_tasks() = ToProto(task);
              }
              response.set_epoch(body.first_epoch);
              if (body.more) {
                response.set_next_page_token(
                    EncodePageToken({.first_epoch = body.first_epoch, .after = body.after}, list));
              }
              return response;
            });
      });
}

grpc::ServerWriteReactor<ByteBuffer>* JobService::Watch(CallbackServerContext* context,
                                                        const ByteBuffer* in) {
  return WatchCall::Start({.loop = parts_.loop,
                           .authorizer = parts_.authorizer,
                           .answers = parts_.answers,
                           .open_calls = parts_.open_calls,
                           .limits = options_.watches},
                          context, in);
}

grpc::ServerUnaryReactor* JobService::Cancel(CallbackServerContext* context, const ByteBuffer* in,
                                             ByteBuffer* out) {
  return ReceiveCall<v1::CancelRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::CancelRequest request, PendingCallPtr call) {
        if (const auto refusal = CheckRequestId(request.request_id())) {
          return call->Refuse(*refusal);
        }
        if (request.ids_size() == 0 || request.ids_size() > kMostCancelled) {
          return call->Refuse(
              InvalidField("ids", "has " + std::to_string(request.ids_size()) + " entries; 1 to " +
                                      std::to_string(kMostCancelled) + " are allowed"));
        }
        wire::Violations violations;
        wire::CheckProse(request.message(), kMostMessageBytes, wire::FieldPath("message"),
                         violations);
        state::Cancel command;
        for (int i = 0; i < request.ids_size(); ++i) {
          auto object = ParseObjectRef(request.ids(i), Attempts::kRefused);
          if (object.ok()) {
            command.objects.push_back(*std::move(object));
          } else {
            violations.Add(wire::FieldPath(wire::FieldPath::Root(), "ids", i),
                           base::S(object.status().message()));
          }
        }
        if (!violations.empty()) return call->Refuse(wire::RefusalOf(violations));
        command.message = request.message();
        command.request_id = request.request_id();
        if (!request.request_id().empty()) {
          v1::CancelRequest body = request;
          body.clear_request_id();
          command.body_hash = base::Sha256Hex(wire::DeterministicBytes(body));
        }
        Ask<scheduler::CancelReply>(
            parts_.loop, CommandClass::kOperators,
            {.principal = std::move(principal), .body = std::move(command)}, std::move(call),
            [ids = request.ids()](const scheduler::Reply& reply,
                                  const scheduler::CancelReply& body) {
              v1::CancelResponse response;
              for (size_t i = 0; i < body.results.size(); ++i) {
                v1::CancelResult& result = *response.add_results();
                result.set_id(ids[static_cast<int>(i)]);
                result.set_tasks(body.results[i].tasks);
                result.set_reason(static_cast<v1::ReasonCode>(body.results[i].reason));
              }
              response.set_epoch(reply.epoch);
              return response;
            });
      });
}

grpc::ServerUnaryReactor* JobService::Explain(CallbackServerContext* context, const ByteBuffer* in,
                                              ByteBuffer* out) {
  return ReceiveCall<v1::ExplainRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::ExplainRequest request, PendingCallPtr call) {
        const auto object = ParseObjectRef(request.id(), Attempts::kRefused);
        if (!object.ok()) {
          return call->Refuse(InvalidField("id", base::S(object.status().message())));
        }
        const int32_t top = request.has_top() ? request.top() : kUsualTop;
        if (top < 0 || top > kMostTop) {
          return call->Refuse(InvalidField("top", "is " + std::to_string(top) + "; 0 to " +
                                                      std::to_string(kMostTop) + " is allowed"));
        }
        AskAtLength<scheduler::ExplainReply>(
            parts_, CommandClass::kOperators,
            {.principal = std::move(principal), .body = state::Explain{*object, top}},
            std::move(call),
            [](const scheduler::Reply& reply, const scheduler::ExplainReply& body) {
              v1::ExplainResponse response;
              *response.mutable_explanation() = ToProto(body);
              response.mutable_explanation()->set_as_of_epoch(reply.epoch);
              return response;
            });
      });
}

grpc::ServerUnaryReactor* JobService::Plan(CallbackServerContext* context, const ByteBuffer* in,
                                           ByteBuffer* out) {
  return ReceiveCall<v1::PlanRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::PlanRequest request, PendingCallPtr call) {
        const int32_t top = request.has_top() ? request.top() : kUsualTop;
        if (top < 0 || top > kMostTop) {
          return call->Refuse(InvalidField("top", "is " + std::to_string(top) + "; 0 to " +
                                                      std::to_string(kMostTop) + " is allowed"));
        }
        auto made = MakeSubmission(std::move(*request.mutable_job()), principal, admission());
        if (const auto* refusal = std::get_if<wire::Refusal>(&made)) return call->Refuse(*refusal);
        auto& submission = std::get<Submission>(made);
        const absl::Status posted = parts_.loop.Post(
            CommandClass::kOperators,
            {.principal = std::move(principal),
             .body = state::PlanJob{.spec = std::move(submission.command.spec),
                                    .features = std::move(submission.command.features),
                                    .top = top}},
            [call, &answers = parts_.answers,
             notes = std::move(submission.notes)](scheduler::Reply reply) {
              if (!reply.status.ok()) return call->Refuse(SubmissionRefusal(reply));
              const auto shared = std::make_shared<const scheduler::Reply>(std::move(reply));
              answers.Post([call, shared, notes] {
                call->Answer(
                    PlanAnswer(*shared, std::get<scheduler::PlanReply>(shared->body), notes));
              });
            });
        if (!posted.ok()) call->Refuse(wire::RefusalOf(posted));
      });
}

grpc::ServerWriteReactor<ByteBuffer>* JobService::Logs(CallbackServerContext* context,
                                                       const ByteBuffer* in) {
  return LogsCall::Start({.loop = parts_.loop,
                          .authorizer = parts_.authorizer,
                          .answers = parts_.answers,
                          .open_calls = parts_.open_calls,
                          .data = data_,
                          .tails = parts_.tails},
                         context, in);
}

// ---- relayed to agents ----

RelayCall::Surroundings JobService::AroundRelays() {
  return {.loop = parts_.loop,
          .authorizer = parts_.authorizer,
          .answers = parts_.answers,
          .open_calls = parts_.open_calls,
          .data = data_};
}

grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* JobService::Exec(CallbackServerContext* context) {
  return RelayCall::ForBoth(AroundRelays(), InterpretExec(), context);
}

grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* JobService::Attach(
    CallbackServerContext* context) {
  return RelayCall::ForBoth(AroundRelays(), InterpretAttach(), context);
}

grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* JobService::Forward(
    CallbackServerContext* context) {
  return RelayCall::ForBoth(AroundRelays(), InterpretForward(), context);
}

grpc::ServerWriteReactor<ByteBuffer>* JobService::ReadFile(CallbackServerContext* context,
                                                           const ByteBuffer* in) {
  return RelayCall::ForReader(AroundRelays(), InterpretReadFile(), context, in);
}

grpc::ServerReadReactor<ByteBuffer>* JobService::WriteFile(CallbackServerContext* context,
                                                           ByteBuffer* out) {
  return RelayCall::ForWriter(AroundRelays(), InterpretWriteFile(), context, out);
}

}  // namespace berth::api
