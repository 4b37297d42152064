#include "monitor/health.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace berth::monitor {

Health::Health() {
  Add("ping", {Probe::kLive, Probe::kReady}, [] { return absl::OkStatus(); });
}

void Health::Add(const std::string& name, const std::set<Probe>& probes, Check check) {
  base::MutexLock lock(mutex_);
  AddEntry({.name = name, .probes = probes, .check = std::move(check)});
}

void Health::AddState(const std::string& name, const std::set<Probe>& probes, absl::Status status) {
  base::MutexLock lock(mutex_);
  AddEntry({.name = name, .probes = probes, .check = nullptr});
  states_[name] = std::move(status);
}

void Health::AddEntry(Entry entry) {
  for (const Entry& other : entries_) {
    BERTH_CHECK(other.name != entry.name) << "two health checks are named " << entry.name;
  }
  entries_.push_back(std::move(entry));
}

void Health::Set(std::string_view name, absl::Status status) {
  base::MutexLock lock(mutex_);
  const auto state = states_.find(name);
  BERTH_CHECK(state != states_.end()) << "there is no health state named " << name;
  state->second = std::move(status);
}

std::vector<Health::Result> Health::Ask(Probe probe, const std::set<std::string>& excluded) const {
  std::vector<Result> results;
  std::vector<Check> checks;
  {
    base::MutexLock lock(mutex_);
    for (const Entry& entry : entries_) {
      if (entry.probes.count(probe) == 0) continue;
      const auto state = states_.find(entry.name);
      results.push_back({.name = entry.name,
                         .status = state == states_.end() ? absl::OkStatus() : state->second,
                         .excluded = excluded.count(entry.name) > 0});
      checks.push_back(entry.check);
    }
  }
  for (size_t i = 0; i < results.size(); ++i) {
    if (checks[i] != nullptr && !results[i].excluded) results[i].status = checks[i]();
  }
  return results;
}

std::string HealthText(std::string_view probe_name, const std::vector<Health::Result>& results,
                       const std::set<std::string>& excluded, bool verbose) {
  const bool all_ok =
      std::all_of(results.begin(), results.end(), [](const auto& result) { return result.ok(); });
  if (all_ok && !verbose) return "ok";
  std::string text;
  for (const Health::Result& result : results) {
    if (result.excluded) {
      text += "[+]" + result.name + " excluded: ok\n";
    } else if (result.status.ok()) {
      text += "[+]" + result.name + " ok\n";
    } else {
      text += "[-]" + result.name + " failed: " + base::S(result.status.message()) + "\n";
    }
  }
  for (const std::string& name : excluded) {
    const auto has_name = [&](const auto& result) { return result.name == name; };
    if (std::none_of(results.begin(), results.end(), has_name)) {
      text += "warn: there is no check \"" + name + "\" to exclude\n";
    }
  }
  return text.append(probe_name).append(all_ok ? " check passed\n" : " check failed\n");
}

}  // namespace berth::monitor
