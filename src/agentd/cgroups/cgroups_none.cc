#include "agentd/cgroups/cgroups.h"

namespace berth::agentd {
namespace {

class None final : public Cgroups {
 public:
  std::string_view isolation() const override { return "none"; }
  CgroupPowers powers() const override { return {}; }
  absl::StatusOr<TaskCgroup> Take(const TaskLimits&) override { return TaskCgroup{}; }
  absl::StatusOr<TaskCgroup> Adopt(std::string_view) override { return TaskCgroup{}; }
  void GiveBack(const TaskCgroup&, bool, uint32_t) override {}
  CgroupUsage Usage(const TaskCgroup&) override { return {}; }
  std::vector<pid_t> Processes(const TaskCgroup&) override { return {}; }
  int Kill(const TaskCgroup&) override { return 0; }
  std::vector<std::string> RemoveLeftovers() override { return {}; }
  void Tidy() override {}
};

}  // namespace

std::unique_ptr<Cgroups> NoCgroups() { return std::make_unique<None>(); }

}  // namespace berth::agentd
