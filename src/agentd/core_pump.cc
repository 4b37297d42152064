#include "agentd/core_pump.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/planted_fault.h"

namespace berth::agentd {

bool CorePump::Pass(int64_t now_ms) {
  while (!events_.empty()) {
    Event event = std::move(events_.front());
    events_.pop_front();
    Take(core_.Handle(std::move(event), now_ms));
  }
  if (const auto deadline = core_.deadline_ms(); deadline && *deadline <= now_ms) {
    Take(core_.Handle(DeadlinePassed{}, now_ms));
  }
  Take(core_.EndTurn());
  Commit();
  Release();
  return !events_.empty();
}

void CorePump::Take(std::vector<Effect> effects) {
  for (Effect& effect : effects) {
    if (const auto* note = std::get_if<Note>(&effect)) {
      records_.push_back(note->record.SerializeAsString());
      records_urgent_ = true;
    } else if (const auto* later = std::get_if<NoteLater>(&effect)) {
      records_.push_back(later->record.SerializeAsString());
    } else {
      // Noted before it or not: the whole pass is one group.
      held_.push_back({0, std::move(effect)});
    }
  }
}

void CorePump::Commit() {
  if (records_urgent_) {
    if (hands_.journal_bytes() > compact_at_bytes_) {
      std::vector<std::string> snapshot;
      uint64_t bytes = 0;
      for (const auto& record : core_.Snapshot()) {
        snapshot.push_back(record.SerializeAsString());
        bytes += snapshot.back().size();
      }
      compact_at_bytes_ = std::max(compact_bytes_, 4 * bytes);
      hands_.Replace(std::move(snapshot), ++ticket_);
    } else {
      hands_.Append(std::move(records_), ++ticket_);
    }
  } else if (!records_.empty()) {
    hands_.AppendLater(std::move(records_));
  }
  records_.clear();
  records_urgent_ = false;
  for (auto held = held_.rbegin(); held != held_.rend() && held->ticket == 0; ++held) {
    held->ticket = ticket_;
  }
}

void CorePump::Release() {
  while (!held_.empty() && !halted_ &&
         (held_.front().ticket <= durable_ || BERTH_PLANTED(kForgetJournal))) {
    Effect effect = std::move(held_.front().effect);
    held_.pop_front();
    hands_.Do(effect);
  }
}

void CorePump::Durable(uint64_t ticket, bool space_low) {
  durable_ = ticket;
  if (std::exchange(space_low_, space_low) != space_low) Report(JournalSpace{space_low});
}

}  // namespace berth::agentd
