#include "config/agent_loader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/quantities.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "config/inventory_yaml.h"
#include "config/log_yaml.h"
#include "config/loopback.h"
#include "yaml/decode.h"
#include "yaml/parse.h"
#include "yaml/write.h"

namespace berth::config {
namespace {

using yaml::MapReader;
using yaml::Value;

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr std::array<std::string_view, 4> kIsolations = {"auto", "v1", "v2", "none"};

void CheckServer(const MapReader& map, const std::string& server) {
  if (server.rfind("unix:", 0) == 0) {
    if (server.size() <= 5 || server[5] != '/') {
      map.Fail("server", "\"" + server + "\" names no absolute path: unix:/run/berth/berthd.sock");
    }
    return;
  }
  std::string host;
  int port = 0;
  if (!SplitHostPort(server, &host, &port) || port == 0) {
    map.Fail("server",
             "\"" + server + "\" is neither unix:/path nor host:port, as in 127.0.0.1:7460");
  } else if (!IsLoopback(host)) {
    map.Fail("server", "\"" + server +
                           "\" is another machine, and TLS, which that takes, is not honoured yet");
  }
}

bool IsNodeName(const std::string& name) {
  if (name.empty() || name.size() > 253) return false;
  for (const char c : name) {
    const bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!ok) return false;
  }
  return name.front() != '.' && name.front() != '-' && name.back() != '.' && name.back() != '-';
}

absl::StatusOr<std::string> HostName() {
  std::array<char, 256> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0) {
    return absl::InternalError(std::string("the machine's host name cannot be read: ") +
                               std::strerror(errno) + "; set nodeName in agent.yaml");
  }
  std::string name(buffer.data());
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

void CheckAbsolute(const MapReader& map, const char* key, const std::string& path) {
  if (!path.empty() && path[0] != '/') map.Fail(key, "\"" + path + "\" must be an absolute path");
}

// Relative to the file that names it.
std::string Beside(const std::string& file, const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

absl::Status ReadInventoryFile(const std::string& path, InventoryConfig& inventory) {
  BERTH_ASSIGN_OR_RETURN(const std::string text, base::ReadSmallFile(path, kMostBytes));
  BERTH_ASSIGN_OR_RETURN(const Value root, yaml::ParseYaml(text, path, kMostBytes));
  yaml::Problems problems(path);
  ReadInventory(yaml::Node(root, "", problems), inventory);
  return problems.ToStatus();
}

}  // namespace

absl::StatusOr<AgentConfig> ParseAgentConfig(std::string_view text, const std::string& file) {
  BERTH_ASSIGN_OR_RETURN(const Value root, yaml::ParseYaml(text, file, kMostBytes));
  yaml::Problems problems(file);
  AgentConfig config;
  MapReader map(yaml::Node(root, "", problems));
  map.String("server", &config.server);
  CheckServer(map, config.server);
  if (!map.String("nodeName", &config.node_name)) {
    BERTH_ASSIGN_OR_RETURN(config.node_name, HostName());
  }
  if (!IsNodeName(config.node_name)) {
    map.Fail("nodeName",
             "\"" + config.node_name + "\" must match [a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?");
  }
  map.String("stateDir", &config.state_dir);
  if (config.state_dir.empty()) map.Fail("stateDir", "is empty");
  CheckAbsolute(map, "stateDir", config.state_dir);
  map.String("shim", &config.shim);
  CheckAbsolute(map, "shim", config.shim);
  map.String("cgroupRoot", &config.cgroup_root);
  if (config.cgroup_root.empty() || config.cgroup_root.front() == '/' ||
      config.cgroup_root.find("..") != std::string::npos) {
    map.Fail("cgroupRoot",
             "\"" + config.cgroup_root + "\" must be a relative path without \"..\", as in berth");
  }
  if (const auto isolation = map.Get("isolation")) {
    if (const auto i = isolation->OneOf(kIsolations)) {
      config.isolation = static_cast<Isolation>(*i);
    }
  }
  map.Bool("allowRoot", &config.allow_root);
  map.String("inventoryFile", &config.inventory_file);
  if (const auto inventory = map.Get("inventory")) {
    if (!config.inventory_file.empty()) {
      map.Fail("inventory", "is there beside inventoryFile: keep one of them");
    }
    ReadInventory(*inventory, config.inventory);
  }
  if (const auto reserve = map.Get("reserve")) {
    MapReader section(*reserve);
    section.CpuMilli("cpu", &config.reserve.cpu_milli);
    section.Bytes("memory", &config.reserve.memory_bytes);
    section.Finish();
  }
  ReadLog(map, config.log);
  map.Finish();
  BERTH_RETURN_IF_ERROR(problems.ToStatus());
  if (!config.inventory_file.empty()) {
    BERTH_RETURN_IF_ERROR(ReadInventoryFile(Beside(file, config.inventory_file), config.inventory));
  }
  return config;
}

absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path) {
  BERTH_ASSIGN_OR_RETURN(const std::string text, base::ReadSmallFile(path, kMostBytes));
  return ParseAgentConfig(text, path);
}

std::string WriteAgentConfig(const AgentConfig& config) {
  Value root;
  root.Set("server", Value::String(config.server));
  root.Set("nodeName", Value::String(config.node_name));
  root.Set("stateDir", Value::String(config.state_dir));
  root.Set("shim", Value::String(config.shim));
  root.Set("cgroupRoot", Value::String(config.cgroup_root));
  root.Set("isolation",
           Value::String(std::string(kIsolations[static_cast<size_t>(config.isolation)])));
  root.Set("allowRoot", Value::Bool(config.allow_root));
  root.Set("inventoryFile", Value::String(config.inventory_file));
  // What came from a file of its own is written there, not here: never both.
  if (config.inventory_file.empty()) root.Set("inventory", WriteInventory(config.inventory));
  Value reserve;
  reserve.Set("cpu", Value::String(base::FormatCpuMilli(config.reserve.cpu_milli)));
  reserve.Set("memory", Value::String(base::FormatBytesExact(config.reserve.memory_bytes)));
  root.Set("reserve", std::move(reserve));
  root.Set("log", WriteLog(config.log));
  return yaml::WriteYaml(root);
}

}  // namespace berth::config
