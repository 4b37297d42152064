// The file that a snapshot is. Why it is so: docs/adr/0006-snapshots-and-generations.md.
//
//   8 bytes   "BERTHSNP"
//   4 bytes   format version
//   frames    the header, records, the trailer; nothing after that
//
// A frame is
//   1 byte    kind: 'H' SnapshotHeader, 'R' records of one table, 'E' SnapshotTrailer
//   4 bytes   length of the payload
//   4 bytes   checksum of kind, length and the frame's place in the file
//   8 bytes   checksum of the payload, seeded with the one before
//   payload
// and records are
//   1 byte    letter of the table
//   for each: 4 bytes length of the key, 4 bytes length of the value, key, value
//
// Numbers are little-endian. Every byte is under a checksum that also knows its place, and the
// trailer has one over all frames, and counts: what is cut off, changed, moved, left out or put in
// is found. They tell slips, not attacks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace berth::snapshot {

inline constexpr std::string_view kMagic = "BERTHSNP";
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kPreambleBytes = 12;

inline constexpr char kHeaderFrame = 'H';
inline constexpr char kRecordsFrame = 'R';
inline constexpr char kTrailerFrame = 'E';

inline constexpr size_t kFrameHeadBytes = 17;
inline constexpr size_t kRecordHeadBytes = 8;
// A records frame is closed when it has this many bytes: larger only for one record that is.
inline constexpr size_t kFrameBytes = size_t{256} << 10;
// No payload is larger. A record is, at most, a job's specification (limits.job).
inline constexpr uint32_t kMostPayloadBytes = (uint32_t{1} << 30) + (uint32_t{1} << 20);

// Of the sum over a whole file, before its first frame.
inline constexpr uint64_t kFirstSum = 0;

struct FrameHead {
  char kind = 0;
  uint32_t length = 0;
  uint64_t payload_sum = 0;
};

void PutNumber(uint64_t value, size_t bytes, std::string& out);
// REQUIRES: text has `bytes`.
uint64_t GetNumber(std::string_view text, size_t bytes);

// The head of a frame that stands at `offset`.
std::string EncodeHead(char kind, std::string_view payload, uint64_t offset);
// False: it is not what was written there. REQUIRES: text has kFrameHeadBytes.
bool DecodeHead(std::string_view text, uint64_t offset, FrameHead& head);
uint64_t PayloadSum(char kind, std::string_view payload, uint64_t offset);

}  // namespace berth::snapshot
