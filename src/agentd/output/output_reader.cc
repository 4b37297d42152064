#include "agentd/output/output_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace berth::agentd {

OutputReader::OutputReader(std::function<base::UniqueFd()> open, std::optional<int64_t> tail_bytes)
    : open_(std::move(open)), tail_bytes_(tail_bytes) {
  Open();
}

bool OutputReader::Open() {
  if (fd_.valid()) return true;
  fd_ = open_();
  if (!fd_.valid()) return false;
  if (tail_bytes_) offset_ = std::max<int64_t>(0, size() - *tail_bytes_);
  return true;
}

std::optional<OutputReader::Chunk> OutputReader::Next(size_t most, int64_t until) {
  if (!Open()) return std::nullopt;
  for (;;) {
    // Past a hole, which is what giving old output back to the file system leaves.
    const off_t data = lseek(fd_.get(), offset_, SEEK_DATA);
    if (data > offset_) offset_ = data;
    if (offset_ >= until) return std::nullopt;
    Chunk chunk;
    chunk.offset = offset_;
    chunk.data.resize(std::min(most, static_cast<size_t>(until - offset_)));
    const ssize_t got = pread(fd_.get(), chunk.data.data(), chunk.data.size(), offset_);
    if (got <= 0) return std::nullopt;
    // A hole that was made meanwhile has been read as zeros, and begins before what was read.
    if (lseek(fd_.get(), offset_, SEEK_DATA) > offset_) continue;
    chunk.data.resize(static_cast<size_t>(got));
    offset_ += got;
    return chunk;
  }
}

std::optional<int64_t> OutputReader::Peek(int64_t until) {
  if (!Open()) return std::nullopt;
  const off_t data = lseek(fd_.get(), offset_, SEEK_DATA);
  if (data > offset_) offset_ = data;
  if (offset_ >= until || offset_ >= size()) return std::nullopt;
  return offset_;
}

int64_t OutputReader::modified_unix_ms() {
  struct stat info = {};
  if (!fd_.valid() || fstat(fd_.get(), &info) != 0) return 0;
  return int64_t{info.st_mtim.tv_sec} * 1000 + info.st_mtim.tv_nsec / 1'000'000;
}

int64_t OutputReader::size() {
  struct stat info = {};
  if (!fd_.valid() || fstat(fd_.get(), &info) != 0) return 0;
  return info.st_size;
}

}  // namespace berth::agentd
