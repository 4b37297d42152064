#include "tests/simulation/workload.h"

#include <utility>
#include <variant>

#include "base/check.h"
#include "base/fixed_hash.h"
#include "base/rng.h"

namespace berth::simulation {
namespace {

Template Make(const std::string& name, int tasks, int64_t cpu_milli, int64_t memory_mib,
              int retries, int64_t grace_ms, bool kill, int groups = 1) {
  v1::JobSpec job;
  job.set_name(name);
  for (int g = 0; g < groups; ++g) {
    v1::TaskGroup& group = *job.add_groups();
    if (groups > 1) group.set_name("g" + std::to_string(g));
    if (tasks > 1) {
      v1::IndexRange& range = *group.mutable_array()->add_ranges();
      range.set_first(0);
      range.set_last(tasks - 1);
    }
    group.set_retries(retries);
    if (kill) group.set_on_partition(v1::ON_PARTITION_KILL);
    v1::TaskTemplate& task = *group.mutable_template_();
    task.mutable_payload()->add_command("task");
    task.mutable_resources()->set_cpu_milli(cpu_milli);
    task.mutable_resources()->set_memory_bytes(memory_mib << 20);
    task.set_grace_ms(grace_ms);
  }
  auto admitted = api::Admit(std::move(job), {});
  BERTH_CHECK(std::holds_alternative<api::AdmittedJob>(admitted))
      << std::get<wire::Refusal>(admitted).message;
  return {name, std::move(std::get<api::AdmittedJob>(admitted))};
}

}  // namespace

const std::vector<Template>& Templates() {
  static const std::vector<Template> templates = {
      Make("one", 1, 1000, 1024, 0, 2000, false),      Make("array", 5, 500, 512, 1, 1000, false),
      Make("wide", 3, 2000, 2048, 2, 0, false),        Make("whole", 2, 4000, 4096, 0, 5000, false),
      Make("groups", 2, 1000, 512, 1, 3000, false, 2), Make("fenced", 3, 1000, 512, 0, 4000, true),
      Make("fenced-now", 1, 2000, 1024, 1, 0, true),
  };
  return templates;
}

Behaviour BehaviourOf(uint64_t seed, const state::AgentAttempt& attempt) {
  uint64_t hash = base::FixedHash(seed, 17);
  for (const uint64_t part : {attempt.job.value, uint64_t{attempt.group}, uint64_t{attempt.index},
                              uint64_t{attempt.attempt}}) {
    hash = base::FixedHashCombine(hash, part);
  }
  base::Rng rng(hash);
  Behaviour behaviour;
  behaviour.could_not_start = rng.Uniform(40) == 0;
  const int64_t longest_us = rng.Uniform(3) == 0 ? 90'000'000 : 8'000'000;
  behaviour.runs_us = 1000 + static_cast<int64_t>(rng.Uniform(static_cast<uint64_t>(longest_us)));
  if (rng.Uniform(8) == 0) behaviour.exit_code = 1 + static_cast<int>(rng.Uniform(5));
  if (rng.Uniform(30) == 0) behaviour.signal = 11;
  behaviour.heeds_sigterm = rng.Uniform(4) != 0;
  return behaviour;
}

}  // namespace berth::simulation
