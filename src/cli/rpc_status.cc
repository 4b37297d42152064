#include "cli/rpc_status.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "base/strings.h"
#include "cli/exit_codes.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace berth::cli {
namespace {

constexpr char kReasonPayload[] = "berth.dev/reason";
constexpr char kFieldPayload[] = "berth.dev/field";
constexpr char kRetryPayload[] = "berth.dev/retry_delay_ms";
constexpr char kNeverSentPayload[] = "berth.dev/never_sent";
constexpr char kMetadataPayload[] = "berth.dev/metadata/";

void Read(const google::rpc::ErrorInfo& info, absl::Status& status) {
  status.SetPayload(kReasonPayload, absl::Cord(info.reason()));
  for (const auto& [key, value] : info.metadata()) {
    status.SetPayload(std::string(kMetadataPayload) + key, absl::Cord(value));
  }
}

// The first violation's field becomes the payload; what the message does not say is appended to it.
void Read(const google::rpc::BadRequest& request, absl::Status& status, std::string& message) {
  for (const auto& violation : request.field_violations()) {
    if (!status.GetPayload(kFieldPayload).has_value()) {
      status.SetPayload(kFieldPayload, absl::Cord(violation.field()));
    }
    const bool said = message == violation.description() ||
                      (message.find(violation.field()) != std::string::npos &&
                       message.find(violation.description()) != std::string::npos);
    if (!said) {
      message += "\n  " + violation.field() + (violation.field().empty() ? "" : ": ") +
                 violation.description();
    }
  }
}

void Read(const google::rpc::RetryInfo& info, absl::Status& status) {
  // Bounded: what a server sends must not overflow, nor hold us for ever.
  constexpr int64_t kMostSeconds = 86'400;
  const int64_t seconds = std::clamp<int64_t>(info.retry_delay().seconds(), 0, kMostSeconds);
  const int64_t ms = seconds * 1000 + std::max(info.retry_delay().nanos(), 0) / 1'000'000;
  status.SetPayload(kRetryPayload, absl::Cord(std::to_string(ms)));
}

std::string Payload(const absl::Status& status, const std::string& name) {
  const auto payload = status.GetPayload(name);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  absl::Status result(code, status.error_message());
  // gRPC has these words alone to tell a call that it could not even begin.
  if (code == absl::StatusCode::kUnavailable &&
      (status.error_message().starts_with("failed to connect") ||
       status.error_message().starts_with("DNS resolution failed"))) {
    result.SetPayload(kNeverSentPayload, absl::Cord("1"));
  }
  std::string message = status.error_message();
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) Read(info, result);
    if (detail.UnpackTo(&bad_request)) Read(bad_request, result, message);
    if (detail.UnpackTo(&retry)) Read(retry, result);
  }
  return WithMessage(result, message);
}

bool WasNeverSent(const absl::Status& status) {
  return status.GetPayload(kNeverSentPayload).has_value();
}

std::string ReasonOf(const absl::Status& status) { return Payload(status, kReasonPayload); }

std::string FieldOf(const absl::Status& status) { return Payload(status, kFieldPayload); }

std::optional<int64_t> RetryDelayMs(const absl::Status& status) {
  const std::string text = Payload(status, kRetryPayload);
  if (text.empty()) return std::nullopt;
  return std::stoll(text);  // written by ReadRetryInfo
}

std::string MetadataOf(const absl::Status& status, const std::string& key) {
  return Payload(status, kMetadataPayload + key);
}

absl::Status WithMessage(const absl::Status& status, const std::string& message) {
  absl::Status result(status.code(), message);
  status.ForEachPayload(
      [&](absl::string_view name, const absl::Cord& payload) { result.SetPayload(name, payload); });
  return result;
}

bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kCancelled:
      return true;
    default:
      return false;
  }
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitNotAllowed;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return kExitUnavailable;
    default:
      return kExitNo;
  }
}

}  // namespace berth::cli
