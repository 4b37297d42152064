// Puts task features together: what reads them, what learns, where they are kept.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/feature_reader.h"
#include "api/feature_service.h"
#include "base/clock.h"
#include "config/berthd_config.h"
#include "features/feature_service.h"
#include "monitor/feature_metrics.h"
#include "scheduler/watch_hub.h"
#include "state/commands.h"
#include "store/state_store.h"

namespace berth {

// Threading: any thread, once it is open.
class FeatureRoom final : public api::FeatureReader, public api::FeatureBooks {
 public:
  using Post = std::function<absl::Status(state::Command command)>;

  // Takes back what was learned, and learns what has ended since. INVALID_ARGUMENT names what is
  // wrong in the tables of the configuration. What it is given outlives it; `post` is not called
  // before Subscribe.
  static absl::StatusOr<std::unique_ptr<FeatureRoom>> Open(const config::FeaturesConfig& config,
                                                           const store::StateStore& store,
                                                           const base::Clock& clock, Post post);

  // From now on it learns from what commits. REQUIRES: before the loop starts.
  void Subscribe(scheduler::WatchHub& watches);
  // What was learned is kept. REQUIRES: the loop runs.
  void Stop();

  monitor::FeatureFacts facts() const;

  // ---- api::FeatureReader ----
  Reading ReadJob(const v1::JobSpec& job, const std::string& user) override;

  // ---- api::FeatureBooks ----
  absl::StatusOr<v1::ShowFeaturesResponse> Show(JobId job, const state::JobSpec& spec) override;
  v1::GetFeatureReportResponse Report() override;

 private:
  FeatureRoom(const store::StateStore& store, const base::Clock& clock)
      : store_(store), clock_(clock) {}

  absl::Status CatchUp();

  const store::StateStore& store_;
  const base::Clock& clock_;
  std::unique_ptr<features::FeatureService> service_;
};

// The tables that are built in, with those of a file added. Empty `path`: just them.
absl::StatusOr<features::RuleTables> LoadRuleTables(const std::string& path);

}  // namespace berth
