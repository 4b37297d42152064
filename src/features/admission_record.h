// What is kept of a group's features from its submission on: as bytes, and back.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/v1/features.pb.h"
#include "features/history_estimator.h"

namespace berth::features {

struct AdmissionRecord {
  berth::v1::GroupFeatures features;
  HistorySubject subject;
  HistoryPrediction prediction;
};

std::string EncodeAdmission(const AdmissionRecord& record);

// DATA_LOSS: the bytes are no such record. FAILED_PRECONDITION: a version that is not read here.
absl::StatusOr<AdmissionRecord> DecodeAdmission(std::string_view bytes);

}  // namespace berth::features
