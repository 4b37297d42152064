// Why a node does not fit. The numbers are those of berth.v1.ReasonCode on the wire.
#pragma once

#include <cstdint>

namespace berth {

enum class Reason : uint16_t {
  kNone = 0,

  kInsufficientCpu = 100,
  kInsufficientMemory = 101,
  kInsufficientStorage = 102,
  kInsufficientBandwidth = 103,
  kInsufficientExtendedResource = 104,
  kInsufficientDevices = 110,
  kDeviceModelMismatch = 111,
  kDeviceMemoryTooSmall = 112,
  kNoSuchDevice = 113,
  kUntoleratedTaint = 120,
  kNodeSelectorMismatch = 121,
  kNodeAffinityMismatch = 122,
  kNodeCordoned = 123,
  kNodeNotReady = 124,

  kWaitingForTurn = 200,
  kNoNodeFitsNow = 201,
  kNeverFits = 202,
  kNoNodes = 203,
  kBackingOff = 204,
  kSchedulerError = 205,
  kRestoreSettling = 206,
  kAttemptNotEnded = 207,

  kExited = 300,
  kKilledBySignal = 301,
  kOutOfMemory = 302,
  kTimeLimitReached = 303,
  kCancelledByUser = 304,
  kNodeLost = 305,
  kAttemptUnknownToNode = 306,
  kProgramNotFound = 310,
  kProgramNotExecutable = 311,
  kWorkingDirectoryMissing = 312,
  kUserNotAllowed = 313,
  kIsolationFailed = 314,
  kDriverError = 315,
  kAgentJournalFull = 316,

  kFieldNotHonoured = 400,
  kInvalidField = 401,
  kUnknownQueue = 402,
  kUnknownProfile = 403,
  kJobTooLarge = 404,
  kInboxFull = 405,
  kNotFound = 406,
  kNotAllowed = 407,
  kEpochTooOld = 408,
  kRequestIdReused = 409,
  kWrongCluster = 410,
  kOldGeneration = 411,
  kNodeNameTaken = 412,
  kShuttingDown = 413,
  kVersionUnsupported = 414,
  kOutputUnavailable = 415,
  kTooSlow = 416,
  kAlreadyEnded = 417,
  kDiskFull = 418,
  kJobUnknown = 419,
  kTaskNotWaiting = 420,
  kAttemptOutdated = 421,
  kAttemptDiffers = 422,
};

}  // namespace berth
