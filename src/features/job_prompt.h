// What a model is told of a job.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "features/job_text.h"

namespace berth::features {

// What is asked, and the shape of the answer. Versions are part of what answers are kept by.
struct PromptFiles {
  std::string prompt;          // with the schema in the place of {{schema}}
  std::string schema;          // JSON, in one line
  std::string prompt_version;  // "v1-" and the beginning of its hash; of another file "file-..."
  std::string schema_version;
};

// Those in the program, or those at the paths where they are not empty. InvalidArgument: a prompt
// without {{schema}}; a schema that is not JSON or has other fields than answers are read for.
absl::StatusOr<PromptFiles> LoadPromptFiles(const std::string& prompt_path,
                                            const std::string& schema_path);

// A submission's text as it may leave this machine: plain characters, without secrets, and at most
// kMostPromptBytes. Everything after (request, cache key, the check of names) is made of this.
struct CleanJobText {
  std::string name;
  std::string description;
  std::string script;
  std::string command;  // argv as a line, quoted where it takes that
  std::string image;

  bool empty() const;
};
inline constexpr size_t kMostPromptBytes = 16 << 10;
// A field longer than this is cut to its beginning and end before it is looked at, which bounds
// what one submission costs.
inline constexpr size_t kMostFieldBytes = 64 << 10;

// Cost: linear; about 0.2 ms for 4 KiB, 5 ms at most.
CleanJobText CleanText(const JobText& text);

// The messages of a request.
struct ChatMessages {
  std::string system;
  std::string user;
};
// `declared` is what the submitter stated in fields: names and integers, made by us.
//
// The text stands in the user's message as strings of JSON, with < and > escaped: no quote, line or
// token of a chat template that is in it can end it.
ChatMessages JobMessages(const PromptFiles& files, const CleanJobText& text,
                         std::string_view declared);

}  // namespace berth::features
