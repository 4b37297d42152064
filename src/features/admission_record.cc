#include "features/admission_record.h"

#include "berth/features/v1/admission.pb.h"

namespace berth::features {
namespace {

constexpr uint32_t kAdmissionVersion = 1;

void WriteSubject(const HistorySubject& subject, features::v1::HistorySubjectRecord& record) {
  for (const GroupKey& key : subject.keys) {
    record.add_keys(key.high);
    record.add_keys(key.low);
  }
  for (const uint32_t place : subject.signature.places) record.add_signature(place);
  record.set_time_limit_ms(subject.time_limit_ms);
}

bool ReadSubject(const features::v1::HistorySubjectRecord& record, HistorySubject& subject) {
  if (record.keys_size() != static_cast<int>(2 * subject.keys.size()) ||
      record.signature_size() != static_cast<int>(ScriptSignature::kPlaces)) {
    return false;
  }
  for (size_t i = 0; i < subject.keys.size(); ++i) {
    subject.keys[i] = {record.keys(static_cast<int>(2 * i)),
                       record.keys(static_cast<int>(2 * i + 1))};
  }
  for (size_t i = 0; i < ScriptSignature::kPlaces; ++i) {
    subject.signature.places[i] = record.signature(static_cast<int>(i));
  }
  subject.time_limit_ms = record.time_limit_ms();
  return true;
}

void WriteEstimate(size_t field, const HistoryEstimate& estimate,
                   features::v1::HistoryEstimateRecord& record) {
  record.set_field(static_cast<uint32_t>(field));
  record.set_value(estimate.value);
  record.set_low(estimate.low);
  record.set_high(estimate.high);
  record.set_confidence(estimate.confidence);
  record.set_level(static_cast<uint32_t>(estimate.level));
  record.set_ends(estimate.ends);
  record.set_cut_short(estimate.cut_short);
  record.set_most_seen(estimate.most_seen);
  record.set_most_cut_short(estimate.most_cut_short);
}

bool ReadEstimate(const features::v1::HistoryEstimateRecord& record,
                  HistoryPrediction& prediction) {
  if (record.field() >= kHistoryFields || record.level() >= kHistoryLevels) return false;
  prediction.fields[record.field()] =
      HistoryEstimate{.value = record.value(),
                      .low = record.low(),
                      .high = record.high(),
                      .confidence = record.confidence(),
                      .level = static_cast<HistoryLevel>(record.level()),
                      .ends = record.ends(),
                      .cut_short = record.cut_short(),
                      .most_seen = record.most_seen(),
                      .most_cut_short = record.most_cut_short()};
  return true;
}

}  // namespace

std::string EncodeAdmission(const AdmissionRecord& record) {
  features::v1::AdmissionRecord message;
  message.set_version(kAdmissionVersion);
  *message.mutable_features() = record.features;
  WriteSubject(record.subject, *message.mutable_subject());
  for (size_t field = 0; field < kHistoryFields; ++field) {
    const auto& estimate = record.prediction.fields[field];
    if (estimate) WriteEstimate(field, *estimate, *message.add_estimates());
  }
  message.set_failed_percent(record.prediction.failed_percent);
  return message.SerializeAsString();
}

absl::StatusOr<AdmissionRecord> DecodeAdmission(std::string_view bytes) {
  features::v1::AdmissionRecord message;
  const auto damaged = [] {
    return absl::DataLossError("what is kept of a job's features is damaged");
  };
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return damaged();
  if (message.version() != kAdmissionVersion) {
    return absl::FailedPreconditionError(
        "what is kept of a job's features is of version " + std::to_string(message.version()) +
        ", and this berthd reads version " + std::to_string(kAdmissionVersion));
  }
  AdmissionRecord record;
  record.features = std::move(*message.mutable_features());
  if (!ReadSubject(message.subject(), record.subject)) return damaged();
  for (const features::v1::HistoryEstimateRecord& estimate : message.estimates()) {
    if (!ReadEstimate(estimate, record.prediction)) return damaged();
  }
  record.prediction.failed_percent = message.failed_percent();
  return record;
}

}  // namespace berth::features
