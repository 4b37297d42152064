#include "state/job_spec.h"

#include "base/check.h"

namespace berth::state {

int64_t GroupSpec::count() const {
  int64_t total = 0;
  for (const IndexRange& range : ranges) total += range.count();
  return total;
}

uint32_t GroupSpec::IndexAt(uint32_t position) const {
  int64_t left = position;
  for (const IndexRange& range : ranges) {
    if (left < range.count()) {
      return range.first + static_cast<uint32_t>(left) * range.step;
    }
    left -= range.count();
  }
  BERTH_CHECK(false) << "position " << position << " is past the array's end";
  return 0;
}

std::optional<uint32_t> GroupSpec::PositionOf(int64_t index) const {
  int64_t before = 0;
  for (const IndexRange& range : ranges) {
    if (index >= range.first && index <= range.last && (index - range.first) % range.step == 0) {
      return static_cast<uint32_t>(before + (index - range.first) / range.step);
    }
    before += range.count();
  }
  return std::nullopt;
}

int64_t JobSpec::task_count() const {
  int64_t total = 0;
  for (const GroupSpec& group : groups) total += group.count();
  return total;
}

std::string TaskIdText(uint64_t job, const JobSpec& spec, uint32_t group, uint32_t position,
                       uint32_t attempt) {
  std::string text = std::to_string(job) + ".";
  if (spec.groups.size() > 1) text += spec.groups[group].name + ".";
  text += std::to_string(spec.groups[group].IndexAt(position));
  if (attempt != 0) text += "#" + std::to_string(attempt);
  return text;
}

}  // namespace berth::state
