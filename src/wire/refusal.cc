#include "wire/refusal.h"

#include "absl/strings/cord.h"
#include "base/check.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace berth::wire {
namespace {

// Of the values of ReasonCode; ErrorInfo has them without it.
constexpr std::string_view kReasonPrefix = "REASON_CODE_";

constexpr char kReasonPayload[] = "berth.dev/reason";

// gRPC takes 8 KiB of trailing metadata and drops the whole answer when there is more. The message
// is sent percent-encoded, and the details, which hold it once more, in base64: 4/3 of their size.
constexpr size_t kMostMessageBytes = 1536;  // encoded
constexpr size_t kMostDetailBytes = 4096;
constexpr size_t kMostFieldBytes = 512;  // of a violation's field, and of its description

constexpr std::string_view kCut = "...";

// `text` cut to so many bytes, between characters, with a mark where it was.
std::string Cut(std::string_view text, size_t most_bytes) {
  if (text.size() <= most_bytes) return std::string(text);
  return std::string(base::CutUtf8(text, most_bytes - kCut.size())).append(kCut);
}

std::string CutMessage(std::string_view message) {
  size_t encoded = 0;
  for (size_t i = 0; i < message.size(); ++i) {
    encoded += message[i] >= 0x20 && message[i] < 0x7f && message[i] != '%' ? 1 : 3;
    if (encoded > kMostMessageBytes - kCut.size()) return Cut(message, i + kCut.size());
  }
  return std::string(message);
}

// As many of the violations as there is room for, and how many there are besides.
google::rpc::BadRequest ToBadRequest(const std::vector<FieldViolation>& violations, size_t room) {
  google::rpc::BadRequest bad;
  for (size_t i = 0; i < violations.size(); ++i) {
    auto* out = bad.add_field_violations();
    out->set_field(Cut(violations[i].field, kMostFieldBytes));
    out->set_description(Cut(violations[i].description, kMostFieldBytes));
    if (i == 0 || bad.ByteSizeLong() <= room) continue;
    out->clear_field();
    out->set_description("and " + std::to_string(violations.size() - i) + " more");
    break;
  }
  return bad;
}

Reason UsualReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return Reason::kInvalidField;
    case absl::StatusCode::kNotFound:
      return Reason::kNotFound;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return Reason::kNotAllowed;
    case absl::StatusCode::kResourceExhausted:
      return Reason::kInboxFull;
    case absl::StatusCode::kUnimplemented:
      return Reason::kFieldNotHonoured;
    case absl::StatusCode::kUnavailable:
      return Reason::kShuttingDown;
    default:
      return Reason::kNone;
  }
}

}  // namespace

std::string ReasonName(Reason reason) {
  if (reason == Reason::kNone) return "";
  const std::string& name = v1::ReasonCode_Name(static_cast<v1::ReasonCode>(reason));
  return name.empty() ? name : name.substr(kReasonPrefix.size());
}

Reason ReasonNamed(std::string_view name) {
  v1::ReasonCode code = v1::REASON_CODE_UNSPECIFIED;
  if (!v1::ReasonCode_Parse(std::string(kReasonPrefix).append(name), &code)) return Reason::kNone;
  return static_cast<Reason>(code);
}

Reason ReasonFrom(v1::ReasonCode code) {
  return v1::ReasonCode_IsValid(code) ? static_cast<Reason>(code) : Reason::kNone;
}

grpc::Status ToGrpcStatus(const Refusal& refusal) {
  BERTH_CHECK(refusal.code != absl::StatusCode::kOk)
      << "a refusal with code OK: " << refusal.message;
  const std::string message = CutMessage(refusal.message);
  google::rpc::Status details;
  details.set_code(static_cast<int>(refusal.code));
  details.set_message(message);
  if (refusal.reason != Reason::kNone) {
    google::rpc::ErrorInfo info;
    info.set_reason(ReasonName(refusal.reason));
    info.set_domain(std::string(kErrorDomain));
    for (const auto& [key, value] : refusal.metadata) (*info.mutable_metadata())[key] = value;
    details.add_details()->PackFrom(info);
  }
  if (refusal.retry_after_ms > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(refusal.retry_after_ms / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(refusal.retry_after_ms % 1000) *
                                           1'000'000);
    details.add_details()->PackFrom(retry);
  }
  if (!refusal.violations.empty()) {
    const size_t used = details.ByteSizeLong();
    const size_t room = used < kMostDetailBytes ? kMostDetailBytes - used : 0;
    details.add_details()->PackFrom(ToBadRequest(refusal.violations, room));
  }
  return grpc::Status(static_cast<grpc::StatusCode>(refusal.code), message,
                      details.SerializeAsString());
}

Refusal FromGrpcStatus(const grpc::Status& status) {
  Refusal refusal;
  refusal.code = static_cast<absl::StatusCode>(status.error_code());
  refusal.message = status.error_message();
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return refusal;
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) {
      if (info.domain() != kErrorDomain) continue;
      refusal.reason = ReasonNamed(info.reason());
      refusal.metadata.insert(info.metadata().begin(), info.metadata().end());
    } else if (any.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        refusal.violations.push_back({violation.field(), violation.description()});
      }
    } else if (any.UnpackTo(&retry)) {
      refusal.retry_after_ms =
          retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1'000'000;
    }
  }
  return refusal;
}

absl::Status WithReason(absl::Status status, Reason reason) {
  status.SetPayload(kReasonPayload, absl::Cord(ReasonName(reason)));
  return status;
}

Refusal RefusalOf(const absl::Status& status) {
  const auto own = status.GetPayload(kReasonPayload);
  const Reason reason =
      own.has_value() ? ReasonNamed(std::string(*own)) : UsualReason(status.code());
  return {.code = status.code(),
          .reason = reason,
          .message = base::S(status.message()),
          .retry_after_ms = reason == Reason::kInboxFull ? kRetryAfterMs : 0};
}

Refusal RefusalOf(const Violations& violations) {
  BERTH_CHECK(!violations.empty()) << "nothing is wrong";
  const bool invalid = violations.any_invalid();
  return {.code = invalid ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kUnimplemented,
          .reason = invalid ? Reason::kInvalidField : Reason::kFieldNotHonoured,
          .message = violations.Summary(),
          .violations = violations.list()};
}

}  // namespace berth::wire
