#include "features/model_extractor.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/annotate.h"
#include "base/fixed_hash.h"
#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "features/answer.h"
#include "features/cache_key.h"

namespace berth::features {
namespace {

constexpr std::string_view kCacheFile = "model_answers.cache";
constexpr std::string_view kBudgetFile = "model_budget.json";
// Submissions that wait for answers together, as a multiple of the queue.
constexpr size_t kWaitersPerQueued = 4;

// The part of a field that is looked at, cut on this side of the thread: as CleanText would.
std::string Bounded(std::string_view field) {
  if (field.size() <= 2 * kMostFieldBytes) return std::string(field);
  std::string kept(field.substr(0, kMostFieldBytes));
  return kept.append(field.substr(field.size() - kMostFieldBytes));
}

// An answer as it is kept, with what it is of.
std::string EncodeKept(const ChatCompletionsClient::Answer& answer, const std::string& endpoint) {
  nlohmann::ordered_json kept;
  kept["endpoint"] = endpoint;
  kept["model"] = answer.model;
  kept["fingerprint"] = answer.fingerprint;
  kept["answer"] = answer.content;
  return kept.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

struct KeptAnswer {
  std::string endpoint;
  std::string model;
  std::string fingerprint;
  std::string answer;
};

KeptAnswer DecodeKept(const std::string& text) {
  const auto parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto field = [&parsed](const char* name) {
    if (!parsed.is_object() || !parsed.contains(name) || !parsed.at(name).is_string()) {
      return std::string();
    }
    return parsed.at(name).get<std::string>();
  };
  return {.endpoint = field("endpoint"),
          .model = field("model"),
          .fingerprint = field("fingerprint"),
          .answer = field("answer")};
}

// A refusal as it is kept.
ModelFailure FailureNamed(std::string_view name) {
  for (int i = 0; i < kModelFailures; ++i) {
    const auto failure = static_cast<ModelFailure>(i);
    if (ToString(failure) == name) return failure;
  }
  return ModelFailure::kRefused;
}

uint64_t ServedBy(const ModelEndpoint& endpoint) {
  return base::FixedHashCombine(base::FixedHash(endpoint.name), base::FixedHash(endpoint.model));
}

}  // namespace

// A submission with what was copied of it.
struct ModelExtractor::Item {
  std::string name;
  std::string description;
  std::string script;
  std::vector<std::string> command;
  std::string image;
  std::string declared;
  std::string declared_bucket;
  std::string name_space;
  int64_t submitted_ms = 0;
  Done done;

  CleanJobText clean;  // made on the thread
};

absl::StatusOr<std::unique_ptr<ModelExtractor>> ModelExtractor::Create(const ModelOptions& options,
                                                                       const base::Clock& clock,
                                                                       base::Rng rng) {
  BERTH_RETURN_IF_ERROR(CheckModelOptions(options));
  BERTH_ASSIGN_OR_RETURN(PromptFiles files,
                         LoadPromptFiles(options.prompt_path, options.schema_path));
  std::unique_ptr<ModelExtractor> extractor(new ModelExtractor(options, std::move(files), clock));
  BERTH_RETURN_IF_ERROR(extractor->Open(rng));
  return extractor;
}

ModelExtractor::ModelExtractor(const ModelOptions& options, PromptFiles files,
                               const base::Clock& clock)
    : options_(options), files_(std::move(files)), clock_(clock), worker_("model-text") {}

ModelExtractor::~ModelExtractor() { Stop(); }

std::string ModelExtractor::PathOf(std::string_view name) const {
  return options_.directory.empty() ? std::string() : options_.directory + "/" + std::string(name);
}

absl::Status ModelExtractor::Open(base::Rng rng) {
  const std::string cache_path = PathOf(kCacheFile);
  BERTH_ASSIGN_OR_RETURN(cache_,
                         FeatureCache::Open(cache_path, options_.cache_bytes, clock_.WallMs()));
  if (const uint64_t lost = cache_->stats().tail_dropped_bytes; lost > 0) {
    BERTH_LOG_WARN(
        "{}: its last {} bytes are not whole and were dropped; what they held will be "
        "asked for again",
        cache_path, lost);
  }
  ModelBudget budget;
  const std::string budget_path = PathOf(kBudgetFile);
  if (!budget_path.empty()) {
    const auto text = base::ReadSmallFile(budget_path);
    if (text.ok()) {
      auto decoded = ModelBudget::Decode(*text);
      if (decoded.ok()) {
        budget = *std::move(decoded);
      } else {
        BERTH_LOG_WARN("{}: {}; today's budget of models begins anew", budget_path,
                       base::S(decoded.status().message()));
      }
    } else if (!absl::IsNotFound(text.status())) {
      return text.status();
    }
  }
  // Written on the worker: a sync may take long, and the client's thread has time-outs to keep.
  const auto keep_budget = [this, budget_path](std::string encoded) {
    if (budget_path.empty()) return;
    worker_.Post([this, budget_path, encoded = std::move(encoded)] {
      NoteDisk(base::WriteFileAtomically(budget_path, encoded, 0600));
    });
  };
  BERTH_ASSIGN_OR_RETURN(client_,
                         ChatCompletionsClient::Create(options_, files_.schema, std::move(budget),
                                                       keep_budget, clock_, rng));
  return absl::OkStatus();
}

void ModelExtractor::Submit(const Submission& submission, Done done) {
  submitted_.fetch_add(1, std::memory_order_relaxed);
  auto item = std::make_unique<Item>();
  item->name = Bounded(submission.text.name);
  item->description = Bounded(submission.text.description);
  item->script = Bounded(submission.text.script);
  size_t words = 0;
  for (const std::string& word : submission.text.command) {
    if (words > 2 * kMostFieldBytes) break;
    words += word.size();
    item->command.push_back(Bounded(word));
  }
  item->image = Bounded(submission.text.image);
  item->declared = std::string(submission.declared);
  item->declared_bucket = std::string(submission.declared_bucket);
  item->name_space = std::string(submission.name_space);
  item->submitted_ms = clock_.MonotonicMs();
  item->done = std::move(done);
  bool post = false;
  {
    base::MutexLock lock(inbox_mutex_);
    if (!stopped_) {
      inbox_.push_back(std::move(item));
      if (inbox_.size() > options_.queue) {
        dropped_.push_back(std::move(inbox_.front()));
        inbox_.pop_front();
        // Only who is to be told is kept of them.
        Item& told = *dropped_.back();
        for (std::string* text : {&told.name, &told.description, &told.script, &told.image}) {
          std::string().swap(*text);
        }
        told.command.clear();
      }
      post = !std::exchange(is_drain_posted_, true);
    }
  }
  if (item != nullptr) {  // stopped: there is no thread to tell it on any more
    Extraction extraction;
    extraction.failure = ModelFailure::kStopped;
    item->done(extraction);
    return;
  }
  if (post) worker_.Post([this] { DrainInbox(); });
}

void ModelExtractor::Stop() {
  {
    base::MutexLock lock(inbox_mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  if (client_ == nullptr) {  // it was never open
    worker_.Stop();
    return;
  }
  client_->Stop();
  worker_.Post([this] {
    DrainInbox();
    for (auto& [key, flight] : flights_) {
      for (const auto& item : flight.items) TellFailure(*item, ModelFailure::kStopped, {}, false);
    }
    flights_.clear();
    Publish();
  });
  worker_.Stop();
}

ModelStats ModelExtractor::stats() const {
  ModelStats stats;
  {
    base::MutexLock lock(stats_mutex_);
    stats = published_;
  }
  stats.submitted = submitted_.load(std::memory_order_relaxed);
  stats.chat = client_->stats();
  return stats;
}

void ModelExtractor::DrainInbox() {
  while (true) {
    std::unique_ptr<Item> item;
    std::vector<std::unique_ptr<Item>> dropped;
    bool stopped = false;
    {
      base::MutexLock lock(inbox_mutex_);
      dropped.swap(dropped_);
      stopped = stopped_;
      if (!inbox_.empty()) {
        item = std::move(inbox_.front());
        inbox_.pop_front();
      } else if (dropped.empty()) {
        is_drain_posted_ = false;
        break;
      }
    }
    for (const auto& lost : dropped) {
      TellFailure(*lost, ModelFailure::kDropped, "the queue is full", false);
    }
    if (item == nullptr) continue;
    if (stopped) {
      TellFailure(*item, ModelFailure::kStopped, {}, false);
    } else {
      Read(std::move(item));
    }
  }
  Publish();
}

void ModelExtractor::Read(std::unique_ptr<Item> item) {
  item->clean = CleanText({.name = item->name,
                           .description = item->description,
                           .script = item->script,
                           .command = item->command,
                           .image = item->image});
  // From here on the text is what may leave this machine, and no longer what was submitted.
  for (std::string* text : {&item->name, &item->description, &item->script, &item->image}) {
    std::string().swap(*text);
  }
  item->command.clear();
  if (item->clean.empty()) {
    ++counts_.empty;
    item->done({.prompt_version = files_.prompt_version,
                .schema_version = files_.schema_version,
                .took_ms = clock_.MonotonicMs() - item->submitted_ms});
    return;
  }
  if (AnswerFromCache(*item)) return;
  Join(std::move(item));
}

base::Sha256Digest ModelExtractor::KeyOf(const Item& item, size_t endpoint) const {
  return CacheKey({.text = item.clean,
                   .declared = item.declared_bucket,
                   .files = files_,
                   .model = endpoint < options_.endpoints.size()
                                ? std::string_view(options_.endpoints[endpoint].model)
                                : std::string_view(),
                   .name_space = item.name_space,
                   .salt = options_.salt});
}

bool ModelExtractor::AnswerFromCache(Item& item) {
  for (size_t i = 0; i < options_.endpoints.size(); ++i) {
    const auto entry = cache_->Find(KeyOf(item, i), clock_.WallMs());
    if (!entry.has_value()) continue;
    if (entry->is_refusal) {
      ++counts_.refusal_hits;
      TellFailure(item, FailureNamed(entry->text), "as when it was asked before", true);
      return true;
    }
    // Read anew, by what is allowed today and with this text's names.
    if (Tell(item, entry->text, /*from_cache=*/true)) {
      ++counts_.hits;
      return true;
    }
  }
  ++counts_.misses;
  return false;
}

void ModelExtractor::Join(std::unique_ptr<Item> item) {
  if (waiters_ >= kWaitersPerQueued * options_.queue) {
    TellFailure(*item, ModelFailure::kDropped, "too many wait for answers", false);
    return;
  }
  ++waiters_;
  const base::Sha256Digest key = KeyOf(*item, 0);
  Flight& flight = flights_[key];
  flight.key = key;
  if (!flight.items.empty()) {
    ++counts_.joined;
    flight.items.push_back(std::move(item));
    return;
  }
  // Checked with the first one's text, which is the text that the model sees.
  auto text = std::make_shared<const CleanJobText>(item->clean);
  ChatMessages messages = JobMessages(files_, *text, item->declared);
  flight.items.push_back(std::move(item));
  client_->Ask({.messages = std::move(messages),
                .check =
                    [this, text](std::string_view content) {
                      const AnswerReading reading = ReadAnswer(content, *text, options_.limits);
                      return ChatCompletionsClient::Verdict{
                          .rejection = reading.message,
                          .is_json = reading.fault != AnswerFault::kNotJson &&
                                     reading.fault != AnswerFault::kEmpty};
                    },
                .done =
                    [this, key](ChatCompletionsClient::Answer answer) {
                      auto shared =
                          std::make_shared<ChatCompletionsClient::Answer>(std::move(answer));
                      worker_.Post([this, key, shared] {
                        Land(key, std::move(*shared));
                        Publish();
                      });
                    }});
}

void ModelExtractor::Land(const base::Sha256Digest& flight_key,
                          ChatCompletionsClient::Answer answer) {
  const auto found = flights_.find(flight_key);
  if (found == flights_.end()) return;  // ended by Stop
  const Flight flight = std::move(found->second);
  flights_.erase(found);
  waiters_ -= flight.items.size();
  Keep(*flight.items.front(), answer);
  if (answer.failure != ModelFailure::kNone) {
    for (const auto& item : flight.items) {
      TellFailure(*item, answer.failure, answer.detail, false);
    }
    return;
  }
  const std::string kept = EncodeKept(answer, options_.endpoints[answer.endpoint].name);
  for (const auto& item : flight.items) {
    if (Tell(*item, kept, /*from_cache=*/false)) {
      ++counts_.answered;
    } else {
      TellFailure(*item, ModelFailure::kBadAnswer, "not of this text", false);
    }
  }
}

void ModelExtractor::Keep(const Item& item, const ChatCompletionsClient::Answer& answer) {
  const bool is_answer = answer.failure == ModelFailure::kNone;
  if (!is_answer && !IsOfTheText(answer.failure)) return;
  const ModelEndpoint& endpoint = options_.endpoints[answer.endpoint];
  const int64_t ttl = is_answer ? options_.cache_ttl_ms : options_.refusal_ttl_ms;
  NoteDisk(cache_->Put(KeyOf(item, answer.endpoint),
                       {.served_by = ServedBy(endpoint),
                        .identity = answer.model.empty() ? 0
                                                         : base::FixedHashCombine(
                                                               base::FixedHash(answer.model),
                                                               base::FixedHash(answer.fingerprint)),
                        .is_refusal = !is_answer,
                        .text = is_answer ? EncodeKept(answer, endpoint.name)
                                          : std::string(ToString(answer.failure)),
                        .expires_ms = clock_.WallMs() + ttl}));
}

bool ModelExtractor::Tell(Item& item, const std::string& kept, bool from_cache) {
  KeptAnswer answer = DecodeKept(kept);
  AnswerReading reading = ReadAnswer(answer.answer, item.clean, options_.limits);
  if (reading.fault != AnswerFault::kNone) return false;
  counts_.dropped_names += static_cast<uint64_t>(reading.dropped_names);
  item.done({.features = std::move(reading.features),
             .dropped_names = reading.dropped_names,
             .from_cache = from_cache,
             .endpoint = std::move(answer.endpoint),
             .model = std::move(answer.model),
             .fingerprint = std::move(answer.fingerprint),
             .prompt_version = files_.prompt_version,
             .schema_version = files_.schema_version,
             .took_ms = clock_.MonotonicMs() - item.submitted_ms});
  return true;
}

void ModelExtractor::TellFailure(Item& item, ModelFailure failure, std::string detail,
                                 bool from_cache) {
  ++counts_.failures[static_cast<size_t>(failure)];
  item.done({.failure = failure,
             .detail = std::move(detail),
             .from_cache = from_cache,
             .prompt_version = files_.prompt_version,
             .schema_version = files_.schema_version,
             .took_ms = clock_.MonotonicMs() - item.submitted_ms});
}

void ModelExtractor::NoteDisk(const absl::Status& status) {
  std::string trouble = status.ok() ? std::string() : base::S(status.message());
  if (trouble == counts_.disk_trouble) return;
  if (trouble.empty()) {
    BERTH_LOG_INFO("{}: answers of models are kept again", options_.directory);
  } else {
    BERTH_LOG_WARN("{}: answers of models and their budget are in memory alone: {}",
                   options_.directory, trouble);
  }
  counts_.disk_trouble = std::move(trouble);
}

void ModelExtractor::Publish() {
  ModelStats stats = counts_;
  stats.cache = cache_->stats();
  stats.flights = flights_.size();
  {
    base::MutexLock lock(inbox_mutex_);
    stats.waiting = inbox_.size();
  }
  base::MutexLock lock(stats_mutex_);
  published_ = std::move(stats);
}

}  // namespace berth::features
