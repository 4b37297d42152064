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
  // Past a hole, which is what giving old output back to the file system leaves.
  const off_t data = lseek(fd_.get(), offset_, SEEK_DATA);
  if (data > offset_) offset_ = data;
  if (offset_ >= until) return std::nullopt;
  most = std::min(most, static_cast<size_t>(until - offset_));
  Chunk chunk;
  chunk.offset = offset_;
  chunk.data.resize(most);
  const ssize_t got = pread(fd_.get(), chunk.data.data(), most, offset_);
  if (got <= 0) return std::nullopt;
  chunk.data.resize(static_cast<size_t>(got));
  offset_ += got;
  return chunk;
}

int64_t OutputReader::size() {
  struct stat info = {};
  if (!fd_.valid() || fstat(fd_.get(), &info) != 0) return 0;
  return info.st_size;
}

}  // namespace berth::agentd
