// How well run times are predicted from history: logs of real clusters, replayed as they happened.
//
// A job's run time is predicted at its submission, from the jobs that had ended by then and nothing
// else, and is learnt when it ends. The estimator and three baselines see the same:
//   user_median   median of all ended jobs of the user
//   last_two      mean of the user's last two ended jobs (Tsafrir, Etsion and Feitelson, 2007)
//   asked         the time that the job asks for, where the log has it
// A baseline that knows nothing of a user falls back on the median of all jobs that ended.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "features/history_estimator.h"
#include "tests/bench/swf.h"

namespace berth::bench {
namespace {

using features::HistoryEstimator;
using features::HistoryField;

// Median of what was added, in log time: the lower half and the upper half as heaps.
class RunningMedian {
 public:
  void Add(int64_t value) {
    if (low_.empty() || value <= low_.top()) {
      low_.push(value);
    } else {
      high_.push(value);
    }
    if (low_.size() > high_.size() + 1) {
      high_.push(low_.top());
      low_.pop();
    } else if (high_.size() > low_.size()) {
      low_.push(high_.top());
      high_.pop();
    }
  }
  [[nodiscard]] std::optional<double> Value() const {
    if (low_.empty()) return std::nullopt;
    const auto low = static_cast<double>(low_.top());
    return low_.size() > high_.size() ? low : (low + static_cast<double>(high_.top())) / 2;
  }

 private:
  std::priority_queue<int64_t> low_;
  std::priority_queue<int64_t, std::vector<int64_t>, std::greater<>> high_;
};

// What one predictor said, held against what came.
class Score {
 public:
  void Add(double predicted_s, const SwfJob& job) {
    const auto actual = static_cast<double>(job.run_s);
    errors_.push_back(std::abs(predicted_s - actual) / std::max(actual, 1.0));
    const double a = std::max(actual, 1.0), p = std::max(predicted_s, 1.0);
    within_two_ += a <= 2 * p && p <= 2 * a ? 1 : 0;
  }
  void Print(const std::string& log, const char* predictor, const std::string& more = "") {
    if (errors_.empty()) return;
    double sum = 0;
    for (const double error : errors_) sum += error;
    const auto count = static_cast<double>(errors_.size());
    const auto middle = errors_.begin() + static_cast<std::ptrdiff_t>(errors_.size() / 2);
    std::nth_element(errors_.begin(), middle, errors_.end());
    std::printf(
        "{\"bench\": \"history\", \"log\": \"%s\", \"predictor\": \"%s\", \"jobs\": %zu, "
        "\"median_relative_error\": %.4f, \"mean_relative_error\": %.3f, \"within_2x\": %.4f%s}\n",
        log.c_str(), predictor, errors_.size(), *middle, sum / count,
        static_cast<double>(within_two_) / count, more.c_str());
  }

 private:
  std::vector<double> errors_;
  int64_t within_two_ = 0;
};

struct UserPast {
  RunningMedian median;
  double last = -1, before_last = -1;
};

struct Arguments {
  std::vector<std::string> logs;
  bool queues = true;
  features::HistoryOptions options;
};

std::string NameOf(const std::string& path) {
  const std::string file = path.substr(path.rfind('/') + 1);
  return file.substr(0, file.find(".swf"));
}

features::HistorySubject SubjectOf(const SwfJob& job, bool queues) {
  const std::string user = "u" + std::to_string(job.user);
  const std::string name = job.program < 0 ? "" : "p" + std::to_string(job.program);
  // A grid's log has the site that a job was sent to where a cluster's has the queue.
  std::string queue;
  if (queues && (job.queue >= 0 || job.partition >= 0)) {
    queue = std::to_string(job.queue) + "/" + std::to_string(job.partition);
  }
  return HistoryEstimator::Describe(
      {.user = user,
       .name = name,
       .queue = queue,
       .cpu_milli = 1000 * std::max(job.processors, job.asked_processors),
       .time_limit_ms = std::max<int64_t>(0, job.asked_s) * 1000});
}

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

void Replay(const std::string& path, const Arguments& arguments) {
  const std::vector<SwfJob> jobs = ReadSwf(path);
  HistoryEstimator estimator(arguments.options);
  std::map<int64_t, UserPast> users;
  UserPast all;

  struct Given {
    features::HistorySubject subject;
    features::HistoryPrediction prediction;
  };
  std::vector<Given> given(jobs.size());
  using End = std::pair<int64_t, size_t>;
  std::priority_queue<End, std::vector<End>, std::greater<>> running;

  Score history, user_median, last_two, asked;
  std::map<features::HistoryLevel, int64_t> levels;
  std::map<features::HistoryLevel, int64_t> inside_by_level;
  int64_t inside = 0, predicted = 0;
  std::vector<double> widths;
  double describe_s = 0, predict_s = 0, observe_s = 0;

  const auto learn = [&](const SwfJob& job, Given& of, int64_t end_s) {
    const auto start = std::chrono::steady_clock::now();
    features::HistoryOutcome outcome;
    outcome.end = job.status == 5   ? features::HistoryEnd::kCancelled
                  : job.status == 0 ? features::HistoryEnd::kFailed
                                    : features::HistoryEnd::kSucceeded;
    outcome.measured[0] = job.run_s * 1000;
    estimator.Observe(of.subject, outcome, absl::FromUnixSeconds(end_s), &of.prediction);
    observe_s += Seconds(start);
    for (UserPast* past : {&users[job.user], &all}) {
      past->median.Add(job.run_s);
      past->before_last = past->last;
      past->last = static_cast<double>(job.run_s);
    }
  };
  for (size_t i = 0; i < jobs.size(); ++i) {
    const SwfJob& job = jobs[i];
    while (!running.empty() && running.top().first <= job.submit_s) {
      const auto [end_s, ended] = running.top();
      running.pop();
      learn(jobs[ended], given[ended], end_s);
      given[ended] = {};
    }
    running.emplace(job.submit_s + std::max<int64_t>(0, job.wait_s) + job.run_s, i);

    const auto start = std::chrono::steady_clock::now();
    given[i].subject = SubjectOf(job, arguments.queues);
    describe_s += Seconds(start);
    given[i].prediction = estimator.Predict(given[i].subject, absl::FromUnixSeconds(job.submit_s));
    predict_s += Seconds(start);

    const auto& estimate = given[i].prediction[HistoryField::kDuration];
    history.Add(estimate.has_value() ? static_cast<double>(estimate->value) / 1000 : 0, job);
    if (estimate.has_value()) {
      ++predicted;
      ++levels[estimate->level];
      // To 1/256, as the estimator keeps values.
      const auto code = features::EncodeValue(job.run_s * 1000);
      const bool in = features::EncodeValue(estimate->low) <= code &&
                      code <= features::EncodeValue(estimate->high);
      inside += in;
      inside_by_level[estimate->level] += in;
      widths.push_back(static_cast<double>(std::max<int64_t>(estimate->high, 1000)) /
                       static_cast<double>(std::max<int64_t>(estimate->low, 1000)));
    }

    const UserPast& past = users[job.user];
    const double overall = all.median.Value().value_or(0);
    user_median.Add(past.median.Value().value_or(overall), job);
    last_two.Add(past.last < 0          ? overall
                 : past.before_last < 0 ? past.last
                                        : (past.last + past.before_last) / 2,
                 job);
    if (job.asked_s > 0) asked.Add(static_cast<double>(job.asked_s), job);
  }

  const std::string log = NameOf(path) + (arguments.queues ? "" : ", queues left out");
  std::nth_element(widths.begin(), widths.begin() + static_cast<std::ptrdiff_t>(widths.size() / 2),
                   widths.end());
  const auto count = static_cast<double>(std::max<int64_t>(1, predicted));
  std::string by_level;
  for (const auto& [level, times] : levels) {
    by_level += (by_level.empty() ? "" : ", ") + std::to_string(times) + " (" +
                std::to_string(100 * inside_by_level[level] / times) + "%)";
  }
  std::array<char, 512> more;
  std::snprintf(more.data(), more.size(),
                ", \"coverage\": %.4f, \"median_width_ratio\": %.2f, \"us_per_prediction\": %.2f, "
                "\"of_which_describing_us\": %.2f, \"predictions_per_s\": %.0f, \"us_per_end\": "
                "%.2f, \"groups\": %zu, "
                "\"bytes_per_group\": %zu, \"by_level\": \"%s\"",
                static_cast<double>(inside) / count, widths.empty() ? 0 : widths[widths.size() / 2],
                1e6 * predict_s / static_cast<double>(jobs.size()),
                1e6 * describe_s / static_cast<double>(jobs.size()),
                static_cast<double>(jobs.size()) / predict_s,
                1e6 * observe_s / static_cast<double>(jobs.size()), estimator.groups(),
                estimator.bytes() / std::max<size_t>(1, estimator.groups()), by_level.c_str());
  history.Print(log, "history", more.data());
  user_median.Print(log, "user_median");
  last_two.Print(log, "last_two");
  asked.Print(log, "asked");
  std::fflush(stdout);
}

int Main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto number = [&](std::string_view key, auto& into) {
      if (!argument.starts_with(key)) return false;
      into = static_cast<std::remove_reference_t<decltype(into)>>(
          std::atof(argument.substr(key.size()).data()));
      return true;
    };
    if (argument == "--without-queues") {
      arguments.queues = false;
    } else if (number("--half-life-ends=", arguments.options.decay.ends) ||
               number("--half-life-seconds=", arguments.options.decay.seconds) ||
               number("--prior-ends=", arguments.options.prior_ends) ||
               number("--least-weight=", arguments.options.least_weight)) {
      continue;
    } else if (argument.starts_with("--")) {
      std::fprintf(stderr,
                   "history_bench: unknown argument '%s'; there are --without-queues, "
                   "--half-life-ends=, --half-life-seconds=, --prior-ends=, --least-weight=, and "
                   "paths of logs\n",
                   argv[i]);
      return 2;
    } else {
      arguments.logs.emplace_back(argument);
    }
  }
  if (arguments.logs.empty()) {
    arguments.logs = {"tests/data/traces/swf/NASA-iPSC-1993-3.1-cln.swf.gz",
                      "tests/data/traces/swf/LCG-2005-1.swf.gz"};
  }
  for (const std::string& log : arguments.logs) Replay(log, arguments);
  return 0;
}

}  // namespace
}  // namespace berth::bench

int main(int argc, char** argv) { return berth::bench::Main(argc, argv); }
