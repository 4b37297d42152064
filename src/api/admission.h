// What may be submitted, and what it is once the defaults are in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "api/feature_reader.h"
#include "berth/v1/types.pb.h"
#include "state/job_spec.h"
#include "wire/amounts.h"
#include "wire/refusal.h"

namespace berth::api {

// What an operator may set. The rest of the bounds are the wire's own.
struct AdmissionOptions {
  wire::RequestDefaults defaults;
  int64_t grace_ms = 30'000;
  // Most bytes of a job's specification as it is kept.
  int64_t most_job_bytes = int64_t{1} << 20;
  // Null: features are not read. Outlives whoever has these options.
  FeatureReader* features = nullptr;
};

struct AdmittedJob {
  std::shared_ptr<const state::JobSpec> spec;
  // The specification with its defaults, payload included: the content that spec->blob names.
  std::shared_ptr<const std::string> blob;
  // "cpu=1", "worker.memory=1Gi", "queue=default", ...
  std::vector<std::string> defaults_applied;
  std::vector<state::GroupFeatures> features;  // empty, or one for each group
  std::vector<std::string> warnings;           // of features
};

// Checks every field of `job`, fills in what is absent and rounds amounts up to quanta.
//
// A refusal lists all that is wrong, with paths in the job
// ("groups[0].template.resources.cpu_milli"). What depends on state (does the profile exist, may
// this principal use the namespace) is not looked at here. Cost: one pass, about 5 us for a small
// job, and one SHA-256 of the specification.
// `user` is whose history is looked at.
std::variant<AdmittedJob, wire::Refusal> Admit(v1::JobSpec job, const AdmissionOptions& options,
                                               const std::string& user = {});

}  // namespace berth::api
