#include "features/model_budget.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace berth::features {
namespace {

constexpr int64_t kBudgetDayMs = int64_t{24} * 3600 * 1000;

constexpr int64_t kMillion = 1'000'000;

// Rounded up. Bounded counts and prices fit.
int64_t PriceMicros(int64_t tokens, int64_t micros_per_million) {
  return tokens / kMillion * micros_per_million +
         (tokens % kMillion * micros_per_million + kMillion - 1) / kMillion;
}

int64_t PriceMicros(const BudgetLimits& limits, TokenCount tokens) {
  return PriceMicros(tokens.prompt, limits.prompt_micros_per_million) +
         PriceMicros(tokens.answer, limits.answer_micros_per_million);
}

TokenCount Bounded(TokenCount tokens) {
  constexpr int64_t kMostTokens = 1'000'000'000;
  return {.prompt = std::clamp<int64_t>(tokens.prompt, 0, kMostTokens),
          .answer = std::clamp<int64_t>(tokens.answer, 0, kMostTokens)};
}

int64_t NotBelowZero(int64_t value) { return std::max<int64_t>(0, value); }

}  // namespace

int64_t ModelBudget::NextDayMs(int64_t wall_ms) {
  return (wall_ms / kBudgetDayMs + 1) * kBudgetDayMs;
}

void ModelBudget::Advance(int64_t wall_ms) {
  const int64_t day = wall_ms / kBudgetDayMs;
  if (day <= day_) return;
  day_ = day;
  used_.clear();
}

bool ModelBudget::Allows(const std::string& endpoint, const BudgetLimits& limits, TokenCount tokens,
                         int64_t wall_ms) {
  Advance(wall_ms);
  const Use used = use(endpoint);
  tokens = Bounded(tokens);
  const int64_t all_tokens =
      used.prompt_tokens + used.answer_tokens + tokens.prompt + tokens.answer;
  return (limits.requests == 0 || used.requests < limits.requests) &&
         (limits.tokens == 0 || all_tokens <= limits.tokens) &&
         (limits.micros == 0 || used.micros + PriceMicros(limits, tokens) <= limits.micros);
}

ModelBudget::Reservation ModelBudget::Reserve(const std::string& endpoint,
                                              const BudgetLimits& limits, TokenCount tokens,
                                              int64_t wall_ms) {
  Advance(wall_ms);
  tokens = Bounded(tokens);
  Use& used = used_[endpoint];
  const Reservation reservation{
      .day = day_, .tokens = tokens, .micros = PriceMicros(limits, tokens)};
  ++used.requests;
  used.prompt_tokens += tokens.prompt;
  used.answer_tokens += tokens.answer;
  used.micros += reservation.micros;
  return reservation;
}

void ModelBudget::Settle(const std::string& endpoint, const BudgetLimits& limits,
                         const Reservation& reservation, TokenCount tokens, int64_t wall_ms) {
  Advance(wall_ms);
  if (reservation.day != day_) return;
  tokens = Bounded(tokens);
  Use& used = used_[endpoint];
  used.prompt_tokens = NotBelowZero(used.prompt_tokens + tokens.prompt - reservation.tokens.prompt);
  used.answer_tokens = NotBelowZero(used.answer_tokens + tokens.answer - reservation.tokens.answer);
  used.micros = NotBelowZero(used.micros + PriceMicros(limits, tokens) - reservation.micros);
}

ModelBudget::Use ModelBudget::use(const std::string& endpoint) const {
  const auto found = used_.find(endpoint);
  return found == used_.end() ? Use{} : found->second;
}

std::string ModelBudget::Encode() const {
  nlohmann::ordered_json out;
  out["version"] = 1;
  out["day"] = day_;
  out["endpoints"] = nlohmann::ordered_json::object();
  for (const auto& [name, used] : used_) {
    out["endpoints"][base::ToValidUtf8(name)] = {{"requests", used.requests},
                                                 {"promptTokens", used.prompt_tokens},
                                                 {"answerTokens", used.answer_tokens},
                                                 {"micros", used.micros}};
  }
  return out.dump() + "\n";
}

absl::StatusOr<ModelBudget> ModelBudget::Decode(std::string_view text) {
  const auto parsed = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  const auto bad = [] { return absl::InvalidArgumentError("not a budget of version 1"); };
  // A number of the message that is there and not negative.
  const auto number = [](const nlohmann::json& object, const char* key, int64_t& out) {
    if (!object.is_object() || !object.contains(key)) return false;
    const nlohmann::json& value = object.at(key);
    if (!value.is_number_integer() || value.get<int64_t>() < 0) return false;
    out = std::min(value.get<int64_t>(), std::numeric_limits<int64_t>::max() / 4);
    return true;
  };
  int64_t version = 0;
  ModelBudget budget;
  if (!number(parsed, "version", version) || version != 1 || !number(parsed, "day", budget.day_) ||
      !parsed.contains("endpoints") || !parsed.at("endpoints").is_object()) {
    return bad();
  }
  for (const auto& [name, entry] : parsed.at("endpoints").items()) {
    Use& used = budget.used_[name];
    if (!number(entry, "requests", used.requests) ||
        !number(entry, "promptTokens", used.prompt_tokens) ||
        !number(entry, "answerTokens", used.answer_tokens) ||
        !number(entry, "micros", used.micros)) {
      return bad();
    }
  }
  return budget;
}

}  // namespace berth::features
