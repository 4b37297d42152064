// Texts with what an honest reader takes from them. tests/data/features/README.md has the format,
// and what each label means.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "features/features.h"
#include "features/job_text.h"

namespace berth::features {

struct GoldLabels {
  std::optional<ComputationClass> computation_class;
  std::set<ComputationClass> also;
  // By field: cores and counts as they are, sizes in bytes, durations in milliseconds.
  std::map<std::string, double> stated;
  std::string gpu_kind;
  std::optional<double> model_memory_bytes;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<std::string> intermediate;
  std::map<std::string, double> data_sizes;
  std::vector<std::string> models;
  std::set<std::string> permits;
};

struct GoldText {
  std::string id;
  std::string language;
  std::string name;
  std::string description;
  std::string script;
  std::vector<std::string> command;
  std::string image;
  GoldLabels expect;

  JobText text() const { return {name, description, script, command, image}; }
};

// Texts by part ("tune", "held_out").
using GoldSet = std::map<std::string, std::vector<GoldText>>;

// Reads one file of texts. InvalidArgument names file, line and path of every fault.
absl::StatusOr<std::vector<GoldText>> ParseGoldTexts(std::string_view yaml,
                                                     const std::string& file);

// Reads the parts that lie below `directory`. NotFound when there is none; AlreadyExists when two
// texts of a part have one id.
absl::StatusOr<GoldSet> ReadGoldSet(const std::string& directory);

}  // namespace berth::features
