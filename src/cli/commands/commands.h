// The verbs of `berth`. Each Add… function adds a verb's flags to its CLI::App and returns what the
// verb does; the flags live as long as the action.
#pragma once

#include "cli/invocation.h"

namespace CLI {
class App;
}

namespace berth::cli {

Action AddRun(CLI::App& app);
Action AddSubmit(CLI::App& app);
Action AddGet(CLI::App& app);
Action AddDescribe(CLI::App& app);
Action AddPlan(CLI::App& app);
Action AddExplain(CLI::App& app);
Action AddLogs(CLI::App& app);
Action AddWait(CLI::App& app);
Action AddExec(CLI::App& app);
Action AddCp(CLI::App& app);
Action AddPortForward(CLI::App& app);
Action AddAttach(CLI::App& app);
Action AddCancel(CLI::App& app);
Action AddCordon(CLI::App& app);
Action AddUncordon(CLI::App& app);
Action AddNode(CLI::App& app);
Action AddFeatures(CLI::App& app);
Action AddVersion(CLI::App& app);
Action AddCompletion(CLI::App& app);
Action AddAdmin(CLI::App& app);

// ---- verbs of `berth features` ----

Action AddFeaturesEval(CLI::App& app);
Action AddFeaturesTest(CLI::App& app);

// ---- verbs of `berth admin` ----

Action AddSnapshot(CLI::App& app);
Action AddReconcile(CLI::App& app);

}  // namespace berth::cli
