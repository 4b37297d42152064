#include "api/feature_service.h"

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "api/errors.h"
#include "api/ids.h"
#include "base/strings.h"
#include "wire/message_buffer.h"
#include "wire/names.h"

namespace berth::api {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using state::CommandClass;
using state::Principal;

constexpr size_t kMostCommentBytes = 1 << 10;
constexpr int kMostValues = 64;
constexpr size_t kMostTextBytes = 512;

wire::Refusal RefusalOfOff() {
  return wire::RefusalOf(absl::FailedPreconditionError(
      "features: this cluster does not read them; set features.enabled in berthd.yaml"));
}

std::optional<wire::Refusal> CheckComment(const std::string& comment) {
  wire::Violations violations;
  wire::CheckProse(comment, kMostCommentBytes, wire::FieldPath("comment"), violations);
  if (violations.empty()) return std::nullopt;
  return wire::RefusalOf(violations);
}

bool IsNumberField(v1::FeatureField field) {
  switch (field) {
    case v1::FEATURE_FIELD_CPU:
    case v1::FEATURE_FIELD_MEMORY:
    case v1::FEATURE_FIELD_STORAGE:
    case v1::FEATURE_FIELD_GPUS:
    case v1::FEATURE_FIELD_GPU_MEMORY:
    case v1::FEATURE_FIELD_MODEL_MEMORY:
    case v1::FEATURE_FIELD_DURATION:
    case v1::FEATURE_FIELD_PARALLELISM:
      return true;
    default:
      return false;
  }
}

// A field has a value of its kind, and nothing but that is kept.
std::optional<wire::Refusal> CheckValues(const v1::CorrectFeaturesRequest& request) {
  wire::Violations violations;
  const wire::FieldPath path("values");
  if (request.values_size() == 0) violations.Add(path, "says nothing: name at least one value");
  if (request.values_size() > kMostValues) {
    violations.Add(path, "has " + std::to_string(request.values_size()) + " entries; at most " +
                             std::to_string(kMostValues) + " are allowed");
    return wire::RefusalOf(violations);
  }
  for (int i = 0; i < request.values_size(); ++i) {
    const v1::FeatureValue& value = request.values(i);
    const wire::FieldPath entry(wire::FieldPath::Root(), "values", i);
    if (!v1::FeatureField_IsValid(value.field()) ||
        value.field() == v1::FEATURE_FIELD_UNSPECIFIED) {
      violations.Add(wire::FieldPath(entry, "field"), "is no field that this version knows");
    } else if (IsNumberField(value.field())) {
      if (!value.has_number() || value.number() < 0) {
        violations.Add(wire::FieldPath(entry, "number"), "is required, and at least 0");
      }
    } else if (value.field() == v1::FEATURE_FIELD_COMPUTATION_CLASS) {
      if (!value.has_weights()) violations.Add(wire::FieldPath(entry, "weights"), "is required");
    } else if (!value.has_text() || value.text().empty()) {
      violations.Add(wire::FieldPath(entry, "text"), "is required");
    }
    if (value.has_text()) {
      wire::CheckText(value.text(), kMostTextBytes, wire::FieldPath(entry, "text"), violations);
    }
  }
  if (violations.empty()) return std::nullopt;
  return wire::RefusalOf(violations);
}

std::optional<uint32_t> GroupNumber(const state::JobSpec& spec, const std::string& name) {
  for (uint32_t g = 0; g < spec.groups.size(); ++g) {
    if (spec.groups[g].name == name) return g;
  }
  return spec.groups.size() == 1 && name.empty() ? std::optional<uint32_t>(0) : std::nullopt;
}

}  // namespace

grpc::ServerUnaryReactor* FeatureService::ShowFeatures(CallbackServerContext* context,
                                                       const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::ShowFeaturesRequest>(
      parts_.authorizer, context, in, out,
      [&](Principal principal, v1::ShowFeaturesRequest request, PendingCallPtr call) {
        if (books_ == nullptr) return call->Refuse(RefusalOfOff());
        const auto job = ParseJobId(request.job_id());
        if (!job.ok()) {
          return call->Refuse(InvalidField("job_id", base::S(job.status().message())));
        }
        const absl::Status posted =
            parts_.loop.Post(CommandClass::kOperators,
                             {.principal = std::move(principal), .body = state::GetJob{*job}},
                             [this, call](scheduler::Reply reply) {
                               // Reading takes a while: not on the releasing thread.
                               parts_.answers.Post([this, call, reply = std::move(reply)] {
                                 if (!reply.status.ok()) return call->Refuse(RefusalOf(reply));
                                 const auto& body = std::get<scheduler::JobReply>(reply.body);
                                 const auto shown = books_->Show(body.job.id, *body.job.spec);
                                 if (!shown.ok())
                                   return call->Refuse(wire::RefusalOf(shown.status()));
                                 call->Answer(*shown);
                               });
                             });
        if (!posted.ok()) call->Refuse(wire::RefusalOf(posted));
      });
}

grpc::ServerUnaryReactor* FeatureService::CorrectFeatures(CallbackServerContext* context,
                                                          const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::CorrectFeaturesRequest>(
      parts_.authorizer, context, in, out,
      [&](const Principal& principal, const v1::CorrectFeaturesRequest& request,
          PendingCallPtr call) {
        if (books_ == nullptr) return call->Refuse(RefusalOfOff());
        const absl::Status allowed = RequireOperator(principal, "correct features");
        if (!allowed.ok()) return call->Refuse(wire::RefusalOf(allowed));
        const auto job = ParseJobId(request.job_id());
        if (!job.ok()) {
          return call->Refuse(InvalidField("job_id", base::S(job.status().message())));
        }
        if (const auto refusal = CheckComment(request.comment())) return call->Refuse(*refusal);
        if (const auto refusal = CheckValues(request)) return call->Refuse(*refusal);
        v1::FeatureCorrection correction;
        for (v1::FeatureValue value : request.values()) {
          value.set_source(v1::FEATURE_SOURCE_CORRECTION);
          value.set_confidence(100);
          value.clear_use();
          *correction.add_values() = std::move(value);
        }
        correction.set_comment(request.comment());
        correction.set_by(principal.name);
        correction.set_at_unix_ms(now_());
        const auto record =
            std::make_shared<const std::string>(wire::DeterministicBytes(correction));
        // The group's number is the job's to say.
        const absl::Status posted = parts_.loop.Post(
            CommandClass::kOperators, {.principal = principal, .body = state::GetJob{*job}},
            [this, call, principal, record, group = request.group()](scheduler::Reply reply) {
              if (!reply.status.ok()) return call->Refuse(RefusalOf(reply));
              const auto& found = std::get<scheduler::JobReply>(reply.body).job;
              const auto number = GroupNumber(*found.spec, group);
              if (!number) {
                return call->Refuse(InvalidField("group", "\"" + group + "\": job " +
                                                              std::to_string(found.id.value) +
                                                              " has no such group"));
              }
              Ask<std::monostate>(
                  parts_.loop, CommandClass::kOperators,
                  {.principal = principal,
                   .body = state::SetFeatures{.job = found.id,
                                              .group = *number,
                                              .part = state::FeaturePart::kCorrection,
                                              .record = record}},
                  call, [](const scheduler::Reply&, const std::monostate&) {
                    return v1::CorrectFeaturesResponse();
                  });
            });
        if (!posted.ok()) call->Refuse(wire::RefusalOf(posted));
      });
}

grpc::ServerUnaryReactor* FeatureService::RateJob(CallbackServerContext* context,
                                                  const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::RateJobRequest>(
      parts_.authorizer, context, in, out,
      [&](const Principal& principal, const v1::RateJobRequest& request, PendingCallPtr call) {
        if (books_ == nullptr) return call->Refuse(RefusalOfOff());
        const auto job = ParseJobId(request.job_id());
        if (!job.ok()) {
          return call->Refuse(InvalidField("job_id", base::S(job.status().message())));
        }
        if (request.stars() < 1 || request.stars() > 5) {
          return call->Refuse(InvalidField(
              "stars", "is " + std::to_string(request.stars()) + "; 1 to 5 is allowed"));
        }
        if (const auto refusal = CheckComment(request.comment())) return call->Refuse(*refusal);
        v1::JobRating rating;
        rating.set_stars(request.stars());
        rating.set_comment(request.comment());
        rating.set_by(principal.name);
        rating.set_at_unix_ms(now_());
        Ask<std::monostate>(
            parts_.loop, CommandClass::kOperators,
            {.principal = principal,
             .body = state::SetFeatures{.job = *job,
                                        .group = 0,
                                        .part = state::FeaturePart::kRating,
                                        .record = std::make_shared<const std::string>(
                                            wire::DeterministicBytes(rating))}},
            call,
            [](const scheduler::Reply&, const std::monostate&) { return v1::RateJobResponse(); });
      });
}

grpc::ServerUnaryReactor* FeatureService::GetFeatureReport(CallbackServerContext* context,
                                                           const ByteBuffer* in, ByteBuffer* out) {
  return ReceiveCall<v1::GetFeatureReportRequest>(
      parts_.authorizer, context, in, out,
      [&](const Principal& principal, const v1::GetFeatureReportRequest&, PendingCallPtr call) {
        if (books_ == nullptr) return call->Refuse(RefusalOfOff());
        const absl::Status allowed = RequireOperator(principal, "read the report on features");
        if (!allowed.ok()) return call->Refuse(wire::RefusalOf(allowed));
        // It goes through all that is kept: not on gRPC's thread.
        parts_.answers.Post([this, call] { call->Answer(books_->Report()); });
      });
}

}  // namespace berth::api
