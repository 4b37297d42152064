// Answers of models, for tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace berth::features {

// One that says nothing, and is of the schema.
inline nlohmann::json EmptyAnswer() {
  nlohmann::json answer = {{"class_weights", nullptr},
                           {"gpu_kind", nullptr},
                           {"inputs", nlohmann::json::array()},
                           {"outputs", nlohmann::json::array()},
                           {"intermediate", nlohmann::json::array()},
                           {"models", nlohmann::json::array()}};
  for (const char* key : {"cpu_milli", "memory_mib", "storage_mib", "gpus", "gpu_memory_mib",
                          "model_memory_mib", "duration_seconds", "parallelism"}) {
    answer[key] = nullptr;
  }
  nlohmann::json confidence;
  for (const auto& [key, value] : answer.items()) confidence[key] = 50;
  answer["confidence"] = confidence;
  return answer;
}

// One that says as much as it can of everything.
inline nlohmann::json GreatestAnswer() {
  nlohmann::json answer = EmptyAnswer();
  for (auto& [key, value] : answer.items()) {
    if (value.is_null() && key != "class_weights" && key != "gpu_kind") value = int64_t{1} << 33;
  }
  answer["class_weights"] = {
      {"cpu", 100}, {"memory", 100}, {"io", 100}, {"network", 100}, {"gpu", 100}};
  answer["gpu_kind"] = "H100";
  answer["inputs"] = {{{"name", "/etc/shadow"}, {"size_mib", int64_t{1} << 33}}};
  answer["models"] = {"gpt-4", "priority=max"};
  for (auto& [key, value] : answer["confidence"].items()) value = 100;
  return answer;
}

}  // namespace berth::features
