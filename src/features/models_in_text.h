// Names of models in words and sentences, and how many parameters they have.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "features/rule_tables.h"
#include "features/text_findings.h"

namespace berth::features {

// Lower case with '-' and '_' as spaces: how phrases are compared. Of the same length.
std::string FoldText(std::string_view text);

struct ModelAt {
  size_t begin = 0;
  size_t end = 0;
  double parameters = 0;  // 0: not known
};

// The extent of a model's name of which `found` (a family, at `at`) is part: the organisation
// before it, and version, size and variant after it. `text` and `folded` are the same text.
ModelAt ExtendModel(const RuleTables& tables, std::string_view text, std::string_view folded,
                    size_t at, const PhraseTree::Found& found);

// A word that an option says is a model: a name of a hub, a path, a file of weights.
std::optional<ModelFound> ModelOfWord(const RuleTables& tables, std::string_view word);

// Bytes of a parameter that a name tells ("-AWQ", "Q4_K_M"); 0: none.
double PrecisionInName(const RuleTables& tables, std::string_view name);

// Bytes of all models as they are used, by the table of tests/data/features/README.md.
double ModelBytes(const std::vector<ModelFound>& models, const ModelUse& use);

}  // namespace berth::features
