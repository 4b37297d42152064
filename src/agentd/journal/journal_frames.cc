#include "agentd/journal/journal_frames.h"

#include <cstring>
#include <optional>

#include "agentd/journal/crc32c.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr uint32_t kMarker = 0x4a415242;  // "BRAJ"

struct FrameHeader {
  uint32_t marker = kMarker;
  uint32_t length = 0;  // of what follows the header
  uint64_t group = 0;
  uint32_t crc = 0;  // of the length, the group and what follows
  uint32_t reserved = 0;
};
static_assert(sizeof(FrameHeader) == 24);

uint32_t FrameCrc(const FrameHeader& header, std::string_view payload) {
  const auto* fields = reinterpret_cast<const char*>(&header.length);
  const uint32_t crc = Crc32c({fields, sizeof(header.length) + sizeof(header.group)});
  return Crc32c(payload, crc);
}

// The payload of the frame at `at`, when one is whole there.
std::optional<std::string_view> FrameAt(std::string_view contents, size_t at, FrameHeader& header) {
  if (contents.size() - at < sizeof(header)) return std::nullopt;
  std::memcpy(&header, contents.data() + at, sizeof(header));
  if (header.marker != kMarker || header.reserved != 0) return std::nullopt;
  if (header.length > contents.size() - at - sizeof(header)) return std::nullopt;
  const std::string_view payload = contents.substr(at + sizeof(header), header.length);
  if (FrameCrc(header, payload) != header.crc) return std::nullopt;
  return payload;
}

// Whether a whole frame of a later group begins anywhere after `at`.
bool WholeFrameAfter(std::string_view contents, size_t at, uint64_t after_group) {
  const std::string_view marker(reinterpret_cast<const char*>(&kMarker), sizeof(kMarker));
  for (size_t next = contents.find(marker, at + 1); next != std::string_view::npos;
       next = contents.find(marker, next + 1)) {
    FrameHeader header;
    if (FrameAt(contents, next, header) && header.group > after_group) return true;
  }
  return false;
}

absl::Status Damaged(const std::string& path, size_t at, std::string_view why) {
  return absl::DataLossError(base::A(
      "journal " + path + " is damaged at byte " + std::to_string(at) + ": " + std::string(why) +
      ". What it says of this node's tasks cannot be trusted. To go on without it: mv " + path +
      " " + path +
      ".damaged, and start the agent again; it then joins as a new one, and berthd"
      " gives the tasks it had here a new attempt"));
}

}  // namespace

std::string MakeFrame(const std::vector<std::string>& records, uint64_t group) {
  std::string frame(sizeof(FrameHeader), '\0');
  for (const std::string& record : records) {
    const auto length = static_cast<uint32_t>(record.size());
    frame.append(reinterpret_cast<const char*>(&length), sizeof(length));
    frame.append(record);
  }
  FrameHeader header;
  header.length = static_cast<uint32_t>(frame.size() - sizeof(header));
  header.group = group;
  header.crc = FrameCrc(header, std::string_view(frame).substr(sizeof(header)));
  std::memcpy(frame.data(), &header, sizeof(header));
  return frame;
}

absl::StatusOr<LoadedFrames> LoadFrames(std::string_view contents, const std::string& path,
                                        const RecordVisitor& visit) {
  LoadedFrames loaded;
  size_t at = 0;
  while (at < contents.size()) {
    FrameHeader header;
    const std::optional<std::string_view> payload = FrameAt(contents, at, header);
    if (!payload.has_value()) {
      if (WholeFrameAfter(contents, at, loaded.next_group - 1)) {
        return Damaged(path, at, "its checksum does not hold, and what follows is whole");
      }
      break;
    }
    if (at > 0 && header.group != loaded.next_group) {
      return Damaged(path, at, "a group is missing before it");
    }
    std::string_view rest = *payload;
    while (!rest.empty()) {
      uint32_t length = 0;
      if (rest.size() >= sizeof(length)) std::memcpy(&length, rest.data(), sizeof(length));
      if (rest.size() < sizeof(length) || rest.size() - sizeof(length) < length) {
        return Damaged(path, at, "a record is longer than its group");
      }
      const absl::Status visited = visit(rest.substr(sizeof(length), length));
      if (!visited.ok()) return Damaged(path, at, base::V(visited.message()));
      rest.remove_prefix(sizeof(length) + length);
    }
    loaded.next_group = header.group + 1;
    at += sizeof(header) + payload->size();
  }
  loaded.bytes = at;
  return loaded;
}

}  // namespace berth::agentd
