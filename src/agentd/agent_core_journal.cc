// What the core keeps over a restart: the journal's records become its state, and back.
#include "agentd/agent_core.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr uint32_t kSchema = 1;

using journal::v1::JournalRecord;

absl::Status BadRecord(const std::string& why) { return absl::DataLossError(base::A(why)); }

}  // namespace

JournalRecord AgentCore::Opened() const {
  JournalRecord record;
  record.mutable_opened()->set_schema(kSchema);
  record.mutable_opened()->set_incarnation(incarnation_);
  return record;
}

absl::Status AgentCore::Replay(std::string_view bytes) {
  JournalRecord record;
  if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return BadRecord("a record cannot be read");
  }
  if (incarnation_.empty() != (record.record_case() == JournalRecord::kOpened)) {
    return BadRecord("it does not begin with its name, or has two");
  }
  switch (record.record_case()) {
    case JournalRecord::kOpened:
      if (record.opened().schema() != kSchema) {
        return BadRecord("it was written by another version of berth-agent (schema " +
                         std::to_string(record.opened().schema()) + ", this one reads " +
                         std::to_string(kSchema) + ")");
      }
      incarnation_ = record.opened().incarnation();
      if (incarnation_.empty()) return BadRecord("it has no incarnation");
      return absl::OkStatus();
    case JournalRecord::kJoined:
      cluster_id_ = record.joined().cluster_id();
      generation_ = record.joined().generation();
      term_ = record.joined().term();
      return absl::OkStatus();
    case JournalRecord::kBooted:
      boot_id_ = record.booted().boot_id();
      return absl::OkStatus();
    case JournalRecord::kAccepted: {
      auto* accepted = record.mutable_accepted();
      directive_sequence_ = accepted->directive_sequence();
      v1::Fact fact;
      fact.set_sequence(accepted->fact_sequence());
      *fact.mutable_key() = accepted->start().key();
      fact.mutable_accepted();
      Attempt& attempt = attempts_[FromProto(accepted->start().key())];
      attempt.start.Swap(accepted->mutable_start());
      AddFact(std::move(fact));
      return absl::OkStatus();
    }
    case JournalRecord::kStopAsked: {
      directive_sequence_ = record.stop_asked().directive_sequence();
      const auto attempt = attempts_.find(FromProto(record.stop_asked().stop().key()));
      if (attempt == attempts_.end()) return BadRecord("a stop names an attempt that is not there");
      attempt->second.stop = record.stop_asked();
      return absl::OkStatus();
    }
    case JournalRecord::kForgotten:
      directive_sequence_ = record.forgotten().directive_sequence();
      attempts_.erase(FromProto(record.forgotten().key()));
      return absl::OkStatus();
    case JournalRecord::kFact: {
      v1::Fact& fact = *record.mutable_fact();
      const auto attempt = attempts_.find(FromProto(fact.key()));
      // A fact may be of an attempt that never was here: the answer to a stop.
      if (attempt != attempts_.end()) {
        if (fact.has_started()) {
          attempt->second.started = fact.started();
          attempt->second.start.clear_payload();
        }
        if (fact.has_ended()) attempt->second.ended = fact.ended();
      }
      AddFact(std::move(fact));
      return absl::OkStatus();
    }
    case JournalRecord::kAcknowledged:
      while (!facts_.empty() &&
             facts_.front().sequence() <= record.acknowledged().fact_sequence()) {
        facts_.pop_front();
      }
      return absl::OkStatus();
    case JournalRecord::kKeptAttempt: {
      auto* kept = record.mutable_kept_attempt();
      Attempt& attempt = attempts_[FromProto(kept->start().key())];
      attempt.start.Swap(kept->mutable_start());
      if (kept->has_stop()) {
        *attempt.stop.emplace().mutable_stop() = kept->stop();
        attempt.stop->set_reason(kept->stop_reason());
        attempt.stop->set_message(kept->stop_message());
      }
      if (kept->has_started()) attempt.started = kept->started();
      if (kept->has_ended()) attempt.ended = kept->ended();
      return absl::OkStatus();
    }
    case JournalRecord::kCounters:
      directive_sequence_ = record.counters().directive_sequence();
      fact_sequence_ = record.counters().fact_sequence();
      return absl::OkStatus();
    case JournalRecord::kDirectivePassed:
      directive_sequence_ = record.directive_passed().directive_sequence();
      return absl::OkStatus();
    case JournalRecord::RECORD_NOT_SET:
      break;
  }
  return BadRecord("it has a record of a kind that this version does not know");
}

std::vector<JournalRecord> AgentCore::Snapshot() const {
  std::vector<JournalRecord> records;
  const auto add = [&]() -> JournalRecord& { return records.emplace_back(); };
  add() = Opened();
  if (!cluster_id_.empty()) {
    auto* joined = add().mutable_joined();
    joined->set_cluster_id(cluster_id_);
    joined->set_generation(generation_);
    joined->set_term(term_);
  }
  add().mutable_booted()->set_boot_id(boot_id_);
  for (const auto& [key, attempt] : attempts_) {
    auto* kept = add().mutable_kept_attempt();
    *kept->mutable_start() = attempt.start;
    if (attempt.stop) {
      *kept->mutable_stop() = attempt.stop->stop();
      kept->set_stop_reason(attempt.stop->reason());
      kept->set_stop_message(attempt.stop->message());
    }
    if (attempt.started) *kept->mutable_started() = *attempt.started;
    if (attempt.ended) *kept->mutable_ended() = *attempt.ended;
  }
  for (const v1::Fact& fact : facts_) *add().mutable_fact() = fact;
  auto* counters = add().mutable_counters();
  counters->set_directive_sequence(directive_sequence_);
  counters->set_fact_sequence(fact_sequence_);
  return records;
}

}  // namespace berth::agentd
