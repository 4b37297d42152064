// What a heartbeat says: only what has changed.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agentd/attempt_key.h"
#include "berth/v1/agent.pb.h"

namespace berth::agentd {

// What berthd was told in one session, and so need not be told again. Threading: one owner.
class UsageDelta {
 public:
  // Fills `heartbeat` with what differs from the last time. `attempts`: of all that run.
  // `latencies`: of all that are known; one differs when it has changed by a tenth.
  // What is not among them any more is told as not known.
  void Fill(v1::NodeUsage parts, std::vector<std::pair<AttemptKey, v1::Usage>> attempts,
            std::vector<v1::PeerLatency> latencies, v1::Heartbeat& heartbeat);

 private:
  v1::NodeUsage parts_;
  std::map<AttemptKey, std::string> attempts_;  // serialised
  std::map<std::string, int64_t> latencies_us_;
};

}  // namespace berth::agentd
