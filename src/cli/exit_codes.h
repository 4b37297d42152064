// What `berth` ends with (design, section 12).
#pragma once

namespace berth::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitNo = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitNotAllowed = 4;
inline constexpr int kExitUnavailable = 5;
inline constexpr int kExitTimedOut = 124;  // `wait`

// `run` and `exec`, beside the codes of what they run: as shells say it.
inline constexpr int kExitBerthFailed = 125;  // before it ran
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNoSuchProgram = 127;
inline constexpr int kExitInterrupted = 130;  // 128 + SIGINT
inline constexpr int kExitBrokenPipe = 141;   // 128 + SIGPIPE

}  // namespace berth::cli
