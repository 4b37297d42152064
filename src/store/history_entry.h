// One entry of the history journal, as its readers see it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "state/changes.h"
#include "state/job_spec.h"

namespace berth::store {

// An attempt that has ended: who asked for what, what it got, what it used. Complete by itself; the
// job may be forgotten. The meaning of a field never changes (records.proto, HistoryRecord).
struct HistoryEntry {
  JobId job;
  std::string job_name;
  std::string user;
  std::string ns;
  std::string queue;
  std::string profile;
  int32_t priority = 0;
  std::map<std::string, std::string> labels;
  uint32_t group = 0;
  std::string group_name;   // empty: the job's only group
  uint32_t position = 0;    // in the group, from 0
  uint32_t index = 0;       // of the array, as it was given
  int64_t group_size = 0;   // tasks
  state::Amounts requests;  // quanta
  std::vector<state::DeviceNeedSpec> device_needs;
  int64_t time_limit_ms = 0;  // 0: none
  int64_t submitted_unix_ms = 0;
  state::AttemptRow attempt;

  bool operator==(const HistoryEntry&) const = default;
};

// REQUIRES: view.spec is not null, and has the group and the position.
HistoryEntry MakeHistoryEntry(const state::HistoryView& view);

}  // namespace berth::store
