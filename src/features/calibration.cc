#include "features/calibration.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "berth/features/v1/history.pb.h"
#include "features/history_frame.h"
#include "features/value_code.h"

namespace berth::features {
namespace {

constexpr double kLargestErrorPercent = 10'000;
// Between two layers that are both nearly exact there is nothing to choose.
constexpr double kSlackDoublings = 1.0 / 16;
// Errors are put in classes as codes of this part of a percent: class 0 is up to 1/16 %.
constexpr double kErrorUnits = 4096;
constexpr int kCodesOfAClass = kCodesOfADoubling / 8;

double ErrorPercent(int64_t said, int64_t used) {
  const double distance = std::abs(static_cast<double>(said) - static_cast<double>(used));
  const double of = static_cast<double>(std::max<int64_t>(used, 1));
  return std::min(kLargestErrorPercent, 100 * distance / of);
}

double Doublings(int64_t said, int64_t used) {
  return static_cast<double>(std::abs(EncodeValue(said) - EncodeValue(used))) / kCodesOfADoubling;
}

size_t ErrorClass(double percent) {
  const int code = EncodeValue(static_cast<int64_t>(percent * kErrorUnits));
  return code < 256 ? 0 : static_cast<size_t>((code - 256) / kCodesOfAClass);
}

double MiddleOfClass(size_t error_class) {
  const auto code = static_cast<int>(error_class) * kCodesOfAClass + 256 + kCodesOfAClass / 2;
  return static_cast<double>(DecodeValue(static_cast<ValueCode>(code))) / kErrorUnits;
}

}  // namespace

std::optional<Source> LayerBelow(Source source) {
  switch (source) {
    case Source::kDeclared:
      return Source::kHistory;
    case Source::kHistory:
    case Source::kModel:
      return Source::kRules;
    case Source::kRules:
      return std::nullopt;
  }
  return std::nullopt;
}

Calibration::Calibration(const CalibrationOptions& options)
    : options_(options),
      // ln 2 by the half-life: halves after half_life outcomes, but for a thousandth or so.
      keep_(1 - 0.6931471805599453 / options.half_life),
      tracks_(kHistoryFields * kSources) {
  BERTH_CHECK(options.half_life > 0 && options.on_percent > 0);
  BERTH_CHECK(options.on_percent <= options.off_percent);
}

void Calibration::Record(HistoryField field, std::span<const Said> said, int64_t used) {
  for (const Said& own : said) {
    Track& track = At(field, own.source);
    ++track.outcomes;
    track.over += own.value > used ? 1 : 0;
    track.under += own.value < used ? 1 : 0;
    const double error = ErrorPercent(own.value, used);
    track.weight = track.weight * keep_ + 1;
    track.error_sum = track.error_sum * keep_ + error;
    for (float& weight : track.by_error) weight *= static_cast<float>(keep_);
    track.by_error[std::min(ErrorClass(error), kClasses - 1)] += 1;
    if (own.low.has_value() && own.high.has_value()) {
      // As the estimator keeps values: equal to 1/256 is inside.
      const ValueCode code = EncodeValue(used);
      const bool inside = EncodeValue(*own.low) <= code && code <= EncodeValue(*own.high);
      track.interval_weight = track.interval_weight * keep_ + 1;
      track.inside_weight = track.inside_weight * keep_ + (inside ? 1 : 0);
    }

    const auto below_source = LayerBelow(own.source);
    const auto below = std::find_if(
        said.begin(), said.end(), [&](const Said& other) { return other.source == below_source; });
    if (below == said.end()) continue;
    ++track.pairs;
    track.pair_weight = track.pair_weight * keep_ + 1;
    track.own_sum = track.own_sum * keep_ + Doublings(own.value, used);
    track.below_sum = track.below_sum * keep_ + Doublings(below->value, used);
    Judge(field, own.source, track);
  }
}

void Calibration::Judge(HistoryField field, Source source, Track& track) {
  // What somebody declared holds, however wrong.
  if (source == Source::kDeclared || track.pairs < options_.least_pairs) return;
  const double own = track.own_sum / track.pair_weight;
  const double below = track.below_sum / track.pair_weight;
  const bool worse = own * 100 > below * options_.off_percent && own > below + kSlackDoublings;
  const bool better = own * 100 <= below * options_.on_percent || own <= kSlackDoublings;
  if (track.on ? !worse : !better) return;
  track.on = !track.on;
  switches_.push_back(
      {.field = field, .source = source, .on = track.on, .error = own, .below = below});
}

bool Calibration::On(HistoryField field, Source source) const { return At(field, source).on; }

CalibrationReport Calibration::Report(HistoryField field, Source source) const {
  const Track& track = At(field, source);
  CalibrationReport report;
  report.outcomes = track.outcomes;
  report.over = track.over;
  report.under = track.under;
  report.on = track.on;
  if (track.weight > 0) {
    report.mean_error_percent = track.error_sum / track.weight;
    double total = 0, up_to = 0;
    for (const float weight : track.by_error) total += weight;
    for (size_t i = 0; i < kClasses; ++i) {
      up_to += track.by_error[i];
      if (up_to * 2 < total) continue;
      report.median_error_percent = i == 0 ? 0 : MiddleOfClass(i);
      break;
    }
  }
  if (track.interval_weight > 0) {
    report.coverage_percent = 100 * track.inside_weight / track.interval_weight;
  }
  return report;
}

std::vector<LayerSwitch> Calibration::TakeSwitches() { return std::exchange(switches_, {}); }

std::string Calibration::Save() const {
  v1::CalibrationPiece out;
  for (const Track& track : tracks_) {
    v1::CalibrationTrack& entry = *out.add_tracks();
    entry.set_outcomes(track.outcomes);
    entry.set_over(track.over);
    entry.set_under(track.under);
    entry.set_weight(track.weight);
    entry.set_error_sum(track.error_sum);
    entry.set_interval_weight(track.interval_weight);
    entry.set_inside_weight(track.inside_weight);
    if (track.outcomes > 0)
      entry.mutable_by_error()->Add(track.by_error.begin(), track.by_error.end());
    entry.set_pairs(track.pairs);
    entry.set_pair_weight(track.pair_weight);
    entry.set_own_sum(track.own_sum);
    entry.set_below_sum(track.below_sum);
    entry.set_off(!track.on);
  }
  return FramePiece(kCalibrationPiece, out);
}

absl::Status Calibration::Load(std::string_view bytes) {
  v1::CalibrationPiece in;
  BERTH_RETURN_IF_ERROR(UnframePiece(kCalibrationPiece, bytes, in));
  const auto damaged = [](std::string_view what) { return PieceDamaged(kCalibrationPiece, what); };
  if (static_cast<size_t>(in.tracks_size()) != tracks_.size()) {
    return damaged("it has not one track for each field and source");
  }
  std::vector<Track> tracks;
  for (const v1::CalibrationTrack& entry : in.tracks()) {
    Track& track = tracks.emplace_back();
    // Written so that a NaN is refused too.
    for (const double sum :
         {entry.weight(), entry.error_sum(), entry.interval_weight(), entry.inside_weight(),
          entry.pair_weight(), entry.own_sum(), entry.below_sum()}) {
      if (!(sum >= 0 && sum < 1e12)) return damaged("a sum is out of range");
    }
    if (entry.outcomes() < 0 || entry.over() < 0 || entry.under() < 0 || entry.pairs() < 0) {
      return damaged("a count is negative");
    }
    const auto classes = static_cast<size_t>(entry.by_error_size());
    if (classes != (entry.outcomes() > 0 ? kClasses : 0)) {
      return damaged("it has not one weight for each class of error");
    }
    for (size_t i = 0; i < classes; ++i) {
      const float weight = entry.by_error(static_cast<int>(i));
      if (!(weight >= 0 && weight < 1e12F)) return damaged("a weight is out of range");
      track.by_error[i] = weight;
    }
    track.outcomes = entry.outcomes();
    track.over = entry.over();
    track.under = entry.under();
    track.weight = entry.weight();
    track.error_sum = entry.error_sum();
    track.interval_weight = entry.interval_weight();
    track.inside_weight = entry.inside_weight();
    track.pairs = entry.pairs();
    track.pair_weight = entry.pair_weight();
    track.own_sum = entry.own_sum();
    track.below_sum = entry.below_sum();
    track.on = !entry.off();
  }
  tracks_ = std::move(tracks);
  return absl::OkStatus();
}

Calibration::Track& Calibration::At(HistoryField field, Source source) {
  return tracks_[static_cast<size_t>(field) * kSources + static_cast<size_t>(source) - 1];
}

const Calibration::Track& Calibration::At(HistoryField field, Source source) const {
  return tracks_[static_cast<size_t>(field) * kSources + static_cast<size_t>(source) - 1];
}

}  // namespace berth::features
