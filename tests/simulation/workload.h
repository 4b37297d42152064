// The jobs that simulated clients submit, and how their processes behave.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/admission.h"
#include "state/commands.h"

namespace berth::simulation {

// What a process of an attempt does when it is left alone.
struct Behaviour {
  bool could_not_start = false;
  bool node_at_fault = false;  // when it could not
  int64_t runs_us = 0;
  int exit_code = 0;
  int signal = 0;
  bool heeds_sigterm = true;
  int64_t uses_mib = 0;    // the task's most, the same in each attempt of it
  bool condemned = false;  // its node wants it ended, half-way
};

// Job specifications as admission makes them, made once a process.
struct Template {
  std::string name;
  api::AdmittedJob job;
  bool is_service = false;
};
const std::vector<Template>& Templates();

// From the seed and the attempt's name alone.
Behaviour BehaviourOf(uint64_t seed, const state::AgentAttempt& attempt);

}  // namespace berth::simulation
