// Measures the rules, and a baseline of plain expressions, on sets of texts with labels.
//
//   features_eval [--set DIR] [--rules FILE]... [--faults]
//
// Prints JSON: ratios by part and extractor. --rules adds tables to the default ones; --faults
// lists on standard error what went wrong, text by text.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/small_file.h"
#include "features/baseline.h"
#include "features/embedded_files.h"
#include "features/evaluation.h"
#include "features/gold_set.h"
#include "features/rules.h"
#include "yaml/write.h"

namespace berth::features {
namespace {

int Main(int argc, char** argv) {
  std::string directory = "tests/data/features";
  std::vector<std::string> files;
  bool faults = false, only = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--set") == 0 && i + 1 < argc) {
      directory = argv[++i];
    } else if (std::strcmp(argv[i], "--rules") == 0 && i + 1 < argc) {
      files.emplace_back(argv[++i]);
    } else if (std::strcmp(argv[i], "--only-rules") == 0 && i + 1 < argc) {
      files.emplace_back(argv[++i]);
      only = true;
    } else if (std::strcmp(argv[i], "--faults") == 0) {
      faults = true;
    } else {
      std::fprintf(stderr, "features_eval: what is %s?\n", argv[i]);
      return 2;
    }
  }
  RuleTables tables;
  absl::Status status;
  if (!only) status = tables.Add(kEmbeddedRules, "rules.yaml");
  for (const std::string& file : files) {
    const auto text = base::ReadSmallFile(file, 4 << 20);
    if (status.ok()) status = text.ok() ? tables.Add(*text, file) : text.status();
  }
  if (!status.ok()) {
    std::fprintf(stderr, "features_eval: %s\n", status.ToString().c_str());
    return 1;
  }
  const auto set = ReadGoldSet(directory);
  if (!set.ok()) {
    std::fprintf(stderr, "features_eval: %s\n", set.status().ToString().c_str());
    return 1;
  }
  const Rules rules(std::move(tables));
  for (const std::string& failing : FailingExamples(rules)) {
    std::fprintf(stderr, "example %s\n", failing.c_str());
  }
  const Extractor by_rules = [&](const JobText& text) { return rules.ReadText(text); };
  if (faults) {
    for (const auto& [part, texts] : *set) {
      for (const std::string& fault : Evaluate(texts, by_rules).faults) {
        std::fprintf(stderr, "%s/%s\n", part.c_str(), fault.c_str());
      }
    }
  }
  const yaml::Value result = EvaluateAll(*set, {{"rules", by_rules}, {"baseline", ReadBaseline}});
  std::printf("%s\n", yaml::WriteJson(result).c_str());
  return 0;
}

}  // namespace
}  // namespace berth::features

int main(int argc, char** argv) { return berth::features::Main(argc, argv); }
