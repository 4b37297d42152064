#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "agentd/agent_core.h"
#include "agentd/agent_effect.h"
#include "agentd/agent_event.h"

namespace berth::agentd {

// What an agent acts with: its journal, its processes, its connection.
class AgentHands {
 public:
  virtual ~AgentHands() = default;

  // The journal, as Journal has it: `ticket` becomes durable some time after the call.
  virtual void Append(std::vector<std::string> records, uint64_t ticket) = 0;
  virtual void AppendLater(std::vector<std::string> records) = 0;
  virtual void Replace(std::vector<std::string> snapshot, uint64_t ticket) = 0;
  [[nodiscard]] virtual uint64_t journal_bytes() const = 0;

  // Carries out an effect, which is no Note and no NoteLater. May report events.
  virtual void Do(Effect& effect) = 0;
};

// Lets an AgentCore work: takes events to it, its records to the journal, and holds each effect
// back until every record noted before it is on disk. Compacts a journal that has grown long.
//
// Threading: one thread. Errors: none; a journal that fails is Halt().
class CorePump {
 public:
  static constexpr uint64_t kCompactBytes = 8 << 20;

  // Both outlive it. A journal longer than `compact_bytes`, and than four times what is worth
  // keeping of it, is replaced.
  CorePump(AgentCore& core, AgentHands& hands, uint64_t compact_bytes = kCompactBytes)
      : core_(core),
        hands_(hands),
        compact_bytes_(compact_bytes),
        compact_at_bytes_(compact_bytes) {}

  // Something has happened; it is looked at in the next pass.
  void Report(Event event) { events_.push_back(std::move(event)); }

  // One pass: takes in what was reported and a deadline that has come, gives the journal its
  // records, and carries out what may be. True: more was reported meanwhile.
  bool Pass(int64_t now_ms);

  // Everything up to `ticket` is on disk; what waited for it is carried out in the next pass.
  void Durable(uint64_t ticket, bool space_low);

  // Nothing more is carried out.
  void Halt() { halted_ = true; }

 private:
  // An effect and the journal's ticket that it waits for.
  struct Held {
    uint64_t ticket;
    Effect effect;
  };

  void Take(std::vector<Effect> effects);
  void Commit();
  void Release();

  AgentCore& core_;
  AgentHands& hands_;
  const uint64_t compact_bytes_;
  uint64_t compact_at_bytes_;
  std::deque<Event> events_;
  std::vector<std::string> records_;  // of this pass
  bool records_urgent_ = false;
  std::deque<Held> held_;
  uint64_t ticket_ = 0;
  uint64_t durable_ = 0;
  bool space_low_ = false;
  bool halted_ = false;
};

}  // namespace berth::agentd
