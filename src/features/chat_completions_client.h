#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/circuit_breaker.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "features/chat_wire.h"
#include "features/http_thread.h"
#include "features/model_budget.h"
#include "features/model_failure.h"
#include "features/model_options.h"

namespace berth::features {

// Upper bounds of the histogram of how long requests took, in milliseconds; one more bucket is for
// what took longer.
inline constexpr std::array<int64_t, 10> kLatencyBoundsMs = {100,  250,    500,    1000,   2500,
                                                             5000, 10'000, 20'000, 30'000, 60'000};

struct EndpointStats {
  std::string name;
  uint64_t requests = 0;  // made, of any outcome
  std::array<uint64_t, kLatencyBoundsMs.size() + 1> latency{};
  int64_t latency_sum_ms = 0;
  std::array<uint64_t, kModelFailures> failures{};  // of requests, by ModelFailure
  uint64_t answers = 0;                             // that were taken
  uint64_t retries = 0;
  uint64_t downgrades = 0;  // requests that were made again in another form
  uint64_t model_changes = 0;
  int64_t prompt_tokens = 0;
  int64_t answer_tokens = 0;
  ModelBudget::Use today;
  int in_flight = 0;
  base::CircuitBreaker::State breaker = base::CircuitBreaker::State::kClosed;
  ServerTraits traits;  // found out so far
  std::string model;    // as the server last said
  std::string fingerprint;
};

struct ChatStats {
  std::vector<EndpointStats> endpoints;
  size_t waiting = 0;
  uint64_t dropped = 0;
};

// Asks language models, over OpenAI's chat completions.
//
// Endpoints are tried in order; the next one when one fails for good, when its breaker is open, its
// budget spent or its server has asked for a long pause. What each failure leads to is in
// docs/features_model.md. Each endpoint's server is found out once: how it is told the answer's
// shape, and which fields it takes; a request that it refuses for that is made again in another
// form.
//
// Threading: any thread; answers are called back on a thread of its own, and must not take long.
// Errors: as ModelFailure of an answer.
class ChatCompletionsClient {
 public:
  // What the caller makes of an answer's text.
  struct Verdict {
    std::string rejection;  // empty: taken. Else what is wrong, for the model
    bool is_json = true;
  };
  using Check = std::function<Verdict(std::string_view content)>;

  struct Answer {
    ModelFailure failure = ModelFailure::kNone;
    std::string detail;   // of a failure: of the last endpoint that was asked, for logs
    std::string content;  // that `check` took
    size_t endpoint = 0;  // which one answered, or refused
    std::string model;    // what the server says that it is; empty: it has not said
    std::string fingerprint;
    int64_t took_ms = 0;  // with all tries
  };
  using Done = std::function<void(Answer)>;

  struct Question {
    ChatMessages messages;
    Check check;  // called on the client's thread
    Done done;
  };

  // What the budget is after a change, at most once a second, and when the client stops.
  using KeepBudget = std::function<void(std::string encoded)>;

  // `clock` outlives it. `rng` is for the pauses between tries.
  // REQUIRES: CheckModelOptions says OK.
  // An error: a key cannot be read; it names the endpoint.
  static absl::StatusOr<std::unique_ptr<ChatCompletionsClient>> Create(
      const ModelOptions& options, std::string schema, ModelBudget budget, KeepBudget keep_budget,
      const base::Clock& clock, base::Rng rng);
  ~ChatCompletionsClient();

  // Never blocks. `done` is called exactly once, also when the queue is full or the client stops,
  // but for a client that has stopped already, which destroys it.
  void Ask(Question question);

  // Looks at the clock anew, which a test has moved.
  void Wake() {
    http_.Post([] {});
  }

  // What waits and what is under way ends with kStopped. Idempotent.
  void Stop();

  ChatStats stats() const;

 private:
  struct Endpoint;
  struct Inquiry;
  // By age.
  using Inquiries = std::map<uint64_t, std::unique_ptr<Inquiry>>;

  ChatCompletionsClient(const ModelOptions& options, std::string schema, ModelBudget budget,
                        KeepBudget keep_budget, const base::Clock& clock, base::Rng rng);

  void Enqueue(Question question);
  // Sends what may be sent now, and comes again when more may.
  void Dispatch();
  enum class Turn : uint8_t { kSend, kWait, kOver };
  // What is to become of it now; kWait: `next_ms` is when to look again, at the latest.
  Turn TurnOf(Inquiry& inquiry, int64_t now_ms, int64_t& next_ms);
  void Send(std::unique_ptr<Inquiry> inquiry);
  void OnOutcome(uint64_t id, HttpThread::Outcome outcome);
  // What is done about it; REQUIRES: not under way.
  void Settle(std::unique_ptr<Inquiry> inquiry, ChatReply reply, const std::string& retry_after);
  void SettleContent(std::unique_ptr<Inquiry> inquiry, ChatReply reply);
  void NoteOutcome(Inquiry& inquiry, const HttpThread::Outcome& outcome, const ChatReply& reply);
  void NoteHealth(Endpoint& endpoint, const Inquiry& inquiry, const ChatReply& reply);
  void NoteIdentity(Endpoint& endpoint, const ChatReply& reply);
  void Again(std::unique_ptr<Inquiry> inquiry);
  void NextEndpoint(Inquiry& inquiry);
  void End(Inquiry& inquiry, ModelFailure failure);
  void NoteBudget();
  void Publish();

  const ModelOptions options_;
  const std::string schema_;
  const KeepBudget keep_budget_;
  const base::Clock& clock_;

  // The thread's own.
  base::Rng rng_;
  ModelBudget budget_;
  bool budget_noted_ = false;  // and not kept yet
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  Inquiries waiting_;
  Inquiries under_way_;
  uint64_t next_id_ = 1;
  int64_t wakes_at_ms_ = 0;  // 0: never
  uint64_t dropped_ = 0;
  bool has_ended_ = false;

  mutable base::Mutex mutex_;
  ChatStats stats_ BERTH_GUARDED_BY(mutex_);
  size_t posted_ BERTH_GUARDED_BY(mutex_) = 0;  // questions on their way to the thread
  bool stopped_ BERTH_GUARDED_BY(mutex_) = false;

  HttpThread http_;  // last: it uses what is above
};

}  // namespace berth::features
