#include "features/request_advice.h"

#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/quantities.h"
#include "base/strings.h"

namespace berth::features {
namespace {

using Kind = RequestAdvice::Kind;

// Hundredths of a core say more than anybody can act on.
std::string Cores(int64_t milli) {
  const int64_t rounded = milli < 100 ? milli : (milli + 50) / 100 * 100;
  return absl::StrCat(base::FormatCpuMilli(rounded), rounded == 1000 ? " core" : " cores");
}

class Adviser {
 public:
  Adviser(const AskedResources& asked, const HistoryPrediction& prediction,
          const AdviceOptions& options)
      : asked_(asked), prediction_(prediction), options_(options) {}

  std::vector<RequestAdvice> All() && {
    Memory();
    Cpu();
    Time();
    Gpus();
    return std::move(advice_);
  }

 private:
  // The estimate, if it rests on enough tasks that are similar in kind.
  [[nodiscard]] const HistoryEstimate* Evidence(HistoryField field) const {
    const auto& estimate = prediction_[field];
    if (!estimate.has_value() || estimate->ends < options_.least_ends) return nullptr;
    if (estimate->level > HistoryLevel::kName) return nullptr;
    return &*estimate;
  }

  // Whether `asked` is far beyond what was ever used, as far as that is known: who was cut short
  // may have been about to use it.
  [[nodiscard]] bool FarMore(int64_t asked, const HistoryEstimate& used, int64_t least) const {
    return SeenWhole(used) && asked - used.most_seen >= least &&
           asked / options_.far_more >= used.most_seen;
  }
  [[nodiscard]] bool SeenWhole(const HistoryEstimate& used) const {
    return used.ends - used.cut_short >= options_.least_ends && !used.most_cut_short;
  }

  void Say(HistoryField field, Kind kind, std::string words) {
    advice_.push_back({.field = field, .kind = kind, .words = std::move(words)});
  }

  void Memory() {
    const HistoryEstimate* used = Evidence(HistoryField::kMemory);
    if (used == nullptr || asked_.memory_bytes <= 0) return;
    const std::string you_ask =
        absl::StrCat("; you ask for ", base::FormatBytes(asked_.memory_bytes));
    if (FarMore(asked_.memory_bytes, *used, options_.least_memory_bytes)) {
      Say(HistoryField::kMemory, Kind::kTooMuch,
          absl::StrCat("similar jobs used ", base::FormatBytes(used->most_seen), " at most",
                       you_ask));
    } else if (used->value > asked_.memory_bytes) {
      Say(HistoryField::kMemory, Kind::kTooLittle,
          absl::StrCat("half of similar jobs used ", base::FormatBytes(used->value), " or more",
                       you_ask));
    }
  }

  void Cpu() {
    const HistoryEstimate* used = Evidence(HistoryField::kCpu);
    if (used == nullptr || asked_.cpu_milli <= 0) return;
    // Too few cores make a task slow and break nothing: and a task that is held to what it asks for
    // never shows that it would use more.
    if (FarMore(asked_.cpu_milli, *used, options_.least_cpu_milli)) {
      Say(HistoryField::kCpu, Kind::kTooMuch,
          absl::StrCat("similar jobs kept ", Cores(used->most_seen), " busy at most; you ask for ",
                       Cores(asked_.cpu_milli)));
    }
  }

  void Time() {
    const HistoryEstimate* used = Evidence(HistoryField::kDuration);
    if (used == nullptr || asked_.time_limit_ms <= 0) return;
    const std::string your_limit =
        absl::StrCat("; your time limit is ", base::FormatElapsed(asked_.time_limit_ms));
    if (FarMore(asked_.time_limit_ms, *used, options_.least_time_ms)) {
      Say(HistoryField::kDuration, Kind::kTooMuch,
          absl::StrCat("similar jobs ran for ", base::FormatElapsed(used->most_seen), " at most",
                       your_limit));
    } else if (used->value >= asked_.time_limit_ms) {
      // A prediction never goes beyond the limit: at it, half of them would not have ended by then.
      Say(HistoryField::kDuration, Kind::kTooLittle,
          absl::StrCat("half of similar jobs ran for as long or longer", your_limit));
    }
  }

  void Gpus() {
    const HistoryEstimate* used = Evidence(HistoryField::kGpu);
    if (used == nullptr || asked_.gpus <= 0 || !SeenWhole(*used)) return;
    const std::string you_ask =
        absl::StrCat("; you ask for ", asked_.gpus, asked_.gpus == 1 ? " GPU" : " GPUs");
    // Thousandths of a GPU; below this even the busiest of them left every GPU idle.
    const int64_t idle = asked_.gpus * 10 * options_.idle_gpu_percent;
    const int64_t busy = (used->most_seen + 999) / 1000;
    if (used->most_seen < idle) {
      Say(HistoryField::kGpu, Kind::kTooMuch,
          absl::StrCat("similar jobs left their GPUs idle", you_ask));
    } else if (busy * 2 <= asked_.gpus) {
      Say(HistoryField::kGpu, Kind::kTooMuch,
          absl::StrCat("similar jobs kept no more than ", busy, busy == 1 ? " GPU" : " GPUs",
                       " busy", you_ask));
    }
  }

  const AskedResources& asked_;
  const HistoryPrediction& prediction_;
  const AdviceOptions& options_;
  std::vector<RequestAdvice> advice_;
};

}  // namespace

std::vector<RequestAdvice> AdviseOnRequest(const AskedResources& asked,
                                           const HistoryPrediction& prediction,
                                           const AdviceOptions& options) {
  return Adviser(asked, prediction, options).All();
}

}  // namespace berth::features
