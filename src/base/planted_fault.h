#pragma once

// Faults that the tests plant in the shipped code, one at a time, to see that the nets which are to
// catch such a fault do: docs/testing.md lists them with what finds them. They exist only where a
// file is compiled with BERTH_PLANTED_FAULTS, which nothing that is shipped is; elsewhere
// BERTH_PLANTED is false and leaves no trace.
//
//   if (BERTH_PLANTED(kReplyBeforeSync)) Release(outcome);
#ifdef BERTH_PLANTED_FAULTS

#include <iterator>

namespace berth::base {

enum class PlantedFault {
  kNone,
  kReplyBeforeSync,         // a turn is released before it is on disk
  kDirectivesBeforeSync,    // directives go out before their turn is on disk
  kSkipSequenceCheck,       // an agent carries out a directive that it had before
  kSkipSessionCheck,        // an agent obeys a directive of another session
  kReuseAttemptNumber,      // a new attempt gets the number of the one before
  kForgetJournal,           // an agent acts before its journal is on disk
  kLaunchKnownAttempts,     // an agent that is started again starts what it finds in its journal
  kFreeStoppingRoom,        // a cancelled task's room is free before it has stopped
  kForgetCancel,            // a cancelled task that is lost gets another attempt
  kForgetRequest,           // the answer to a request_id is not kept
  kReuseJobId,              // the counter of jobs is not kept up to date
  kKeepOldLease,            // a lease that starts again keeps its old deadline
  kFenceWithoutGrace,       // a fenced attempt is given up before its grace has passed
  kRenewFromAck,            // an agent's lease counts from the answer instead of the heartbeat
  kLoseTombstone,           // a removed job is missing from the change log
  kAcknowledgeTooMuch,      // facts are acknowledged that have not come
  kResendLost,              // what an agent without its journal may have started is sent again
  kForgetLost,              // a lost task does not go back to the queue
  kForgetBackoff,           // a recovery forgets who waits for a retry
  kForgetRelease,           // room that becomes free wakes nobody
  kFreeStrayRoom,           // what was given up and still runs holds no room
  kKillUnknown,             // attempts that are not known are killed
  kRepeatAttemptAtRestore,  // attempt numbers go on from the snapshot
  kSkipSettling,            // after a restore, what waits is placed before nodes have been heard
  kPlaceBesideStray,        // a task is placed while an attempt of it is in quarantine
  kHearOvertaken,           // what an agent said on a connection that it has given up counts
  kForgetGrowth,            // a recovery forgets the memory that a task grew to
  // Found by walks of the engine beside its oracle; those above by the simulation.
  kSkipDirtyEntry,     // the newest change of several is not read
  kRereadTooLittle,    // a shape that is far behind reads only what the log still has
  kWrongTie,           // of equal totals the higher rank wins
  kKeepLoweredKey,     // a key stays when its leaf is lowered
  kForgetRanks,        // keys stay when all ranks are drawn anew
  kForgetStatic,       // what reads labels is not asked again when they change
  kKeepCells,          // a node that is relabelled stays in its cell
  kKeepEligible,       // domains that are closed still count for spread
  kKeepLocal,          // a rule over one node each stays one when nodes share a domain
  kCountWhereItWas,    // what is counted on a node stays in its old domain too
  kForgetCountedOut,   // a task that ends stays counted
  kForgetShared,       // a task that ends keeps what it had of the cluster's own resources
  kLoseSparseLeaf,     // a node that was judged singly does not come back
  kKeepShapeOfNumber,  // a shape's number means the shape before
  kSkipRunnerUp,       // the second of the winner's cell is not offered
  kCursorAfterUndo,    // a shape that has read what a trial did is not told that it was undone
  kReserveFirstSet,    // the first set of devices is taken instead of the best
  kLastOfEqualSets,    // of sets that score the same the last wins
  kForgetUsage,        // what reads measured use is not asked again when that changes
  kWrapEverywhere,     // every axis of a torus of devices counts as one that wraps
  kForgetClass,        // a task that ends stays counted as bound by what it was
  kKeepOutsideScores,  // scores from outside are not asked about again when they change
};

// Which one is planted. Set before anything runs.
inline PlantedFault planted_fault = PlantedFault::kNone;

// By number of PlantedFault.
inline constexpr const char* kPlantedFaultNames[] = {
    "none",
    "reply-before-sync",
    "directives-before-sync",
    "skip-sequence-check",
    "skip-session-check",
    "reuse-attempt-number",
    "forget-journal",
    "launch-known-attempts",
    "free-stopping-room",
    "forget-cancel",
    "forget-request",
    "reuse-job-id",
    "keep-old-lease",
    "fence-without-grace",
    "renew-from-ack",
    "lose-tombstone",
    "acknowledge-too-much",
    "resend-lost",
    "forget-lost",
    "forget-backoff",
    "forget-release",
    "free-stray-room",
    "kill-unknown",
    "repeat-attempt-at-restore",
    "skip-settling",
    "place-beside-stray",
    "hear-overtaken",
    "forget-growth",
    "skip-dirty-entry",
    "reread-too-little",
    "wrong-tie",
    "keep-lowered-key",
    "forget-ranks",
    "forget-static",
    "keep-cells",
    "keep-eligible",
    "keep-local",
    "count-where-it-was",
    "forget-counted-out",
    "forget-shared",
    "lose-sparse-leaf",
    "keep-shape-of-number",
    "skip-runner-up",
    "cursor-after-undo",
    "reserve-first-set",
    "last-of-equal-sets",
    "forget-usage",
    "wrap-everywhere",
    "forget-class",
    "keep-outside-scores",
};
inline constexpr int kPlantedFaults = static_cast<int>(std::size(kPlantedFaultNames));
// The first that walks of the engine find; those before it are the simulation's.
inline constexpr int kFirstEngineFault = static_cast<int>(PlantedFault::kSkipDirtyEntry);

}  // namespace berth::base

#define BERTH_PLANTED(fault) (::berth::base::planted_fault == ::berth::base::PlantedFault::fault)

#else

#define BERTH_PLANTED(fault) false

#endif
