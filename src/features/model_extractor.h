#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/work_thread.h"
#include "features/chat_completions_client.h"
#include "features/feature_cache.h"
#include "features/features.h"
#include "features/job_prompt.h"
#include "features/job_text.h"
#include "features/model_options.h"

namespace berth::features {

// What a model made of a text. Hints, of hostile origin: they may move a soft score and nothing
// else.
struct Extraction {
  ModelFailure failure = ModelFailure::kNone;
  std::string detail;  // of a failure, for logs
  Features features;   // when there is none; each of Source::kModel
  int dropped_names = 0;
  bool from_cache = false;
  // What answered, to be kept with the features.
  std::string endpoint;
  std::string model;
  std::string fingerprint;
  std::string prompt_version;
  std::string schema_version;
  int64_t took_ms = 0;  // since Submit
};

struct ModelStats {
  ChatStats chat;
  FeatureCache::Stats cache;
  uint64_t submitted = 0;
  uint64_t empty = 0;  // nothing to read in them
  uint64_t hits = 0;
  uint64_t refusal_hits = 0;
  uint64_t misses = 0;
  uint64_t joined = 0;    // waited for the answer to another's question
  uint64_t answered = 0;  // by a model
  uint64_t dropped_names = 0;
  std::array<uint64_t, kModelFailures> failures{};  // of submissions, by ModelFailure
  size_t waiting = 0;                               // to be read
  size_t flights = 0;                               // questions whose answers are waited for
  std::string disk_trouble;  // why answers or budgets are not kept; empty: they are
};

// Reads job texts by a language model: the last layer of a cascade, which works without it.
//
// A submission is copied and read on a thread of its own: cleaned, looked up among the answers that
// there are, joined to the same question of another, or asked.
//
// Threading: any thread; callbacks come on that one thread, one at a time. Errors: as
// Extraction::failure.
class ModelExtractor {
 public:
  using Done = std::function<void(const Extraction&)>;

  struct Submission {
    JobText text;
    // What is declared, as it should stand in the prompt: names and integers, made by us.
    std::string_view declared;
    // The same in buckets (cache_key.h): texts whose amounts differ little share an answer.
    std::string_view declared_bucket;
    std::string_view name_space;  // answers are not shared between them
  };

  // `clock` outlives it. Errors: options, files or keys that cannot be used; they name which.
  // A cache or budget that cannot be read is begun anew, and the log says so.
  static absl::StatusOr<std::unique_ptr<ModelExtractor>> Create(const ModelOptions& options,
                                                                const base::Clock& clock,
                                                                base::Rng rng);
  ~ModelExtractor();

  // Never blocks: copies at most 128 KiB of each field, and comes back. `done` is called exactly
  // once. When more than options.queue wait, the oldest is dropped.
  // Cost: microseconds, and the copy.
  void Submit(const Submission& submission, Done done);

  // All that is not answered yet ends with kStopped. Idempotent.
  void Stop();

  ModelStats stats() const;

  // For tests with a clock that is moved by hand.
  void Wake() { client_->Wake(); }

 private:
  struct Item;
  struct Flight {
    base::Sha256Digest key;
    std::vector<std::unique_ptr<Item>> items;
  };

  ModelExtractor(const ModelOptions& options, PromptFiles files, const base::Clock& clock);

  absl::Status Open(base::Rng rng);
  std::string PathOf(std::string_view name) const;
  void DrainInbox();
  void Read(std::unique_ptr<Item> item);
  // Whether the cache had it, and it was told.
  bool AnswerFromCache(Item& item);
  void Join(std::unique_ptr<Item> item);
  void Land(const base::Sha256Digest& flight_key, ChatCompletionsClient::Answer answer);
  void Keep(const Item& item, const ChatCompletionsClient::Answer& answer);
  bool Tell(Item& item, const std::string& kept, bool from_cache);
  void TellFailure(Item& item, ModelFailure failure, std::string detail, bool from_cache);
  void NoteDisk(const absl::Status& status);
  void Publish();
  base::Sha256Digest KeyOf(const Item& item, size_t endpoint) const;

  const ModelOptions options_;
  const PromptFiles files_;
  const base::Clock& clock_;

  // The thread's own.
  std::unique_ptr<FeatureCache> cache_;
  std::map<base::Sha256Digest, Flight> flights_;
  size_t waiters_ = 0;
  ModelStats counts_;

  base::Mutex inbox_mutex_;
  std::deque<std::unique_ptr<Item>> inbox_ BERTH_GUARDED_BY(inbox_mutex_);
  std::vector<std::unique_ptr<Item>> dropped_ BERTH_GUARDED_BY(inbox_mutex_);
  bool is_drain_posted_ BERTH_GUARDED_BY(inbox_mutex_) = false;
  bool stopped_ BERTH_GUARDED_BY(inbox_mutex_) = false;
  std::atomic<uint64_t> submitted_ = 0;

  mutable base::Mutex stats_mutex_;
  ModelStats published_ BERTH_GUARDED_BY(stats_mutex_);

  base::WorkThread worker_;
  std::unique_ptr<ChatCompletionsClient> client_;  // last: it calls into what is above
};

}  // namespace berth::features
