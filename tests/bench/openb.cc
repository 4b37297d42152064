#include "tests/bench/openb.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "base/check.h"

namespace berth::bench {
namespace {

std::vector<std::string> Split(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, separator);) fields.push_back(field);
  return fields;
}

// Rows of a file, without its header.
std::vector<std::vector<std::string>> Rows(const std::string& path) {
  std::ifstream in(path);
  BERTH_CHECK(in.good()) << "cannot read " << path;
  std::vector<std::vector<std::string>> rows;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) rows.push_back(Split(line, ','));
  return rows;
}

// Of a row of tasks: name, cpu_milli, memory_mib, num_gpu, gpu_milli and, if any model will not do,
// gpu_spec.
state::NeedsSpec NeedsOf(const std::vector<std::string>& row) {
  state::NeedsSpec needs;
  needs.requests.builtin[kCpu] = std::stoi(row[1]);
  needs.requests.builtin[kMemory] = std::stoi(row[2]);
  if (std::stoi(row[3]) == 0) return needs;
  state::DeviceNeedSpec device;
  device.kind = "gpu";
  device.count = std::stoi(row[3]);
  device.share_milli = std::stoi(row[4]);
  device.models = Split(row.size() > 5 ? row[5] : "", '|');
  std::sort(device.models.begin(), device.models.end());
  device.models.erase(std::unique(device.models.begin(), device.models.end()), device.models.end());
  needs.devices.push_back(std::move(device));
  return needs;
}

}  // namespace

std::vector<state::NodeSpec> OpenbNodes(const std::string& directory, size_t count,
                                        size_t domains) {
  const auto rows = Rows(directory + "/openb_node_list_all_node.csv");
  std::vector<state::NodeSpec> nodes;
  for (size_t i = 0; i < count; ++i) {
    const std::vector<std::string>& row = rows[i % rows.size()];
    state::NodeSpec node;
    node.name = "n" + std::to_string(i);
    node.capacity.builtin[kCpu] = std::stoi(row[1]);
    node.capacity.builtin[kMemory] = std::stoi(row[2]);
    node.labels["rack"] = "r" + std::to_string(i % domains);
    for (int gpu = 0; gpu < std::stoi(row[3]); ++gpu) {
      node.devices.push_back({.id = "g" + std::to_string(gpu),
                              .kind = "gpu",
                              .model = row.size() > 4 ? row[4] : "",
                              .memory_mib = 16 << 10,
                              .fast_peers = {}});
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<state::NeedsSpec> CpuShapes(size_t count) {
  // 1/4 to 16 CPUs and 1/4 to 64 GiB in steps that no two shapes share.
  std::vector<state::NeedsSpec> shapes(count);
  for (size_t i = 0; i < count; ++i) {
    shapes[i].requests.builtin[kCpu] = static_cast<int32_t>(250 + (i * 7919) % 15'750);
    shapes[i].requests.builtin[kMemory] = static_cast<int32_t>(256 + (i * 104'729) % 65'280);
  }
  return shapes;
}

std::vector<state::NodeSpec> OpenbDeviceNodes(const std::string& directory) {
  const size_t all = Rows(directory + "/openb_node_list_all_node.csv").size();
  std::vector<state::NodeSpec> nodes = OpenbNodes(directory, all, /*domains=*/1);
  std::erase_if(nodes, [](const state::NodeSpec& node) { return node.devices.empty(); });
  return nodes;
}

std::vector<state::NeedsSpec> OpenbTasks(const std::string& directory) {
  std::vector<state::NeedsSpec> tasks;
  for (const auto& row : Rows(directory + "/openb_pod_list_default.csv")) {
    tasks.push_back(NeedsOf(row));
  }
  return tasks;
}

std::vector<state::NeedsSpec> DeviceShapes(const std::string& directory, size_t count) {
  std::map<std::vector<std::string>, int> seen;
  for (const auto& row : Rows(directory + "/openb_pod_list_default.csv")) {
    if (std::stoi(row[3]) > 0) ++seen[{row[1], row[2], row[3], row[4], row[5]}];
  }
  std::vector<std::pair<int, std::vector<std::string>>> ordered;
  for (const auto& [row, times] : seen) ordered.emplace_back(-times, row);
  std::sort(ordered.begin(), ordered.end());
  std::vector<state::NeedsSpec> shapes;
  for (size_t i = 0; i < count; ++i) {
    std::vector<std::string> row = ordered[i % ordered.size()].second;
    row.insert(row.begin(), "");
    shapes.push_back(NeedsOf(row));
    // Later rounds ask for a little more, so that all shapes differ.
    shapes.back().requests.builtin[kMemory] += static_cast<int32_t>(i / ordered.size());
  }
  return shapes;
}

}  // namespace berth::bench
