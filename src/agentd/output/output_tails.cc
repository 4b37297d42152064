#include "agentd/output/output_tails.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

namespace berth::agentd {
namespace {

// The end of an open file, `size` bytes long.
std::string ReadEnd(int fd, int64_t size) {
  std::string data(static_cast<size_t>(std::min(size, OutputTails::kTailBytes)), '\0');
  const auto from = static_cast<off_t>(size - static_cast<int64_t>(data.size()));
  const ssize_t got = pread(fd, data.data(), data.size(), from);
  data.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return data;
}

}  // namespace

void OutputTails::BeginAnew(const std::vector<AttemptKey>& ended) {
  told_.clear();
  for (const AttemptKey& key : ended) {
    if (std::find(owed_.begin(), owed_.end(), key) == owed_.end()) owed_.push_back(key);
  }
  while (owed_.size() > kMostOwed) owed_.pop_front();
}

int64_t OutputTails::Read(const AttemptKey& key, Sizes& told,
                          std::vector<v1::OutputTail>& tails) const {
  int64_t bytes = 0;
  for (const bool is_stderr : {false, true}) {
    const base::UniqueFd fd = store_.OpenOutput(key, is_stderr);
    struct stat info = {};
    if (!fd.valid() || fstat(fd.get(), &info) != 0 || info.st_size == told[is_stderr]) continue;
    told[is_stderr] = info.st_size;
    std::string data = ReadEnd(fd.get(), info.st_size);
    if (data.empty()) continue;
    v1::OutputTail& tail = tails.emplace_back();
    *tail.mutable_key() = ToProto(key);
    tail.set_is_stderr(is_stderr);
    tail.set_offset(std::max<int64_t>(0, info.st_size - kTailBytes));
    bytes += static_cast<int64_t>(data.size());
    tail.set_data(std::move(data));
  }
  return bytes;
}

std::vector<v1::OutputTail> OutputTails::Round(const std::vector<AttemptKey>& running) {
  ends_bytes_ = 0;
  std::vector<v1::OutputTail> tails;
  int64_t bytes = 0;
  // A pair of full ones must still fit.
  const auto full = [&] { return bytes + 2 * kTailBytes > kRoundBytes; };
  while (!owed_.empty() && !full()) {
    Sizes none = {};
    bytes += Read(owed_.front(), none, tails);
    owed_.pop_front();
  }
  std::erase_if(told_, [&](const auto& each) {
    return !std::binary_search(running.begin(), running.end(), each.first);
  });
  const auto first = std::lower_bound(running.begin(), running.end(), next_);
  size_t at = static_cast<size_t>(first - running.begin());
  for (size_t looked_at = 0; looked_at < running.size() && !full(); ++looked_at, ++at) {
    const AttemptKey& key = running[at % running.size()];
    const AttemptPaths paths = store_.Paths(key);
    struct stat output = {};
    struct stat error = {};
    stat(paths.output.c_str(), &output);
    stat(paths.error.c_str(), &error);
    Sizes& told = told_[key];
    if (told == Sizes{output.st_size, error.st_size}) continue;
    bytes += Read(key, told, tails);
  }
  if (!running.empty()) next_ = running[at % running.size()];
  return tails;
}

std::vector<v1::OutputTail> OutputTails::AtEnd(const AttemptKey& key) {
  Sizes told = {};
  if (const auto known = told_.find(key); known != told_.end()) {
    told = known->second;
    told_.erase(known);
  }
  const AttemptPaths paths = store_.Paths(key);
  struct stat output = {};
  struct stat error = {};
  stat(paths.output.c_str(), &output);
  stat(paths.error.c_str(), &error);
  std::vector<v1::OutputTail> tails;
  if (told == Sizes{output.st_size, error.st_size}) return tails;
  if (ends_bytes_ + 2 * kTailBytes > kRoundBytes) {
    owed_.push_back(key);
    if (owed_.size() > kMostOwed) owed_.pop_front();
    return tails;
  }
  ends_bytes_ += Read(key, told, tails);
  return tails;
}

}  // namespace berth::agentd
