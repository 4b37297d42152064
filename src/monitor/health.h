// Named checks behind /livez and /readyz.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/mutex.h"

namespace berth::monitor {

// kLive: would starting anew help? kReady: can it serve? A process that waits for a slow disk is
// live and not ready.
enum class Probe { kLive, kReady };

// What is asked of a daemon from outside, and what its parts say.
//
// Threading: any thread; a check is called on the asking thread, with no lock held.
class Health {
 public:
  // OK, or what is wrong, for people. Must not block.
  using Check = std::function<absl::Status()>;

  struct Result {
    std::string name;
    absl::Status status;
    bool excluded = false;  // by who asks; counts as OK

    bool ok() const { return excluded || status.ok(); }
  };

  // Has one check, "ping", of both probes: that somebody answers at all.
  Health();

  // Adds a check to these probes, after those that are there. REQUIRES: the name is new.
  void Add(const std::string& name, const std::set<Probe>& probes, Check check);

  // A check whose answer is given with Set: `status` until then.
  void AddState(const std::string& name, const std::set<Probe>& probes, absl::Status status);
  // REQUIRES: `name` was added by AddState.
  void Set(std::string_view name, absl::Status status);

  // Asks each check of a probe, in the order in which they were added.
  std::vector<Result> Ask(Probe probe, const std::set<std::string>& excluded = {}) const;

 private:
  struct Entry {
    std::string name;
    std::set<Probe> probes;
    Check check;  // null: a state
  };

  void AddEntry(Entry entry) BERTH_REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  std::vector<Entry> entries_ BERTH_GUARDED_BY(mutex_);
  std::map<std::string, absl::Status, std::less<>> states_ BERTH_GUARDED_BY(mutex_);
};

// "ok" when all are; else, or when `verbose`, a line a check and the verdict:
//   [+]ping ok
//   [-]store failed: the disk is full
//   readyz check failed
// Names in `excluded` that no check has are warned about.
std::string HealthText(std::string_view probe_name, const std::vector<Health::Result>& results,
                       const std::set<std::string>& excluded, bool verbose);

}  // namespace berth::monitor
