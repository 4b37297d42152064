#include "features/gold_set.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "features/plain_text.h"
#include "features/quantities_in_text.h"
#include "yaml/decode.h"
#include "yaml/parse.h"

namespace berth::features {
namespace {

constexpr size_t kMostBytes = 16 << 20;
constexpr std::array<std::string_view, 5> kClassNames = {"cpu", "memory", "io", "network", "gpu"};
constexpr std::array<std::string_view, 15> kFields = {
    "class",     "cores",   "memory",       "storage",     "gpus",
    "gpuMemory", "gpuKind", "duration",     "parallelism", "modelMemory",
    "inputs",    "outputs", "intermediate", "dataSizes",   "models"};

std::optional<double> ReadSize(const yaml::Node& node) {
  const std::optional<std::string> text = node.String();
  if (!text) return std::nullopt;
  const std::optional<double> bytes = ParseSizeText(*text, 0);
  if (!bytes) node.Fail("is no size, as in 64Gi");
  return bytes;
}

void ReadStated(const yaml::Node& node, GoldLabels* labels) {
  yaml::MapReader map(node);
  for (const char* name : {"memory", "storage", "gpuMemory"}) {
    if (const auto value = map.Get(name)) {
      if (const auto bytes = ReadSize(*value)) labels->stated[name] = *bytes;
    }
  }
  for (const char* name : {"cores", "gpus", "parallelism"}) {
    if (const auto value = map.Get(name)) {
      if (const auto count = value->Double(0, 1e9)) labels->stated[name] = *count;
    }
  }
  if (const auto value = map.Get("duration")) {
    const std::optional<std::string> text = value->String();
    const auto ms = text ? ParseHumanTime(*text, 0) : std::nullopt;
    if (ms) {
      labels->stated["duration"] = *ms;
    } else {
      value->Fail("is no duration, as in 1h30m");
    }
  }
  map.String("gpuKind", &labels->gpu_kind);
  map.Finish();
}

void ReadLabels(const yaml::Node& node, GoldLabels* labels) {
  yaml::MapReader map(node);
  if (const auto value = map.Get("class")) {
    if (const auto position = value->OneOf(kClassNames)) {
      labels->computation_class = static_cast<ComputationClass>(*position);
    }
  }
  if (const auto value = map.Get("also")) {
    for (const yaml::Node& item : value->Items()) {
      if (const auto position = item.OneOf(kClassNames)) {
        labels->also.insert(static_cast<ComputationClass>(*position));
      }
    }
  }
  if (const auto value = map.Get("stated")) ReadStated(*value, labels);
  if (const auto value = map.Get("modelMemory")) labels->model_memory_bytes = ReadSize(*value);
  if (const auto value = map.Get("inputs")) labels->inputs = value->Strings();
  if (const auto value = map.Get("outputs")) labels->outputs = value->Strings();
  if (const auto value = map.Get("intermediate")) labels->intermediate = value->Strings();
  if (const auto value = map.Get("models")) labels->models = value->Strings();
  if (const auto value = map.Get("dataSizes")) {
    for (const auto& [name, size] : value->StringMap()) {
      const auto bytes = ParseSizeText(size, 0);
      if (bytes) {
        labels->data_sizes[name] = *bytes;
      } else {
        value->Fail(text::Cat("\"", size, "\" is no size"));
      }
    }
  }
  if (const auto value = map.Get("permits")) {
    for (const yaml::Node& item : value->Items()) {
      if (const auto position = item.OneOf(kFields)) {
        labels->permits.insert(std::string(kFields[*position]));
      }
    }
  }
  map.Finish();
}

}  // namespace

absl::StatusOr<std::vector<GoldText>> ParseGoldTexts(std::string_view yaml,
                                                     const std::string& file) {
  BERTH_ASSIGN_OR_RETURN(const yaml::Value root, yaml::ParseYaml(yaml, file, kMostBytes));
  yaml::Problems problems(file);
  std::vector<GoldText> texts;
  for (const yaml::Node& item : yaml::Node(root, "", problems).Items()) {
    GoldText text;
    yaml::MapReader map(item);
    if (map.Require("id")) map.String("id", &text.id);
    map.String("language", &text.language);
    map.String("name", &text.name);
    map.String("description", &text.description);
    map.String("script", &text.script);
    if (const auto value = map.Get("command")) text.command = value->Strings();
    map.String("image", &text.image);
    if (const auto value = map.Require("expect")) ReadLabels(*value, &text.expect);
    map.Finish();
    texts.push_back(std::move(text));
  }
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  return texts;
}

absl::StatusOr<GoldSet> ReadGoldSet(const std::string& directory) {
  GoldSet set;
  for (const char* part : {"tune", "held_out"}) {
    const std::filesystem::path folder = std::filesystem::path(directory) / part;
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) continue;
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    std::set<std::string> ids;
    std::vector<GoldText>& texts = set[part];
    for (const std::string& file : files) {
      BERTH_ASSIGN_OR_RETURN(const std::string yaml, base::ReadSmallFile(file, kMostBytes));
      BERTH_ASSIGN_OR_RETURN(std::vector<GoldText> read, ParseGoldTexts(yaml, file));
      for (GoldText& text : read) {
        if (!ids.insert(text.id).second) {
          return absl::AlreadyExistsError(
              base::A(text::Cat(file, ": there are two texts \"", text.id, "\"")));
        }
        texts.push_back(std::move(text));
      }
    }
  }
  if (set.empty()) {
    return absl::NotFoundError(
        base::A(text::Cat(directory, ": has neither a folder tune nor held_out")));
  }
  return set;
}

}  // namespace berth::features
