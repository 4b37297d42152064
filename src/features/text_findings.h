// What one part of a job's text says: of its commands, or of its prose.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "features/facts.h"
#include "features/features.h"

namespace berth::features {

// How a model is used, as far as the text says.
struct ModelUse {
  bool training = false;
  bool trains_mostly = false;  // what starts it trains, where nothing says that it only infers
  bool inference = false;
  bool distillation = false;
  bool lora = false;
  bool qlora = false;
  double bytes_per_parameter = 0;  // of inference; 0: nothing said
};

struct ModelFound {
  std::string name;       // as the text has it; empty: only its size is known
  double parameters = 0;  // 0: not known
  bool teacher = false;   // takes part, but is not trained
  int32_t family = -1;    // position among the models of the tables
};

struct DataFound {
  std::string name;
  Fact role = Fact::kInput;
  size_t step = 0;        // the command that names it
  double size_bytes = 0;  // 0: not said
};

struct TextFindings {
  FactSheet sheet;
  std::array<double, kComputationClasses> votes{};
  std::array<double, kComputationClasses> idle{};  // what speaks against a class
  bool gpu_denied = false;
  bool errand = false;      // it is of what people do
  bool asks = false;        // it asks for something in so many words
  double gpu_mentions = 0;  // of the votes, those of nothing but the names of GPUs
  ModelUse use;
  std::vector<ModelFound> models;
  std::vector<DataFound> data;

  void Vote(ComputationClass vote, double weight) { votes[static_cast<size_t>(vote)] += weight; }
};

// Lists are no longer than this: nobody reads thousands of names.
inline constexpr size_t kMostNames = 64;

}  // namespace berth::features
