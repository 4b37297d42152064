// The tables that say what words of a job's text mean: config/features/rules.yaml, and files of the
// same format that an operator adds. The head of that file is their documentation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"
#include "features/facts.h"
#include "features/features.h"

namespace berth::features {

// How the value of an option is written.
enum class Form : uint8_t {
  kNumber,
  kSize,
  kSlurmTime,
  kHmsTime,
  kHmTime,
  kHumanTime,
  kPairs,     // name=value pairs between separators, each by a table of keys
  kChunk,     // pairs after a count and ':' : PBS select= and nodes=
  kBrackets,  // section[name=value,...]: LSF -R; keys are "section.name"
  kGres,      // gpu:KIND:COUNT among others between commas
  kGpuCount,  // COUNT, KIND:COUNT, all, or "device=0,1"
  kList,      // 0,1,2,3: how many there are
  kHosts,     // a:8,b:8: nodes, and what is on each
  kSlots,     // NAME COUNT: a parallel environment of Grid Engine
  kMaster,    // local[24] of Spark
  kKind,      // a word that holds the name of a kind of GPU, and perhaps its memory
  kWord,      // text as it is
  kRange,     // 4 or 1:4 or 2-4: the last number
  kParameters,
  kFirst,  // 0-15 or 0,2,4-7: how many processors are listed
};

struct OptionRule {
  Fact fact = Fact::kSkip;
  Form form = Form::kNumber;
  double unit = 1;  // of a number without a unit
  double set = -1;  // the value of the fact where the option takes none
  char separator = ',';
  std::string keys;       // the table of keys, for forms made of pairs
  bool weak = false;      // counts only where nothing else says it
  bool attached = false;  // its value may follow without a space or '='
};
using OptionTable = absl::flat_hash_map<std::string, OptionRule, base::StringHash, base::StringEq>;

// The directives of one scheduler.
struct SchedulerRule {
  std::string prefix;  // "#SBATCH"
  OptionTable options;
};

// What a program's positional arguments are, in order.
struct ArgumentRule {
  Fact fact = Fact::kSkip;
  bool many = false;  // as many as are left for it
};

struct ProgramRule {
  enum class Wraps : uint8_t { kNothing, kCommand, kInterpreter, kShellText };
  ClassWeights votes{};
  OptionTable options;
  std::vector<std::pair<std::string, OptionRule>> attached;
  std::vector<ArgumentRule> arguments;
  Wraps wraps = Wraps::kNothing;
  int32_t skip_words = 0;           // words of its own before what it wraps
  bool options_take_values = true;  // options that the table does not name
  bool one_dash_words = false;      // "-name value": one dash, many letters
  bool generic = true;              // options that mean the same for most programs hold too
  bool training = false;
  bool trains_mostly = false;  // where nothing says that it only infers
  bool sql = false;            // names data in statements
};

// What a phrase of prose does to the sentence around it.
enum class Means : uint8_t {
  kVote,    // for a class, with a weight
  kNoun,    // names something that can be counted or sized
  kNumber,  // a number in words
  kScale,   // multiplies the number before it
  kTimeUnit,
  kSizeUnit,  // bytes that the number before it counts
  kNegation,  // what follows in the clause is denied
  kDenial,    // all of the clause is denied
  kFormer,    // from here to the end of the sentence, or to kNow, is told of other runs
  kNow,
  kEach,
  kTotal,
  kNeed,      // what follows may be asked for: "with", "about"
  kAsk,       // what follows is asked for in so many words
  kLimit,     // a resource beside it is what the job is bound by
  kIdle,      // a resource beside it is not
  kPerThing,  // amounts beside it are of a part of the job
  kTraining,
  kDistillation,  // training by a model that is not trained
  kTeacher,       // the model beside it takes part, but is not trained
  kLora,
  kQlora,
  kInference,
  kPrecision,  // bytes of a parameter
  kInputCue,
  kOutputCue,
  kScratchCue,
  kGpuKind,
  kModel,
  kModelPart,  // a word that a model's name may go on with
  kDataSet,
  kErrand,  // the text is of what people do, not of what machines compute
  kPlain,   // shadows a shorter phrase
};

// What can be counted or sized.
enum class Noun : uint8_t {
  kCore,
  kGpu,
  kGpuMeasure,
  kNode,
  kRank,
  kMemory,
  kGpuMemory,
  kDisk,
  kNetwork,
  kData,
  kFiles,
  kModelWord,
  kCpu,
};

struct PhraseRule {
  Means means = Means::kPlain;
  Noun noun = Noun::kCore;
  ComputationClass vote = ComputationClass::kCpuBound;
  double vote_weight = 0;  // of `vote`; a phrase of another meaning may vote too
  double value = 0;        // number, scale, milliseconds or bytes
  int32_t ref = -1;        // position among the GPU kinds or models
};

struct GpuKindRule {
  std::string name;      // as is common
  bool spelled = false;  // only in capitals or beside a word for GPUs: "T4"
};

struct ModelRule {
  std::string name;
  double parameters = 0;  // 0: the size stands in the text
  bool on_gpu = true;     // its name alone tells that it runs on GPUs
};

// One example of an entry: a text, and what it must give.
struct TableExample {
  std::string place;  // "programs.bwa.examples[0]"
  std::string name;
  std::string description;
  std::string script;
  std::map<std::string, std::string> gives;  // as DescribeFeatures() writes it; "": nothing
};

// Phrases by their bytes: of those that begin at a place, the longest.
//
// Invariant: edges of a node are sorted by byte. Immutable after Freeze().
class PhraseTree {
 public:
  struct Found {
    const PhraseRule* rule = nullptr;
    size_t bytes = 0;
  };

  // A phrase that ends with '*' matches the beginning of a word. A later rule replaces an earlier
  // one of the same phrase, but a vote and another meaning go together.
  void Add(std::string_view phrase, const PhraseRule& rule);
  void Remove(std::string_view phrase);
  // `text` in lower case with '-' and '_' as spaces. Cost: O(longest phrase).
  Found Longest(std::string_view text, size_t at) const;

 private:
  struct Node {
    std::vector<std::pair<unsigned char, int32_t>> edges;
    int32_t whole = -1;   // of a phrase that ends here
    int32_t prefix = -1;  // of a phrase that may go on
  };
  int32_t Child(int32_t node, unsigned char c) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<int32_t, 256> first_{};
  std::vector<PhraseRule> rules_;
};

// Threading: immutable once read; const access from any thread.
struct RuleTables {
  std::vector<std::pair<std::string, SchedulerRule>> schedulers;
  absl::flat_hash_map<std::string, OptionTable, base::StringHash, base::StringEq> keys;
  absl::flat_hash_map<std::string, ProgramRule, base::StringHash, base::StringEq> programs;
  OptionTable environment;
  OptionTable generic;
  // Of `generic` those whose value follows directly: they mean the same for every program.
  std::vector<std::pair<std::string, OptionRule>> generic_attached;
  std::vector<std::pair<std::string, double>> slots;  // of kSlots: 1 when of one machine
  absl::flat_hash_map<std::string, bool, base::StringHash, base::StringEq>
      suffixes;                                                  // of files: data or not
  std::map<std::string, std::vector<std::string>> phrase_lists;  // by the entries' names
  PhraseTree phrases;
  std::vector<GpuKindRule> gpu_kinds;
  std::vector<ModelRule> models;
  std::vector<TableExample> examples;

  // Adds the entries of one file; of one name, the later replaces the earlier. InvalidArgument
  // names file, line and path of every fault, and leaves the tables as they were.
  absl::Status Add(std::string_view yaml, const std::string& file);
};

// The tables of config/features/rules.yaml, as they were built in.
absl::StatusOr<RuleTables> DefaultTables();

}  // namespace berth::features
