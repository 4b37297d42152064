#include "store/history_entry.h"

namespace berth::store {

HistoryEntry MakeHistoryEntry(const state::HistoryView& view) {
  const state::JobSpec& spec = *view.spec;
  const state::GroupSpec& group = spec.groups[view.group];
  HistoryEntry entry;
  entry.job = view.job;
  entry.job_name = spec.name;
  entry.user = view.user;
  entry.ns = spec.ns;
  entry.queue = spec.queue;
  entry.profile = spec.profile;
  entry.priority = spec.priority;
  entry.labels = spec.labels;
  entry.group = view.group;
  entry.group_name = group.name;
  entry.position = view.position;
  entry.index = group.IndexAt(view.position);
  entry.group_size = group.count();
  entry.requests = group.needs->requests;
  entry.device_needs = group.needs->devices;
  entry.time_limit_ms = group.time_limit_ms;
  entry.submitted_unix_ms = view.submitted_unix_ms;
  entry.attempt = view.attempt;
  return entry;
}

}  // namespace berth::store
