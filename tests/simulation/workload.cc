#include "tests/simulation/workload.h"

#include <utility>
#include <variant>

#include "base/check.h"
#include "base/fixed_hash.h"
#include "base/rng.h"

namespace berth::simulation {
namespace {

struct Shape {
  std::string name;
  int tasks = 1;
  int64_t cpu_milli = 1000;
  int64_t memory_mib = 1024;
  int retries = 0;
  int64_t grace_ms = 0;
  bool kill = false;  // on_partition
  int groups = 1;
  int64_t memory_limit_mib = 0;  // on_oom; 0: none
  v1::RestartPolicy service = v1::RESTART_POLICY_UNSPECIFIED;
  std::string app;                    // label
  std::vector<v1::TermKind> rules{};  // over the revision of nodes' inventories, which changes
};

// About jobs of any app, but for spread, which is over the group's own. What would keep a task
// waiting for more than others' ends is only preferred.
void AddRule(v1::TermKind kind, v1::TaskTemplate& task) {
  v1::Term& term = *task.add_terms();
  term.set_kind(kind);
  term.set_topology_key("revision");
  term.set_preferred(kind != v1::TERM_KIND_ANTI_AFFINITY);
  if (kind == v1::TERM_KIND_SPREAD) return;
  v1::LabelRequirement& requirement = *term.mutable_selector()->add_requirements();
  requirement.set_key("app");
  requirement.set_op(v1::SELECTOR_OPERATOR_EXISTS);
}

Template Make(const Shape& shape) {
  const bool is_service = shape.service != v1::RESTART_POLICY_UNSPECIFIED;
  v1::JobSpec job;
  job.set_name(shape.name);
  if (!shape.app.empty()) (*job.mutable_labels())["app"] = shape.app;
  for (int g = 0; g < shape.groups; ++g) {
    v1::TaskGroup& group = *job.add_groups();
    if (shape.groups > 1) group.set_name("g" + std::to_string(g));
    if (shape.tasks > 1) {
      v1::IndexRange& range = *group.mutable_array()->add_ranges();
      range.set_first(0);
      range.set_last(shape.tasks - 1);
    }
    group.set_retries(shape.retries);
    if (shape.kill) group.set_on_partition(v1::ON_PARTITION_KILL);
    if (is_service) {
      group.set_service(true);
      group.set_restart(shape.service);
    }
    if (shape.memory_limit_mib != 0) {
      group.mutable_on_oom()->set_limit_bytes(shape.memory_limit_mib << 20);
    }
    v1::TaskTemplate& task = *group.mutable_template_();
    task.mutable_payload()->add_command("task");
    task.mutable_resources()->set_cpu_milli(shape.cpu_milli);
    task.mutable_resources()->set_memory_bytes(shape.memory_mib << 20);
    task.set_grace_ms(shape.grace_ms);
    for (const v1::TermKind kind : shape.rules) AddRule(kind, task);
  }
  auto admitted = api::Admit(std::move(job), {});
  BERTH_CHECK(std::holds_alternative<api::AdmittedJob>(admitted))
      << std::get<wire::Refusal>(admitted).message;
  return {shape.name, std::move(std::get<api::AdmittedJob>(admitted)), is_service};
}

uint64_t HashOf(uint64_t seed, const state::AgentAttempt& attempt) {
  uint64_t hash = base::FixedHash(seed, 17);
  for (const uint64_t part : {attempt.job.value, uint64_t{attempt.group}, uint64_t{attempt.index},
                              uint64_t{attempt.attempt}}) {
    hash = base::FixedHashCombine(hash, part);
  }
  return hash;
}

}  // namespace

const std::vector<Template>& Templates() {
  static const std::vector<Template> templates = {
      Make({.name = "one", .grace_ms = 2000}),
      Make({.name = "array",
            .tasks = 5,
            .cpu_milli = 500,
            .memory_mib = 512,
            .retries = 1,
            .grace_ms = 1000}),
      Make({.name = "wide", .tasks = 3, .cpu_milli = 2000, .memory_mib = 2048, .retries = 2}),
      Make({.name = "whole", .tasks = 2, .cpu_milli = 4000, .memory_mib = 4096, .grace_ms = 5000}),
      Make({.name = "groups",
            .tasks = 2,
            .memory_mib = 512,
            .retries = 1,
            .grace_ms = 3000,
            .groups = 2}),
      Make({.name = "fenced", .tasks = 3, .memory_mib = 512, .grace_ms = 4000, .kill = true}),
      Make({.name = "fenced-now", .cpu_milli = 2000, .retries = 1, .kill = true}),
      Make({.name = "growing", .tasks = 3, .grace_ms = 1000, .memory_limit_mib = 5000}),
      Make({.name = "service",
            .tasks = 2,
            .memory_mib = 512,
            .grace_ms = 2000,
            .service = v1::RESTART_POLICY_ALWAYS}),
      Make({.name = "until-it-works",
            .cpu_milli = 500,
            .grace_ms = 1000,
            .kill = true,
            .memory_limit_mib = 3000,
            .service = v1::RESTART_POLICY_ON_FAILURE}),
      Make({.name = "apart",
            .tasks = 3,
            .cpu_milli = 500,
            .memory_mib = 512,
            .grace_ms = 1000,
            .memory_limit_mib = 2000,
            .app = "apart",
            .rules = {v1::TERM_KIND_ANTI_AFFINITY, v1::TERM_KIND_SPREAD}}),
      Make({.name = "near",
            .tasks = 2,
            .memory_mib = 512,
            .retries = 1,
            .app = "near",
            .rules = {v1::TERM_KIND_AFFINITY, v1::TERM_KIND_NEAR}}),
  };
  return templates;
}

Behaviour BehaviourOf(uint64_t seed, const state::AgentAttempt& attempt) {
  base::Rng rng(HashOf(seed, attempt));
  Behaviour behaviour;
  behaviour.could_not_start = rng.Uniform(40) == 0;
  behaviour.node_at_fault = attempt.index % 2 == 1;
  const int64_t longest_us = rng.Uniform(3) == 0 ? 90'000'000 : 8'000'000;
  behaviour.runs_us = 1000 + static_cast<int64_t>(rng.Uniform(static_cast<uint64_t>(longest_us)));
  if (rng.Uniform(8) == 0) behaviour.exit_code = 1 + static_cast<int>(rng.Uniform(5));
  if (rng.Uniform(30) == 0) behaviour.signal = 11;
  behaviour.heeds_sigterm = rng.Uniform(4) != 0;
  behaviour.condemned = rng.Uniform(30) == 0;
  state::AgentAttempt task = attempt;
  task.attempt = 0;
  base::Rng of_task(HashOf(seed, task));
  const bool needs_much = of_task.Uniform(4) == 0;
  behaviour.uses_mib = 100 + static_cast<int64_t>(of_task.Uniform(needs_much ? 6000 : 400));
  return behaviour;
}

}  // namespace berth::simulation
