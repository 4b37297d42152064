#include "features/chat_completions_client.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/annotate.h"
#include "base/fixed_hash.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "features/answer.h"
#include "features/api_key.h"

namespace berth::features {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kBudgetKeptEveryMs = 1000;
// A token is seldom less than two bytes: what a prompt takes at most.
constexpr int64_t kBytesPerToken = 2;
constexpr int64_t kLongerAnswer = 4;
constexpr int kProseIsItsHabit = 3;
// Beyond, questions on their way to the thread are dropped before they get there.
constexpr size_t kPostedPerQueued = 4;

}  // namespace

struct ChatCompletionsClient::Endpoint {
  Endpoint(const ModelEndpoint& endpoint, const ModelOptions& options, std::string api_key,
           base::Rng rng)
      : settings(endpoint),
        url(ChatUrl(endpoint.url)),
        key(std::move(api_key)),
        breaker(options.breaker, rng) {
    stats.name = endpoint.name;
  }

  const ModelEndpoint settings;
  const std::string url;
  std::string key;
  base::CircuitBreaker breaker;
  int64_t not_before_ms = 0;  // as its server asked
  int prose_in_a_row = 0;     // in place of JSON, where it was told to write that
  bool is_failing = false;    // and the log has said so
  EndpointStats stats;
};

// A question with how far it has come.
struct ChatCompletionsClient::Inquiry {
  // What the next request may take.
  TokenCount MostTokens(std::string_view schema) const {
    const size_t bytes = question.messages.system.size() + question.messages.user.size() +
                         schema.size() + rejected_answer.size() + rejection.size();
    return {.prompt = static_cast<int64_t>(bytes) / kBytesPerToken, .answer = max_tokens};
  }

  uint64_t id = 0;
  Question question;
  int64_t asked_ms = 0;
  // Of the last request that failed; kNone: none was made.
  ModelFailure failure = ModelFailure::kNone;
  std::string detail;
  std::string model;
  std::string fingerprint;
  // Why the first endpoint that was passed over was.
  ModelFailure passed_over = ModelFailure::kNone;

  size_t endpoint = 0;
  // With this endpoint:
  int tries = 0;
  std::optional<ServerTraits> traits;  // in place of what is known of the server
  int64_t max_tokens = 0;
  bool was_longer = false;
  std::string rejected_answer;
  std::string rejection;
  bool was_prose = false;  // the rejected answer: the form is a lower one for that
  int64_t not_before_ms = 0;

  // Under way:
  ServerTraits sent_with;
  bool is_probe = false;
  int64_t sent_ms = 0;
  ModelBudget::Reservation reservation;
};

absl::StatusOr<std::unique_ptr<ChatCompletionsClient>> ChatCompletionsClient::Create(
    const ModelOptions& options, std::string schema, ModelBudget budget, KeepBudget keep_budget,
    const base::Clock& clock, base::Rng rng) {
  std::vector<std::unique_ptr<Endpoint>> endpoints;
  for (const ModelEndpoint& settings : options.endpoints) {
    absl::StatusOr<std::string> key = ReadApiKey(settings.key_file, settings.key_env);
    if (!key.ok()) {
      return base::Annotate(key.status(), "model endpoint \"" + settings.name + "\"");
    }
    endpoints.push_back(
        std::make_unique<Endpoint>(settings, options, *std::move(key), base::Rng(rng.Next())));
  }
  std::unique_ptr<ChatCompletionsClient> client(new ChatCompletionsClient(
      options, std::move(schema), std::move(budget), std::move(keep_budget), clock, rng));
  client->endpoints_ = std::move(endpoints);
  client->Publish();
  return client;
}

ChatCompletionsClient::ChatCompletionsClient(const ModelOptions& options, std::string schema,
                                             ModelBudget budget, KeepBudget keep_budget,
                                             const base::Clock& clock, base::Rng rng)
    : options_(options),
      schema_(std::move(schema)),
      keep_budget_(std::move(keep_budget)),
      clock_(clock),
      rng_(rng),
      budget_(std::move(budget)),
      http_("model-http", clock) {}

ChatCompletionsClient::~ChatCompletionsClient() { Stop(); }

void ChatCompletionsClient::Ask(Question question) {
  auto shared = std::make_shared<Question>(std::move(question));
  {
    base::MutexLock lock(mutex_);
    ++posted_;
  }
  http_.Post([this, shared] {
    size_t behind = 0;
    {
      base::MutexLock lock(mutex_);
      behind = --posted_;
    }
    if (behind > kPostedPerQueued * options_.queue) {
      ++dropped_;
      shared->done({.failure = ModelFailure::kDropped});
      return;
    }
    Enqueue(std::move(*shared));
  });
}

void ChatCompletionsClient::Stop() {
  {
    base::MutexLock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  http_.Post([this] {
    has_ended_ = true;
    for (Inquiries* inquiries : {&waiting_, &under_way_}) {
      for (auto& [id, inquiry] : *inquiries) End(*inquiry, ModelFailure::kStopped);
      inquiries->clear();
    }
    if (budget_noted_) keep_budget_(budget_.Encode());
  });
  http_.Stop();
}

ChatStats ChatCompletionsClient::stats() const {
  base::MutexLock lock(mutex_);
  return stats_;
}

void ChatCompletionsClient::Enqueue(Question question) {
  auto inquiry = std::make_unique<Inquiry>();
  inquiry->id = next_id_++;
  inquiry->question = std::move(question);
  inquiry->asked_ms = clock_.MonotonicMs();
  if (has_ended_ || endpoints_.empty()) {
    End(*inquiry, has_ended_ ? ModelFailure::kStopped : ModelFailure::kNoEndpoint);
    return;
  }
  inquiry->max_tokens = endpoints_[0]->settings.max_tokens;
  waiting_.emplace(inquiry->id, std::move(inquiry));
  Dispatch();
  while (waiting_.size() > options_.queue) {
    const std::unique_ptr<Inquiry> oldest = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    ++dropped_;
    End(*oldest, ModelFailure::kDropped);
  }
  Publish();
}

void ChatCompletionsClient::Dispatch() {
  const int64_t now = clock_.MonotonicMs();
  int64_t next = kNever;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    Inquiry& inquiry = *at->second;
    const Turn turn = TurnOf(inquiry, now, next);
    if (turn == Turn::kWait) {
      ++at;
      continue;
    }
    std::unique_ptr<Inquiry> taken = std::move(at->second);
    at = waiting_.erase(at);
    if (turn == Turn::kSend) {
      Send(std::move(taken));
    } else {
      End(*taken, taken->failure != ModelFailure::kNone ? taken->failure : taken->passed_over);
    }
  }
  if (next != kNever && (wakes_at_ms_ == 0 || next < wakes_at_ms_)) {
    wakes_at_ms_ = next;
    http_.RunAt(next, [this, next] {
      if (wakes_at_ms_ == next) wakes_at_ms_ = 0;
      Dispatch();
      Publish();
    });
  }
}

ChatCompletionsClient::Turn ChatCompletionsClient::TurnOf(Inquiry& inquiry, int64_t now_ms,
                                                          int64_t& next_ms) {
  for (; inquiry.endpoint < endpoints_.size(); NextEndpoint(inquiry)) {
    Endpoint& endpoint = *endpoints_[inquiry.endpoint];
    const int64_t pause = endpoint.not_before_ms - now_ms;
    ModelFailure no_use = ModelFailure::kNone;
    if (!endpoint.breaker.MayBegin(now_ms)) {
      no_use = ModelFailure::kBreakerOpen;
    } else if (pause > options_.longest_wait_ms) {
      no_use = ModelFailure::kPaused;
    } else if (!budget_.Allows(endpoint.settings.name, endpoint.settings.budget,
                               inquiry.MostTokens(schema_), clock_.WallMs())) {
      no_use = ModelFailure::kBudget;
    }
    if (no_use != ModelFailure::kNone) {
      if (inquiry.passed_over == ModelFailure::kNone) inquiry.passed_over = no_use;
      continue;
    }
    const int64_t not_before = std::max(inquiry.not_before_ms, endpoint.not_before_ms);
    if (not_before > now_ms) {
      next_ms = std::min(next_ms, not_before);
      return Turn::kWait;
    }
    return endpoint.stats.in_flight < endpoint.settings.concurrency ? Turn::kSend : Turn::kWait;
  }
  return Turn::kOver;
}

void ChatCompletionsClient::Send(std::unique_ptr<Inquiry> inquiry) {
  Endpoint& endpoint = *endpoints_[inquiry->endpoint];
  const ModelEndpoint& settings = endpoint.settings;
  inquiry->sent_with = inquiry->traits.value_or(endpoint.stats.traits);
  inquiry->is_probe = endpoint.breaker.state() == base::CircuitBreaker::State::kOpen;
  endpoint.breaker.Begin();
  inquiry->sent_ms = clock_.MonotonicMs();
  ++endpoint.stats.in_flight;
  ++endpoint.stats.requests;
  HttpThread::Request request{.url = endpoint.url,
                              .body = EncodeChatBody({.model = settings.model,
                                                      .messages = inquiry->question.messages,
                                                      .schema = schema_,
                                                      .max_tokens = inquiry->max_tokens,
                                                      .rejected_answer = inquiry->rejected_answer,
                                                      .rejection = inquiry->rejection},
                                                     inquiry->sent_with),
                              .headers = {"Content-Type: application/json", "Expect:"},
                              .ca_file = settings.ca_file,
                              .proxy = settings.proxy,
                              .connect_timeout_ms = settings.connect_timeout_ms,
                              .timeout_ms = settings.timeout_ms,
                              .most_bytes = options_.max_response_bytes};
  if (!endpoint.key.empty()) request.headers.push_back("Authorization: Bearer " + endpoint.key);
  inquiry->reservation = budget_.Reserve(settings.name, settings.budget,
                                         inquiry->MostTokens(schema_), clock_.WallMs());
  NoteBudget();
  const uint64_t id = inquiry->id;
  under_way_.emplace(id, std::move(inquiry));
  http_.Fetch(std::move(request),
              [this, id](HttpThread::Outcome outcome) { OnOutcome(id, std::move(outcome)); });
}

void ChatCompletionsClient::OnOutcome(uint64_t id, HttpThread::Outcome outcome) {
  const auto found = under_way_.find(id);
  if (found == under_way_.end()) return;  // ended by Stop
  std::unique_ptr<Inquiry> inquiry = std::move(found->second);
  under_way_.erase(found);
  ChatReply reply;
  if (outcome.failure != ModelFailure::kNone) {
    reply.failure = outcome.failure;
    reply.detail = outcome.detail;
  } else {
    reply = DecodeChatReply(outcome.reply);
  }
  NoteOutcome(*inquiry, outcome, reply);
  // Before it is decided what becomes of it: that reads what is known of the server.
  if (reply.is_bad_request) {
    const auto lower = Downgrade(inquiry->sent_with, outcome.reply.body);
    if (lower.has_value()) {
      ++endpoints_[inquiry->endpoint]->stats.downgrades;
      inquiry->traits = lower;
      Again(std::move(inquiry));
    } else {
      Settle(std::move(inquiry), std::move(reply), {});
    }
  } else {
    Settle(std::move(inquiry), std::move(reply), outcome.reply.retry_after);
  }
  Dispatch();
  Publish();
}

void ChatCompletionsClient::Settle(std::unique_ptr<Inquiry> inquiry, ChatReply reply,
                                   const std::string& retry_after) {
  Endpoint& endpoint = *endpoints_[inquiry->endpoint];
  if (reply.failure == ModelFailure::kNone) {
    SettleContent(std::move(inquiry), std::move(reply));
    return;
  }
  inquiry->failure = reply.failure;
  inquiry->detail = reply.detail;
  inquiry->model = reply.model;
  inquiry->fingerprint = reply.fingerprint;
  if (IsOfTheText(reply.failure)) {
    End(*inquiry, reply.failure);
    return;
  }
  if (reply.is_cut_short && !inquiry->was_longer) {
    inquiry->was_longer = true;
    inquiry->max_tokens *= kLongerAnswer;
    Again(std::move(inquiry));
    return;
  }
  if (MayPass(reply.failure)) {
    const int64_t now = clock_.MonotonicMs();
    const int64_t least = RetryAfterMs(retry_after, clock_.WallMs()).value_or(0);
    endpoint.not_before_ms = std::max(endpoint.not_before_ms, now + least);
    if (inquiry->tries < options_.retries && least <= options_.longest_wait_ms) {
      inquiry->not_before_ms = now + BackoffMs({.first_ms = options_.first_backoff_ms,
                                                .longest_ms = options_.longest_backoff_ms},
                                               inquiry->tries, least, rng_);
      ++inquiry->tries;
      ++endpoint.stats.retries;
      Again(std::move(inquiry));
      return;
    }
  }
  NextEndpoint(*inquiry);
  Again(std::move(inquiry));
}

void ChatCompletionsClient::SettleContent(std::unique_ptr<Inquiry> inquiry, ChatReply reply) {
  Endpoint& endpoint = *endpoints_[inquiry->endpoint];
  std::string_view content = reply.content;
  if (inquiry->sent_with.form == AnswerForm::kPlainText) {
    content = FirstObject(content).value_or(content);
  }
  Verdict verdict = inquiry->question.check(content);
  if (verdict.rejection.empty()) {
    // One slip is no reason to ask a server that takes a better form in a lower one for good.
    if (!inquiry->was_prose || endpoint.prose_in_a_row >= kProseIsItsHabit) {
      endpoint.stats.traits = inquiry->sent_with;
    }
    if (!inquiry->was_prose) endpoint.prose_in_a_row = 0;
    ++endpoint.stats.answers;
    inquiry->question.done({.content = std::string(content),
                            .endpoint = inquiry->endpoint,
                            .model = std::move(reply.model),
                            .fingerprint = std::move(reply.fingerprint),
                            .took_ms = clock_.MonotonicMs() - inquiry->asked_ms});
    return;
  }
  ++endpoint.stats.failures[static_cast<size_t>(ModelFailure::kBadAnswer)];
  inquiry->failure = ModelFailure::kBadAnswer;
  inquiry->detail = verdict.rejection;
  if (!inquiry->rejection.empty()) {
    NextEndpoint(*inquiry);
    Again(std::move(inquiry));
    return;
  }
  inquiry->rejection = std::move(verdict.rejection);
  inquiry->rejected_answer = reply.content;
  // A server that takes a form without keeping to it: in the last one, prose around is no harm.
  if (!verdict.is_json && inquiry->sent_with.form != AnswerForm::kPlainText) {
    ++endpoint.prose_in_a_row;
    inquiry->was_prose = true;
    inquiry->traits = inquiry->sent_with;
    inquiry->traits->form = AnswerForm::kPlainText;
  }
  Again(std::move(inquiry));
}

void ChatCompletionsClient::NoteOutcome(Inquiry& inquiry, const HttpThread::Outcome& outcome,
                                        const ChatReply& reply) {
  Endpoint& endpoint = *endpoints_[inquiry.endpoint];
  EndpointStats& stats = endpoint.stats;
  --stats.in_flight;
  const int64_t took = clock_.MonotonicMs() - inquiry.sent_ms;
  const auto* const bound =
      std::lower_bound(kLatencyBoundsMs.begin(), kLatencyBoundsMs.end(), took);
  ++stats.latency[static_cast<size_t>(bound - kLatencyBoundsMs.begin())];
  stats.latency_sum_ms += took;
  if (reply.failure != ModelFailure::kNone) ++stats.failures[static_cast<size_t>(reply.failure)];
  // What is not known to be free counts as it was reserved: a time-out, an answer without usage.
  const bool is_free = !reply.usage.has_value() &&
                       ((outcome.failure != ModelFailure::kNone && !outcome.was_sent) ||
                        (outcome.failure == ModelFailure::kNone && outcome.reply.status != 200));
  const TokenCount used = is_free ? TokenCount{} : reply.usage.value_or(inquiry.reservation.tokens);
  stats.prompt_tokens += used.prompt;
  stats.answer_tokens += used.answer;
  budget_.Settle(endpoint.settings.name, endpoint.settings.budget, inquiry.reservation, used,
                 clock_.WallMs());
  NoteBudget();
  NoteHealth(endpoint, inquiry, reply);
  NoteIdentity(endpoint, reply);
}

void ChatCompletionsClient::NoteHealth(Endpoint& endpoint, const Inquiry& inquiry,
                                       const ChatReply& reply) {
  const bool is_down = (MayPass(reply.failure) && reply.failure != ModelFailure::kRateLimited) ||
                       reply.failure == ModelFailure::kResponseTooLarge;
  const bool is_hopeless = NeedsOperator(reply.failure);
  const std::string_view name = endpoint.settings.name;
  // Requests that were under way when the breaker opened say nothing new.
  const bool counts =
      inquiry.is_probe || endpoint.breaker.state() == base::CircuitBreaker::State::kClosed;
  if (counts && is_hopeless) {
    endpoint.breaker.Trip(clock_.MonotonicMs());
  } else if (counts && is_down) {
    endpoint.breaker.Fail(clock_.MonotonicMs());
  } else if (counts) {
    endpoint.breaker.Succeed();
  }
  if (reply.failure == ModelFailure::kUnauthorized) {
    // It may have been changed where it lies.
    auto key = ReadApiKey(endpoint.settings.key_file, endpoint.settings.key_env);
    if (key.ok()) endpoint.key = *std::move(key);
  }
  if ((is_down || is_hopeless) && !std::exchange(endpoint.is_failing, true)) {
    BERTH_LOG_WARN("model endpoint \"{}\" fails ({}): {}; tasks go on without it", name,
                   ToString(reply.failure), reply.detail);
  } else if (counts && !is_down && !is_hopeless && std::exchange(endpoint.is_failing, false)) {
    BERTH_LOG_INFO("model endpoint \"{}\" answers again", name);
  }
}

void ChatCompletionsClient::NoteIdentity(Endpoint& endpoint, const ChatReply& reply) {
  if (reply.model.empty()) return;
  EndpointStats& stats = endpoint.stats;
  if (stats.model == reply.model && stats.fingerprint == reply.fingerprint) return;
  if (!stats.model.empty()) {
    ++stats.model_changes;
    stats.traits = {};  // which were those of the other one
    BERTH_LOG_INFO("model endpoint \"{}\" serves another model: \"{}\" {}, until now \"{}\" {}",
                   endpoint.settings.name, reply.model, reply.fingerprint, stats.model,
                   stats.fingerprint);
  }
  stats.model = reply.model;
  stats.fingerprint = reply.fingerprint;
}

void ChatCompletionsClient::Again(std::unique_ptr<Inquiry> inquiry) {
  const uint64_t id = inquiry->id;
  waiting_.emplace(id, std::move(inquiry));
}

void ChatCompletionsClient::NextEndpoint(Inquiry& inquiry) {
  ++inquiry.endpoint;
  inquiry.tries = 0;
  inquiry.traits.reset();
  inquiry.was_longer = false;
  inquiry.rejected_answer.clear();
  inquiry.rejection.clear();
  inquiry.was_prose = false;
  inquiry.not_before_ms = 0;
  if (inquiry.endpoint < endpoints_.size()) {
    inquiry.max_tokens = endpoints_[inquiry.endpoint]->settings.max_tokens;
  }
}

void ChatCompletionsClient::End(Inquiry& inquiry, ModelFailure failure) {
  inquiry.question.done({.failure = failure,
                         .detail = inquiry.detail,
                         .endpoint = inquiry.endpoint,
                         .model = inquiry.model,
                         .fingerprint = inquiry.fingerprint,
                         .took_ms = clock_.MonotonicMs() - inquiry.asked_ms});
}

void ChatCompletionsClient::NoteBudget() {
  if (std::exchange(budget_noted_, true)) return;
  http_.RunAt(clock_.MonotonicMs() + kBudgetKeptEveryMs, [this] {
    budget_noted_ = false;
    keep_budget_(budget_.Encode());
  });
}

void ChatCompletionsClient::Publish() {
  base::MutexLock lock(mutex_);
  stats_.endpoints.resize(endpoints_.size());
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    EndpointStats& stats = endpoints_[i]->stats;
    stats.breaker = endpoints_[i]->breaker.state();
    stats.today = budget_.use(stats.name);
    stats_.endpoints[i] = stats;
  }
  stats_.waiting = waiting_.size();
  stats_.dropped = dropped_;
}

}  // namespace berth::features
