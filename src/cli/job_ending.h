// How jobs and tasks ended, in words and as exit codes.
#pragma once

#include <string>

#include "berth/v1/types.pb.h"
#include "cli/run_screen.h"

namespace berth::cli {

// The exit code of `run`: the task's own, 128 + n for signal n, 125 when it never ran; of several
// tasks the highest. `task` is the only task of the job as last seen, or null.
int ExitCodeOf(const v1::Job& job, const v1::Task* task);

// The code of one attempt: its own, 128 + n for signal n, 125 when it has none.
int AttemptExitCode(const v1::Attempt& attempt);

// Why an attempt did not succeed: "exit 3", "killed by SIGKILL", "out of memory at its limit of
// 1Gi". Never empty.
std::string WhyItFailed(const v1::Task& task);

// The last line of `run`.
RunScreen::Ending EndingOf(const v1::Job& job, const v1::Task* task);

// "100/100 done, 0 failed"; cancelled and lost ones are named when there are any.
std::string CountsText(const v1::TaskCounts& counts);

}  // namespace berth::cli
