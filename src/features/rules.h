// The embedded reader of job texts: tables, and no guess beyond what they say.
#pragma once

#include <string>
#include <vector>

#include "features/features.h"
#include "features/job_text.h"
#include "features/rule_tables.h"

namespace berth::features {

// Turns the text of a job into features by tables. Directives win over launchers, launchers over
// prose; what no table knows stays absent.
//
// Text is hostile: of a script the first 128 KiB are read, of a description 32 KiB, of a name 256
// bytes, of a command line 4096 words; every pass over them is linear, so that no text costs more
// than its share (docs/features.md has the figures). The same text and tables give the same
// features, whatever ran before.
//
// Threading: immutable; ReadText() from any thread.
class Rules {
 public:
  explicit Rules(RuleTables tables) : tables_(std::move(tables)) {}

  // Never fails: what cannot be read says nothing. Values lie in sane ranges: up to 8192 cores,
  // 64 TiB of memory, 4096 GPUs, 366 days, 1,000,000 tasks.
  Features ReadText(const JobText& text) const;

  const RuleTables& tables() const { return tables_; }

 private:
  const RuleTables tables_;
};

// Fields and their values as text, as examples in tables have them: "memory" "64Gi". Lists are
// joined by ", ". Absent fields are left out.
std::map<std::string, std::string> DescribeFeatures(const Features& features);

// Runs every example of the tables. One line for each that fails, naming its place, the field,
// what was expected and what came; none when all hold.
std::vector<std::string> FailingExamples(const Rules& rules);

}  // namespace berth::features
