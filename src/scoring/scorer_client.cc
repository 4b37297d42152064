#include "scoring/scorer_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

#include "base/fixed_hash.h"
#include "base/logging.h"
#include "base/quantities.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "berth/v1/scorer.grpc.pb.h"

namespace berth::scoring {
namespace {

// Slots that one command's columns have together: a turn has bounds.
constexpr size_t kSlotsPerPut = 131'072;
// Pages that are read for one snapshot: a cluster that changes faster is read on in the next round.
constexpr int kMostPages = 10'000;

// Somebody who waits for the loop's answer; told that berthd ends when none comes.
class ReplyWaiter {
 public:
  ReplyWaiter() = default;
  ReplyWaiter(const ReplyWaiter&) = delete;
  ReplyWaiter& operator=(const ReplyWaiter&) = delete;
  ~ReplyWaiter() {
    if (told_) return;
    scheduler::Reply reply;
    reply.status = absl::UnavailableError("berthd is shutting down");
    Tell(std::move(reply));
  }

  void Tell(scheduler::Reply reply) {
    told_ = true;
    done_.set_value(std::move(reply));
  }
  std::future<scheduler::Reply> answer() { return done_.get_future(); }

 private:
  std::promise<scheduler::Reply> done_;
  bool told_ = false;
};

std::shared_ptr<grpc::Channel> Dial(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMostMessageBytes);
  arguments.SetMaxSendMessageSize(kMostMessageBytes);
  // The pauses between tries are the breaker's: a channel of its own knows of no failure before it.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

CallResult ResultOf(const grpc::Status& status, bool was_whole) {
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return CallResult::kOk;
    case grpc::StatusCode::FAILED_PRECONDITION:
      return was_whole ? CallResult::kError : CallResult::kUnknownSnapshot;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return CallResult::kTimeout;
    case grpc::StatusCode::UNAVAILABLE:
      return CallResult::kUnreachable;
    default:
      return CallResult::kError;
  }
}

// What a scorer says goes to the log, to the loop and to people: not more than a line of it.
std::string OneLine(absl::string_view text) {
  constexpr size_t kMostBytes = 300;
  std::string line = base::ToValidUtf8(base::V(text));
  line.resize(base::CutUtf8(line, kMostBytes).size());
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

absl::Status ToStatus(const grpc::Status& status) {
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

}  // namespace

std::string_view ToString(CallResult result) {
  switch (result) {
    case CallResult::kOk:
      return "ok";
    case CallResult::kUnknownSnapshot:
      return "unknown_snapshot";
    case CallResult::kTimeout:
      return "timeout";
    case CallResult::kUnreachable:
      return "unreachable";
    case CallResult::kRefused:
      return "refused";
    case CallResult::kError:
      break;
  }
  return "error";
}

ScorerClient::ScorerClient(ScorerOptions options, PostCommand post, const base::Clock& clock)
    : options_(std::move(options)),
      post_(std::move(post)),
      clock_(clock),
      session_(base::NewUuid()),
      breaker_(options_.breaker, base::Rng(base::FixedHash(session_))),
      thread_("scorer") {
  stats_.profile = options_.profile;
}

ScorerClient::~ScorerClient() { Stop(); }

void ScorerClient::Start() {
  thread_.Post([this] { RoundAndOn(); });
}

void ScorerClient::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    if (call_ != nullptr) call_->TryCancel();
  }
  thread_.Stop();
}

ScorerStats ScorerClient::stats() const {
  base::MutexLock lock(mutex_);
  return stats_;
}

void ScorerClient::RoundAndOn() {
  const int64_t delay = stopping_ ? options_.interval_ms : Round();
  thread_.PostAfter(std::chrono::milliseconds(delay), [this] { RoundAndOn(); });
}

int64_t ScorerClient::Round() {
  const int64_t now = clock_.MonotonicMs();
  if (const int64_t wait = breaker_.WaitMs(now); wait > 0) return wait;
  auto told = ReadCluster();
  // Not the scorer's fault: the loop is full, or the profile is about to have another scorer.
  if (!told.ok()) return options_.interval_ms;
  if (!IsDue(*told, now)) return options_.interval_ms;
  breaker_.Begin();
  auto answer = AskUntilKnown(*told);
  if (stopping_) return options_.interval_ms;
  if (answer.ok()) {
    breaker_.Succeed();
    scored_at_ms_ = now;
    scores_hold_ms_ = answer->time_to_live_ms;
  } else {
    breaker_.Fail(clock_.MonotonicMs());
  }
  Settle(*told, answer.status());
  if (!answer.ok()) return std::max(options_.interval_ms, breaker_.WaitMs(clock_.MonotonicMs()));
  if (const absl::Status put = Put(*told, *std::move(answer)); !put.ok()) {
    BERTH_LOG_DEBUG("profile \"{}\": scores were not taken: {}", options_.profile,
                    base::S(put.message()));
  }
  return options_.interval_ms;
}

absl::StatusOr<scheduler::Reply> ScorerClient::Post(state::CommandBody body) {
  state::Principal who;
  who.name = "berthd";
  who.verified = who.is_operator = who.all_namespaces = true;
  auto waiter = std::make_shared<ReplyWaiter>();
  std::future<scheduler::Reply> answered = waiter->answer();
  BERTH_RETURN_IF_ERROR(
      post_({.principal = std::move(who), .token = 0, .body = std::move(body)},
            [waiter](scheduler::Reply reply) { waiter->Tell(std::move(reply)); }));
  waiter.reset();
  scheduler::Reply reply = answered.get();
  if (!reply.status.ok()) return reply.status;
  return reply;
}

absl::StatusOr<ScorerClient::Told> ScorerClient::ReadCluster() {
  for (int page = 0; page < kMostPages && !stopping_; ++page) {
    BERTH_ASSIGN_OR_RETURN(scheduler::Reply reply,
                           Post(state::ReadForScoring{.profile = options_.profile,
                                                      .args = options_.args,
                                                      .after = picture_.cursor(),
                                                      .most_shapes = options_.most_shapes}));
    auto& scoring = std::get<scheduler::ScoringReply>(reply.body);
    const bool complete = scoring.page.complete;
    picture_.Take(std::move(scoring.page));
    if (!complete) continue;
    Told told{.snapshot = {.session = session_,
                           .profile = options_.profile,
                           .epoch = scoring.epoch,
                           .slots = scoring.slots,
                           .time_to_live_ms = options_.time_to_live_ms,
                           .shapes = std::move(scoring.shapes)},
              .config = scoring.config,
              .read_at_ms = scoring.now_ms};
    if (told.snapshot.slots > kMostSlots) {
      return absl::ResourceExhaustedError("the cluster has too many slots for a scorer");
    }
    const size_t most = kMostScores / std::max<size_t>(1, told.snapshot.slots);
    if (told.snapshot.shapes.size() > most) told.snapshot.shapes.resize(most);
    return told;
  }
  return absl::UnavailableError("the cluster changes faster than it can be read");
}

bool ScorerClient::IsDue(const Told& told, int64_t now_ms) const {
  const auto& shapes = told.snapshot.shapes;
  if (shapes.empty() || told.snapshot.slots == 0) return false;
  return picture_.has_news() || breaker_.failures() > 0 || known_sequence_ == 0 ||
         now_ms - scored_at_ms_ >= scores_hold_ms_ / 2 ||
         std::any_of(shapes.begin(), shapes.end(),
                     [](const auto& shape) { return !shape.has_scores; });
}

absl::StatusOr<ScorerClient::Answer> ScorerClient::AskUntilKnown(Told& told) {
  Snapshot& snapshot = told.snapshot;
  for (;;) {
    snapshot.sequence = ++sequence_;
    snapshot.base_sequence = known_sequence_;
    CallResult result = CallResult::kOk;
    const int64_t began_ms = clock_.MonotonicMs();
    auto answer = Ask(snapshot, result);
    if (stopping_) return absl::CancelledError("berthd is stopping");
    NoteCall(result, static_cast<double>(clock_.MonotonicMs() - began_ms) / 1e3);
    if (answer.ok()) {
      known_sequence_ = snapshot.sequence;
      picture_.ScorerHasAll();
    }
    // A broken connection has pauses of its own; the next call is a new try.
    if (result == CallResult::kUnreachable) channel_.reset();
    if (result != CallResult::kUnknownSnapshot) return answer;
    known_sequence_ = 0;
    picture_.ScorerHasNothing();
  }
}

absl::StatusOr<ScorerClient::Answer> ScorerClient::Ask(const Snapshot& snapshot,
                                                       CallResult& result) {
  if (channel_ == nullptr) channel_ = Dial(options_.address);
  const auto stub = v1::ScorerService::NewStub(channel_);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(options_.timeout_ms));
  {
    base::MutexLock lock(mutex_);
    if (stopping_) return absl::CancelledError("berthd is stopping");
    call_ = &context;
  }
  AnswerReader reader(snapshot);
  absl::Status wrong;
  const auto stream = stub->Score(&context);
  SendSnapshot(snapshot, picture_,
               [&](const v1::ScoreRequest& message) { return stream->Write(message); });
  stream->WritesDone();
  v1::ScoreResponse response;
  while (stream->Read(&response)) {
    if (!wrong.ok()) continue;  // what comes after it, until it is cut off
    wrong = reader.Take(response);
    if (!wrong.ok()) context.TryCancel();
  }
  const grpc::Status ended = stream->Finish();
  {
    base::MutexLock lock(mutex_);
    call_ = nullptr;
  }
  if (wrong.ok() && ended.ok()) wrong = reader.Finish();
  if (!wrong.ok()) {
    result = CallResult::kRefused;
    return wrong;
  }
  result = ResultOf(ended, snapshot.base_sequence == 0);
  if (result == CallResult::kTimeout) {
    return absl::DeadlineExceededError(
        "it has not answered within " +
        base::FormatExactDuration(absl::Milliseconds(options_.timeout_ms)));
  }
  if (!ended.ok()) return ToStatus(ended);
  return Answer{.time_to_live_ms = reader.time_to_live_ms(),
                .columns = std::move(reader.columns())};
}

absl::Status ScorerClient::Put(const Told& told, Answer answer) {
  const size_t at_once = std::max<size_t>(1, kSlotsPerPut / told.snapshot.slots);
  const auto generations = picture_.Generations(told.snapshot.slots);
  for (size_t begin = 0; begin < answer.columns.size(); begin += at_once) {
    const size_t end = std::min(answer.columns.size(), begin + at_once);
    state::PutScores put{.profile = options_.profile,
                         .config = told.config,
                         .epoch = told.snapshot.epoch,
                         .read_at_ms = told.read_at_ms,
                         .time_to_live_ms = answer.time_to_live_ms,
                         .generations = generations,
                         .columns = {}};
    for (size_t i = begin; i < end; ++i) put.columns.push_back(std::move(answer.columns[i]));
    BERTH_RETURN_IF_ERROR(Post(std::move(put)).status());
  }
  base::MutexLock lock(mutex_);
  stats_.last_success_unix_ms = clock_.WallMs();
  stats_.epoch = told.snapshot.epoch;
  return absl::OkStatus();
}

void ScorerClient::Settle(const Told& told, const absl::Status& status) {
  const std::string name =
      "profile \"" + options_.profile + "\": the scorer at " + options_.address;
  const std::string why = OneLine(status.message());
  if (status.ok()) {
    if (!trouble_.empty()) BERTH_LOG_INFO("{} answers again", name);
  } else if (breaker_.failures() == options_.breaker.failures) {
    BERTH_LOG_WARN("{} fails, {} in a row so far, and is asked more and more seldom: {}", name,
                   breaker_.failures(), why);
  } else if (trouble_.empty()) {
    BERTH_LOG_WARN("{} fails: {}", name, why);
  }
  const bool is_open = breaker_.state() == base::CircuitBreaker::State::kOpen;
  std::string trouble;
  if (!status.ok()) {
    trouble = "the scorer at " + options_.address + " fails: " + why;
    if (is_open) trouble += " (its breaker is open)";
  }
  {
    base::MutexLock lock(mutex_);
    stats_.breaker = breaker_.state();
  }
  if (trouble == trouble_ && noted_config_ == told.config) return;
  trouble_ = trouble;
  // When the loop does not take it, the next round tries again.
  const auto noted = Post(state::NoteScorer{.profile = options_.profile,
                                            .config = told.config,
                                            .trouble = std::move(trouble),
                                            .is_given_up = is_open});
  noted_config_ = noted.ok() ? told.config : 0;
}

void ScorerClient::NoteCall(CallResult result, double seconds) {
  base::MutexLock lock(mutex_);
  ++stats_.calls[static_cast<size_t>(result)];
  stats_.duration.Observe(seconds);
}

}  // namespace berth::scoring
