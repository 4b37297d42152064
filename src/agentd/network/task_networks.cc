#include "agentd/network/task_networks.h"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "agentd/network/ip_tool.h"
#include "base/fixed_hash.h"
#include "base/logging.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::agentd {
namespace {

constexpr char kFolder[] = "/run/netns/";
constexpr uint32_t kAddressesEach = 4;
constexpr int kPrefixBits = 30;
constexpr int64_t kLeastBurstBytes = 16 << 10;

// A '#' begins a comment for ip -batch.
std::string NameOf(const AttemptKey& key) {
  std::string name = ToString(key);
  std::replace(name.begin(), name.end(), '#', '_');
  return name;
}

// "berth-1a2b3-7-KEY"
std::optional<std::pair<uint32_t, AttemptKey>> ParseFile(std::string_view file,
                                                         std::string_view prefix) {
  if (file.substr(0, prefix.size()) != prefix) return std::nullopt;
  file.remove_prefix(prefix.size());
  uint32_t index = 0;
  const auto [end, error] = std::from_chars(file.data(), file.data() + file.size(), index);
  if (error != std::errc() || end == file.data() + file.size() || *end != '-') return std::nullopt;
  std::string name(file.substr(static_cast<size_t>(end - file.data()) + 1));
  std::replace(name.begin(), name.end(), '_', '#');
  const auto key = ParseAttemptKey(name);
  if (!key) return std::nullopt;
  return std::pair(index, *key);
}

std::string TokenBucket(const std::string& device, int64_t bits_per_s) {
  // What comes in 10 ms, at least: a smaller bucket cannot keep up with a fast link.
  const int64_t burst = std::max(bits_per_s / 8 / 100, kLeastBurstBytes);
  return "qdisc add dev " + device + " root tbf rate " + std::to_string(bits_per_s) + "bit burst " +
         std::to_string(burst) + " latency 50ms\n";
}

}  // namespace

TaskNetworks::TaskNetworks(base::Ipv4Subnet subnet, const std::string& owner, Post post)
    : subnet_(subnet),
      owner_([&] {
        char digits[8];
        std::snprintf(digits, sizeof(digits), "%05x",
                      static_cast<unsigned>(base::FixedHash(owner) & 0xfffff));
        return std::string(digits);
      }()),
      post_(std::move(post)) {}

std::string TaskNetworks::FileOf(const AttemptKey& key, uint32_t index) const {
  return "berth-" + owner_ + "-" + std::to_string(index) + "-" + NameOf(key);
}

// At most 15 bytes.
std::string TaskNetworks::InterfaceOf(uint32_t index) const {
  return "bt" + owner_ + "-" + std::to_string(index);
}

void TaskNetworks::Open() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder, error)) {
    const std::string file = entry.path().filename().string();
    const auto parsed = ParseFile(file, "berth-" + owner_ + "-");
    if (!parsed) continue;
    const auto& [index, key] = *parsed;
    networks_[key] = {index, file};
    used_.insert(index);
  }
}

void TaskNetworks::Make(const AttemptKey& key, int64_t bits_per_s, Done done) {
  Remove(key);  // of an earlier try, which started nothing
  uint32_t index = 0;
  while (used_.count(index) > 0) ++index;
  if ((uint64_t{index} + 1) * kAddressesEach > subnet_.size()) {
    post_([done = std::move(done), count = used_.size()] {
      done(absl::ResourceExhaustedError(
          base::A("all " + std::to_string(count) +
                  " networks that taskSubnet in the node's agent.yaml has room for are in use")));
    });
    return;
  }
  used_.insert(index);
  const Network network{index, FileOf(key, index)};
  networks_[key] = network;
  thread_.Post([this, key, network, bits_per_s, done = std::move(done)] {
    const absl::Status built = Build(network, bits_per_s);
    const absl::Status gone = built.ok() ? absl::OkStatus() : TearDown(network);
    post_([this, key, network, built, gone, done] {
      if (built.ok()) return done(std::string(kFolder) + network.file);
      // Else a Remove() meanwhile has its own try at it under way.
      const auto found = networks_.find(key);
      if (found != networks_.end() && found->second.index == network.index) {
        networks_.erase(found);
        Settle(network, gone);
      }
      done(built);
    });
  });
}

void TaskNetworks::Remove(const AttemptKey& key) {
  TryAgain();
  const auto found = networks_.find(key);
  if (found == networks_.end()) return;
  TakeApart(found->second);
  networks_.erase(found);
}

void TaskNetworks::TakeApart(const Network& network) {
  thread_.Post([this, network] {
    post_([this, network, gone = TearDown(network)] { Settle(network, gone); });
  });
}

// One of those that are left: the next network waits for what each try costs.
void TaskNetworks::TryAgain() {
  if (left_.empty()) return;
  TakeApart(left_.front());
  left_.pop_front();
}

void TaskNetworks::Settle(Network network, const absl::Status& gone) {
  if (gone.ok()) {
    // Only now: who gets the number next needs its names.
    used_.erase(network.index);
    return;
  }
  if (!std::exchange(network.said, true)) {
    BERTH_LOG_WARN("{}; tried again later, and its addresses not used until then", gone.ToString());
  }
  left_.push_back(std::move(network));
}

void TaskNetworks::RemoveLeftovers(const std::function<bool(const AttemptKey&)>& known) {
  std::vector<AttemptKey> unknown;
  for (const auto& [key, network] : networks_) {
    if (!known(key)) unknown.push_back(key);
  }
  for (const AttemptKey& key : unknown) Remove(key);
}

std::string TaskNetworks::PathOf(const AttemptKey& key) const {
  const auto found = networks_.find(key);
  return found == networks_.end() ? "" : kFolder + found->second.file;
}

absl::Status TaskNetworks::Build(const Network& network, int64_t bits_per_s) const {
  const std::string& file = network.file;
  const std::string device = InterfaceOf(network.index);
  const std::string prefix = "/" + std::to_string(kPrefixBits);
  const uint32_t base = subnet_.first + network.index * kAddressesEach;
  const std::string at_node = base::FormatIpv4(base + 1);
  const std::string at_task = base::FormatIpv4(base + 2);
  BERTH_RETURN_IF_ERROR(RunIpTool({"ip", "netns", "add", file}, ""));
  BERTH_RETURN_IF_ERROR(
      RunIpTool({"ip", "-batch", "-"}, "link add " + device + " type veth peer name eth0 netns " +
                                           file + "\naddress add " + at_node + prefix + " dev " +
                                           device + "\nlink set " + device + " up\n"));
  BERTH_RETURN_IF_ERROR(RunIpTool({"ip", "-n", file, "-batch", "-"},
                                  "link set lo up\naddress add " + at_task + prefix +
                                      " dev eth0\nlink set eth0 up\nroute add default via " +
                                      at_node + "\n"));
  if (bits_per_s <= 0) return absl::OkStatus();
  BERTH_RETURN_IF_ERROR(RunIpTool({"tc", "-batch", "-"}, TokenBucket(device, bits_per_s)));
  return RunIpTool({"tc", "-n", file, "-batch", "-"}, TokenBucket("eth0", bits_per_s));
}

absl::Status TaskNetworks::TearDown(const Network& network) const {
  // The namespace goes with its last process and takes the pair along; the end here goes at once.
  const std::string device = InterfaceOf(network.index);
  const absl::Status link = RunIpTool({"ip", "link", "delete", device}, "");
  const absl::Status space = RunIpTool({"ip", "netns", "delete", network.file}, "");
  // The tool also fails at what never was there: only what there is now counts.
  if (access((kFolder + network.file).c_str(), F_OK) == 0 || errno != ENOENT) {
    return absl::UnavailableError(
        base::A("network namespace " + network.file + " is left: " + space.ToString()));
  }
  if (if_nametoindex(device.c_str()) != 0 || errno != ENODEV) {
    return absl::UnavailableError(
        base::A("network interface " + device + " is left: " + link.ToString()));
  }
  return absl::OkStatus();
}

}  // namespace berth::agentd
