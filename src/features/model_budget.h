#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace berth::features {

// No limit is more, and no price: sums and products of them fit.
inline constexpr int64_t kMostBudget = 1'000'000'000'000'000;
inline constexpr int64_t kMostTokenPrice = 1'000'000'000'000;

// Of one endpoint and day (UTC). 0: no limit. Money is in millionths of whatever currency prices
// are in.
struct BudgetLimits {
  int64_t requests = 0;
  int64_t tokens = 0;  // of prompts and answers
  int64_t micros = 0;
  int64_t prompt_micros_per_million = 0;  // price of a million tokens
  int64_t answer_micros_per_million = 0;
};

struct TokenCount {
  int64_t prompt = 0;
  int64_t answer = 0;
};

// How much has been asked of endpoints today.
//
// A request is counted before it is made, with what it may take at most, and set right when what it
// took is known: requests under way at once do not exceed a limit together.
//
// Threading: one at a time. Pure: wall time is given. A day that lies before the last one seen
// (a clock that was set back) counts on in that last one.
class ModelBudget {
 public:
  struct Use {
    int64_t requests = 0;
    int64_t prompt_tokens = 0;
    int64_t answer_tokens = 0;
    int64_t micros = 0;

    bool operator==(const Use&) const = default;
  };

  // What a request was counted with; for Settle.
  struct Reservation {
    int64_t day = 0;
    TokenCount tokens;
    int64_t micros = 0;
  };

  // Whether a request of at most `tokens` stays within the limits.
  bool Allows(const std::string& endpoint, const BudgetLimits& limits, TokenCount tokens,
              int64_t wall_ms);
  // Counts it. REQUIRES: Allows.
  Reservation Reserve(const std::string& endpoint, const BudgetLimits& limits, TokenCount tokens,
                      int64_t wall_ms);
  // It took `tokens`. A request that reached nobody took none. After midnight nothing changes: the
  // day is over.
  void Settle(const std::string& endpoint, const BudgetLimits& limits,
              const Reservation& reservation, TokenCount tokens, int64_t wall_ms);

  // Today's.
  Use use(const std::string& endpoint) const;
  // When the day ends.
  static int64_t NextDayMs(int64_t wall_ms);

  // As a small message, and back. InvalidArgument: it is something else.
  std::string Encode() const;
  static absl::StatusOr<ModelBudget> Decode(std::string_view text);

 private:
  void Advance(int64_t wall_ms);

  int64_t day_ = 0;  // since 1970
  std::map<std::string, Use> used_;
};

}  // namespace berth::features
