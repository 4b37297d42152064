// What happens because time has passed.
#include <algorithm>

#include "scheduler/turn.h"

namespace berth::scheduler {
namespace {

// Most jobs and requests that one turn forgets: forgetting is never urgent.
constexpr size_t kForgetPerTurn = 256;

}  // namespace

void Turn::RunTimers() {
  CheckSilence();
  CheckSettling();
  scoring_.Expire(now_ms_);
  PlanPeers();
  RecountNearness();
  StepUsage();
  CountTaskMix();
  while (!backing_off_.empty() && backing_off_.begin()->first <= now_ms_) {
    const TaskKey key = backing_off_.begin()->second;
    backing_off_.erase(backing_off_.begin());
    state_->Row(key).not_before_ms = 0;
    state_->TouchTask(key);
    SyncTask(key);
  }
  if (retry_parked_at_ms_ && *retry_parked_at_ms_ <= now_ms_) {
    retry_parked_at_ms_.reset();
    WakeAllParked();
  }
  for (size_t n = 0; n < kForgetPerTurn && !finished_.empty(); ++n) {
    const auto [ended_at_ms, job] = *finished_.begin();
    const bool too_old = ended_at_ms + options_.finished_jobs_age_ms <= now_ms_;
    if (!too_old && finished_.size() <= options_.finished_jobs_count) break;
    finished_.erase(finished_.begin());
    state_->RemoveJob(job);
  }
  state_->ExpireRequests(now_ms_ - options_.request_memory_ms, kForgetPerTurn);
}

void Turn::StepUsage() {
  if (!step_usage_at_ms_ || *step_usage_at_ms_ > now_ms_) return;
  step_usage_at_ms_.reset();
  if (usage_meters_.Step(state_->nodes(), now_ms_)) {
    step_usage_at_ms_ = now_ms_ + options_.heartbeat_interval_ms;
  }
}

std::optional<int64_t> Turn::NextDeadline() const {
  std::optional<int64_t> deadline = retry_parked_at_ms_;
  const auto at = [&deadline](int64_t ms) { deadline = std::min(deadline.value_or(ms), ms); };
  if (const auto silence = leases_.next_ms()) at(*silence);
  if (const auto stale = scoring_.NextExpiry()) at(*stale);
  if (!letting_go_.empty()) at(std::get<int64_t>(*letting_go_.begin()));
  if (const auto settled = SettledAt()) at(*settled);
  if (step_usage_at_ms_) at(*step_usage_at_ms_);
  const state::LatencyMatrix& latencies = state_->nodes().latencies();
  if (latencies.is_counting()) {
    at(now_ms_);
  } else if (latencies.IsStale()) {
    at(recount_nearness_at_ms_);
  }
  if (peer_plan_) {
    at(now_ms_);
  } else if (plan_peers_at_ms_) {
    at(*plan_peers_at_ms_);
  }
  if (!backing_off_.empty()) at(backing_off_.begin()->first);
  if (!finished_.empty()) {
    at(finished_.size() > options_.finished_jobs_count
           ? now_ms_
           : finished_.begin()->first + options_.finished_jobs_age_ms);
  }
  return deadline;
}

}  // namespace berth::scheduler
