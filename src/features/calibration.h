// How good predictions turned out to be, and who may go on predicting.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "features/features.h"
#include "features/history_groups.h"

namespace berth::features {

inline constexpr size_t kSources = 4;

// The layer that speaks when this one is silent: under declared history, then rules; under the
// model rules too, for it only fills what they leave open. None under rules.
std::optional<Source> LayerBelow(Source source);

struct CalibrationOptions {
  // After so many outcomes one counts half as much.
  int32_t half_life = 100;
  // Of a task that two layers spoke of, so many outcomes, before one is judged by the other.
  int32_t least_pairs = 30;
  // A layer is switched off when its error is more than off_percent of that of the layer below (and
  // by more than 1/16 of a doubling), and on again when it is at most on_percent of it. Between the
  // two it stays as it is.
  int32_t off_percent = 110;
  int32_t on_percent = 95;
};

// What one layer said of one field of a task.
struct Said {
  Source source = Source::kRules;
  int64_t value = 0;
  // Where an interval was given: both ends are in it.
  std::optional<int64_t> low, high;
};

// Of one field and source, what recent outcomes say: older ones fade.
struct CalibrationReport {
  int64_t outcomes = 0;  // all there ever were
  int64_t over = 0;      // of these, more was said than was used in the end
  int64_t under = 0;     // of these, less
  // |said - used| / max(used, 1), in percent. An error above 10,000 % counts as that.
  double mean_error_percent = 0;
  double median_error_percent = 0;  // to within an eighth
  // Of those with an interval, how many lie in it. Absent: no interval was ever given.
  std::optional<double> coverage_percent;
  bool on = true;
};

// A layer that was switched, for the log and a counter.
struct LayerSwitch {
  HistoryField field = HistoryField::kDuration;
  Source source = Source::kHistory;
  bool on = false;
  // Rolling errors that decided it, of the layer and of the one below: mean distance from what was
  // used, in doublings.
  double error = 0, below = 0;
};

// Compares what was said of tasks with what they used, by field and source.
//
// A layer whose rolling error is worse than that of the layer below, on tasks that both spoke of,
// switches itself off. There the error is a distance in doublings, in which twice too much is as
// bad as half, and one short task does not outweigh a hundred others. The layer goes on being asked
// and compared, unused, and comes back when it is better again. What is declared is compared too,
// and never switched: the submitter's word holds. Off or on, what a layer is compared with does not
// change, so the state depends on outcomes alone.
//
// Pure: no clock; the same outcomes in the same order give the same answers. Threading: one thread
// at a time. Cost: O(1) each, no allocation but for a switch.
class Calibration {
 public:
  // REQUIRES: half_life > 0, 0 < on_percent <= off_percent.
  explicit Calibration(const CalibrationOptions& options = {});

  // An outcome: what each layer had said of this field of this task, one entry a source at most, on
  // or off, and what was used in the end. Outcomes that were cut short are not for here.
  void Record(HistoryField field, std::span<const Said> said, int64_t used);

  // Whether what this layer says of this field is to be used.
  [[nodiscard]] bool On(HistoryField field, Source source) const;

  [[nodiscard]] CalibrationReport Report(HistoryField field, Source source) const;

  // What was switched since the last call, in order.
  std::vector<LayerSwitch> TakeSwitches();

  // All of it as one piece to be kept under kCalibrationPiece, and back. DATA_LOSS: damaged or such
  // as cannot come about; FAILED_PRECONDITION: a version that is not read here. Then nothing
  // changes.
  [[nodiscard]] std::string Save() const;
  absl::Status Load(std::string_view bytes);

 private:
  // Errors by size: eight classes for each doubling, from 1/16 % on.
  static constexpr size_t kClasses = 140;

  struct Track {
    int64_t outcomes = 0, over = 0, under = 0;
    double weight = 0;     // of all outcomes, faded
    double error_sum = 0;  // of these, in percent
    double interval_weight = 0, inside_weight = 0;
    std::array<float, kClasses> by_error{};
    // On tasks that the layer below spoke of too: errors in doublings.
    int64_t pairs = 0;
    double pair_weight = 0, own_sum = 0, below_sum = 0;
    bool on = true;
  };

  void Judge(HistoryField field, Source source, Track& track);
  [[nodiscard]] Track& At(HistoryField field, Source source);
  [[nodiscard]] const Track& At(HistoryField field, Source source) const;

  CalibrationOptions options_;
  double keep_;  // what is left of a weight after one more outcome
  // By field, and in a field by source.
  std::vector<Track> tracks_;
  std::vector<LayerSwitch> switches_;
};

inline constexpr std::string_view kCalibrationPiece = "calibration";

}  // namespace berth::features
