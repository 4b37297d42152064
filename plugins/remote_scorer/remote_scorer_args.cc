#include "remote_scorer/remote_scorer_args.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "absl/time/time.h"
#include "common/args_reader.h"

namespace berth::plugins {
namespace {

// Room for a path in a Unix socket's address, with the byte that ends it.
constexpr size_t kMostSocketPath = 107;

bool IsPort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// What is wrong with an address; empty: nothing.
std::string WrongAddress(std::string_view address) {
  if (address.starts_with("unix:")) {
    const std::string_view path = address.substr(5);
    if (!path.starts_with("/"))
      return "a Unix socket's path must begin with /, as in unix:/run/berth/scorer.sock";
    if (path.size() > kMostSocketPath) {
      return "a Unix socket's path has at most " + std::to_string(kMostSocketPath) + " bytes";
    }
    return "";
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || !IsPort(address.substr(colon + 1))) {
    return "must be unix:/PATH or HOST:PORT";
  }
  const std::string_view host = address.substr(0, colon);
  if (host == "localhost" || host == "[::1]" || host.starts_with("127.")) return "";
  return "must be on this machine (unix:/PATH, 127.0.0.1:PORT): there is no TLS yet";
}

// A duration in milliseconds from `least` to `most`, as "10s".
absl::StatusOr<int64_t> DurationOr(const ArgsReader& args, std::string_view name,
                                   absl::Duration least, absl::Duration most, int64_t fallback) {
  const PluginArgs* value = args.Find(name);
  if (value == nullptr) return fallback;
  const std::string* text = value->as_string();
  absl::Duration duration;
  if (text == nullptr || !absl::ParseDuration(*text, &duration) || duration < least ||
      duration > most || duration != absl::Milliseconds(absl::ToInt64Milliseconds(duration))) {
    return WrongArgument(args.Path(name), "must be a time from " + absl::FormatDuration(least) +
                                              " to " + absl::FormatDuration(most) +
                                              ", as 500ms or 10s, is " + Describe(*value));
  }
  return absl::ToInt64Milliseconds(duration);
}

}  // namespace

absl::StatusOr<RemoteScorerArgs> ReadRemoteScorerArgs(const PluginArgs& args) {
  RemoteScorerArgs read;
  const auto reader = ArgsReader::Open(
      args, "",
      {"address", "timeout", "interval", "timeToLive", "maxShapes", "failures", "longestPause"});
  if (!reader.ok()) return reader.status();
  if (reader->Find("address") != nullptr) {
    auto address = reader->Text("address");
    if (!address.ok()) return address.status();
    read.address = *std::move(address);
  }
  if (const std::string wrong = WrongAddress(read.address); !wrong.empty()) {
    return WrongArgument(reader->Path("address"), wrong + ", is \"" + read.address + "\"");
  }
  const auto timeout =
      DurationOr(*reader, "timeout", absl::Milliseconds(10), absl::Minutes(5), read.timeout_ms);
  if (!timeout.ok()) return timeout.status();
  read.timeout_ms = *timeout;
  const auto interval =
      DurationOr(*reader, "interval", absl::Milliseconds(100), absl::Hours(1), read.interval_ms);
  if (!interval.ok()) return interval.status();
  read.interval_ms = *interval;
  // What is scored must still hold when the next answer is there.
  const absl::Duration least = absl::Milliseconds(read.interval_ms + read.timeout_ms);
  if (reader->Find("timeToLive") == nullptr) {
    read.time_to_live_ms = std::max(read.time_to_live_ms, absl::ToInt64Milliseconds(least) * 2);
  }
  const auto time_to_live =
      DurationOr(*reader, "timeToLive", least, absl::Hours(24), read.time_to_live_ms);
  if (!time_to_live.ok()) return time_to_live.status();
  read.time_to_live_ms = *time_to_live;
  const auto shapes = reader->IntegerOr("maxShapes", 1, 1000, read.most_shapes);
  if (!shapes.ok()) return shapes.status();
  read.most_shapes = *shapes;
  const auto failures = reader->IntegerOr("failures", 1, 100, read.failures);
  if (!failures.ok()) return failures.status();
  read.failures = *failures;
  const auto pause =
      DurationOr(*reader, "longestPause", absl::Seconds(1), absl::Hours(1), read.longest_pause_ms);
  if (!pause.ok()) return pause.status();
  read.longest_pause_ms = *pause;
  return read;
}

}  // namespace berth::plugins
