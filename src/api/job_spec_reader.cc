#include "api/job_spec_reader.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <utility>

#include "api/ids.h"
#include "base/sort_unique.h"
#include "base/strings.h"
#include "wire/amounts.h"
#include "wire/names.h"
#include "wire/values.h"

namespace berth::api {
namespace {

using wire::FieldPath;
using wire::Violations;

constexpr int kMostDeviceRequests = 8;
constexpr int kMostDevices = 1024;
constexpr int kMostModels = 64;
constexpr int kMostSelectors = 32;
constexpr int kMostRequirements = 32;
constexpr int kMostSelectorValues = 64;
constexpr int kMostTolerations = 64;
constexpr int kMostTerms = 16;
constexpr int kMostNamespaces = 64;
constexpr int32_t kMostSkew = 1'000'000;
constexpr int32_t kMostWeight = 100;

// False, with a violation, when a list is longer than `most`.
bool CheckCount(int count, int most, const FieldPath& path, Violations& violations) {
  if (count <= most) return true;
  violations.Add(path, "has " + std::to_string(count) + " entries; at most " +
                           std::to_string(most) + " are allowed");
  return false;
}

bool CheckRange(int64_t value, int64_t least, int64_t most, const FieldPath& path,
                Violations& violations) {
  if (value >= least && value <= most) return true;
  violations.Add(path, "is " + std::to_string(value) + "; " + std::to_string(least) + " to " +
                           std::to_string(most) + " is allowed");
  return false;
}

state::LabelRequirementSpec ReadRequirement(const v1::LabelRequirement& in, const FieldPath& path,
                                            Violations& violations) {
  state::LabelRequirementSpec out;
  out.key = in.key();
  wire::CheckName(wire::kLabelKey, in.key(), FieldPath(path, "key"), violations);
  if (in.op() < v1::SELECTOR_OPERATOR_IN || in.op() > v1::SELECTOR_OPERATOR_LT) {
    violations.Add(FieldPath(path, "op"),
                   "is required: IN, NOT_IN, EXISTS, DOES_NOT_EXIST, GT or LT");
    return out;
  }
  out.op = static_cast<SelectorOp>(static_cast<int>(in.op()) - 1);
  const FieldPath values(path, "values");
  switch (out.op) {
    case SelectorOp::kIn:
    case SelectorOp::kNotIn:
      if (in.values_size() == 0) violations.Add(values, "needs one or more values");
      if (!CheckCount(in.values_size(), kMostSelectorValues, values, violations)) return out;
      for (int i = 0; i < in.values_size(); ++i) {
        wire::CheckText(in.values(i), wire::kMostValueBytes, FieldPath(path, "values", i),
                        violations);
        out.values.push_back(in.values(i));
      }
      break;
    case SelectorOp::kExists:
    case SelectorOp::kDoesNotExist:
      if (in.values_size() != 0) violations.Add(values, "must be empty with this operator");
      break;
    case SelectorOp::kGreater:
    case SelectorOp::kLess: {
      bool read = in.values_size() == 1;
      if (read) {
        const std::string& text = in.values(0);
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), out.bound);
        read = error == std::errc() && end == text.data() + text.size();
      }
      if (!read) violations.Add(values, "must be exactly one decimal integer with this operator");
      break;
    }
  }
  return out;
}

state::LabelSelectorSpec ReadSelector(const v1::LabelSelector& in, const FieldPath& path,
                                      Violations& violations) {
  state::LabelSelectorSpec out;
  if (in.requirements_size() == 0) {
    violations.Add(FieldPath(path, "requirements"),
                   "is empty and would match everything; leave the selector out");
  }
  if (!CheckCount(in.requirements_size(), kMostRequirements, FieldPath(path, "requirements"),
                  violations)) {
    return out;
  }
  for (int i = 0; i < in.requirements_size(); ++i) {
    out.push_back(
        ReadRequirement(in.requirements(i), FieldPath(path, "requirements", i), violations));
  }
  return out;
}

void ReadNodeAffinity(const v1::NodeAffinity& in, const FieldPath& path, Violations& violations,
                      state::NeedsSpec& out) {
  if (CheckCount(in.required_size(), kMostSelectors, FieldPath(path, "required"), violations)) {
    for (int i = 0; i < in.required_size(); ++i) {
      out.required_nodes.push_back(
          ReadSelector(in.required(i), FieldPath(path, "required", i), violations));
    }
  }
  if (CheckCount(in.preferred_size(), kMostSelectors, FieldPath(path, "preferred"), violations)) {
    for (int i = 0; i < in.preferred_size(); ++i) {
      const FieldPath entry(path, "preferred", i);
      CheckRange(in.preferred(i).weight(), 1, 100, FieldPath(entry, "weight"), violations);
      out.preferred_nodes.push_back(
          {.weight = in.preferred(i).weight(),
           .selector =
               ReadSelector(in.preferred(i).selector(), FieldPath(entry, "selector"), violations)});
    }
  }
}

state::TolerationSpec ReadToleration(const v1::Toleration& in, const FieldPath& path,
                                     Violations& violations) {
  state::TolerationSpec out;
  if (!in.key().empty()) {
    wire::CheckName(wire::kLabelKey, in.key(), FieldPath(path, "key"), violations);
  } else if (in.has_value()) {
    violations.Add(FieldPath(path, "value"), "is given without a key; name the taint's key too");
  }
  out.key = in.key();
  if (in.has_value()) {
    wire::CheckText(in.value(), wire::kMostValueBytes, FieldPath(path, "value"), violations);
    out.value = in.value();
  }
  if (!v1::TaintEffect_IsValid(in.effect())) {
    violations.Add(FieldPath(path, "effect"), "is no effect that this version knows");
  } else if (in.effect() != v1::TAINT_EFFECT_UNSPECIFIED) {
    out.effect = static_cast<TaintEffect>(static_cast<int>(in.effect()) - 1);
  }
  return out;
}

void ReadData(const v1::Term& in, const FieldPath& path, state::TermSpec& out,
              Violations& violations) {
  if (in.kind() != v1::TERM_KIND_NEAR) {
    violations.Add(path, "goes with NEAR; the other rules are about tasks");
  } else if (in.selector().requirements_size() > 0) {
    violations.Add(path, "goes without a selector: a rule is about data, or about tasks");
  } else if (wire::CheckText(in.data(), wire::kMostValueBytes, path, violations)) {
    out.kind = TermKind::kNearData;
    out.data = in.data();
  }
}

// Defaults have been filled in.
state::TermSpec ReadTerm(const v1::Term& in, const FieldPath& path, Violations& violations) {
  state::TermSpec out;
  if (in.kind() < v1::TERM_KIND_AFFINITY || in.kind() > v1::TERM_KIND_NEAR) {
    violations.Add(FieldPath(path, "kind"), "is required: AFFINITY, ANTI_AFFINITY, SPREAD or NEAR");
    return out;
  }
  out.kind = static_cast<TermKind>(static_cast<int>(in.kind()) - 1);
  if (!in.data().empty()) ReadData(in, FieldPath(path, "data"), out, violations);
  out.topology_key = in.topology_key();
  wire::CheckName(wire::kLabelKey, in.topology_key(), FieldPath(path, "topology_key"), violations);
  const FieldPath namespaces(path, "namespaces");
  if (in.selector().requirements_size() > 0) {
    const FieldPath selector(path, "selector");
    out.selector = ReadSelector(in.selector(), selector, violations);
    for (size_t i = 0; i < out.selector.size(); ++i) {
      if (out.selector[i].op != SelectorOp::kGreater && out.selector[i].op != SelectorOp::kLess) {
        continue;
      }
      const FieldPath entry(selector, "requirements", static_cast<int>(i));
      violations.Add(FieldPath(entry, "op"),
                     "does not go with labels of jobs: IN, NOT_IN, EXISTS and DOES_NOT_EXIST do");
    }
  } else if (in.namespaces_size() > 0) {
    violations.Add(namespaces, "go with a selector; without one the rule is about its own group");
  }
  if (CheckCount(in.namespaces_size(), kMostNamespaces, namespaces, violations)) {
    for (int i = 0; i < in.namespaces_size(); ++i) {
      wire::CheckName(wire::kNamespaceName, in.namespaces(i), FieldPath(path, "namespaces", i),
                      violations);
      out.namespaces.push_back(in.namespaces(i));
    }
  }
  base::SortUnique(out.namespaces);
  if (out.kind == TermKind::kSpread) {
    CheckRange(in.max_skew(), 1, kMostSkew, FieldPath(path, "max_skew"), violations);
    out.max_skew = in.max_skew();
  }
  if (in.preferred()) {
    CheckRange(in.weight(), 1, kMostWeight, FieldPath(path, "weight"), violations);
    out.weight = in.weight();
  } else if (in.weight() != 0) {
    violations.Add(FieldPath(path, "weight"), "goes with what is preferred; this is required");
  }
  return out;
}

// What is wrong with it leaves it empty.
std::vector<int32_t> ReadBox(const v1::DeviceRequest& in, const FieldPath& device,
                             Violations& violations) {
  const FieldPath path(device, "box");
  if (in.box_size() > static_cast<int>(kTorusAxes)) {
    violations.Add(path, std::to_string(in.box_size()) + " extents; a torus has at most " +
                             std::to_string(kTorusAxes) + " axes");
    return {};
  }
  int64_t devices = 1;
  bool in_range = true;
  for (int i = 0; i < in.box_size(); ++i) {
    const FieldPath extent(device, "box", i);
    in_range = CheckRange(in.box(i), 1, kMaxTorusExtent, extent, violations) && in_range;
    if (in_range) devices *= in.box(i);
  }
  if (!in_range || in.box_size() == 0) return {};
  if (in.has_share_milli() && in.share_milli() != 1000) {
    violations.Add(path, "goes only with whole devices, not with a share");
    return {};
  }
  if (devices != in.count()) {
    violations.Add(path, "is a box of " + std::to_string(devices) + " devices, and count is " +
                             std::to_string(in.count()) + ": make them equal");
    return {};
  }
  return {in.box().begin(), in.box().end()};
}

state::DeviceNeedSpec ReadDevice(const v1::DeviceRequest& in, const FieldPath& path,
                                 Violations& violations) {
  state::DeviceNeedSpec out;
  wire::CheckName(wire::kDeviceKind, in.kind(), FieldPath(path, "kind"), violations);
  CheckRange(in.count(), 1, kMostDevices, FieldPath(path, "count"), violations);
  out.kind = in.kind();
  out.count = in.count();
  if (in.has_share_milli()) {
    CheckRange(in.share_milli(), 1, 1000, FieldPath(path, "share_milli"), violations);
    if (in.count() > 1 && in.share_milli() != 1000) {
      violations.Add(FieldPath(path, "share_milli"),
                     "goes only with count 1: a share is of one device");
    }
    out.share_milli = in.share_milli();
  }
  out.memory_mib = wire::ToQuanta(in.memory_bytes(), kMemoryQuantumBytes, wire::Rounding::kUp,
                                  FieldPath(path, "memory_bytes"), violations)
                       .value_or(0);
  if (CheckCount(in.models_size(), kMostModels, FieldPath(path, "models"), violations)) {
    for (int i = 0; i < in.models_size(); ++i) {
      const FieldPath model(path, "models", i);
      if (in.models(i).empty()) violations.Add(model, "is empty; name a model or leave it out");
      wire::CheckText(in.models(i), wire::kMostValueBytes, model, violations);
      out.models.push_back(in.models(i));
    }
  }
  out.box = ReadBox(in, path, violations);
  return out;
}

state::NeedsSpec ReadNeeds(const v1::TaskTemplate& in, const FieldPath& path,
                           Violations& violations) {
  state::NeedsSpec out;
  // Amounts have been filled in and rounded; reading them again changes nothing.
  out.requests = wire::RequestAmounts(in.resources(), {}, FieldPath(path, "resources"), violations);
  if (in.cpu_placement() > v1::CPU_PLACEMENT_SHARED) {
    auto& extended = out.requests.extended;
    const std::pair<std::string, int32_t> own(kDedicatedCpus,
                                              out.requests.builtin[kCpu] / kMilliPerCpu);
    extended.insert(std::lower_bound(extended.begin(), extended.end(), own), own);
  }
  if (CheckCount(in.devices_size(), kMostDeviceRequests, FieldPath(path, "devices"), violations)) {
    std::set<std::string_view> kinds;
    for (int i = 0; i < in.devices_size(); ++i) {
      const FieldPath entry(path, "devices", i);
      out.devices.push_back(ReadDevice(in.devices(i), entry, violations));
      if (!kinds.insert(in.devices(i).kind()).second) {
        violations.Add(FieldPath(entry, "kind"),
                       "\"" + in.devices(i).kind() + "\" is asked for twice; give it one entry");
      }
    }
  }
  wire::CheckLabels(in.node_selector(), path, "node_selector", violations);
  out.node_selector.insert(in.node_selector().begin(), in.node_selector().end());
  ReadNodeAffinity(in.node_affinity(), FieldPath(path, "node_affinity"), violations, out);
  if (CheckCount(in.tolerations_size(), kMostTolerations, FieldPath(path, "tolerations"),
                 violations)) {
    for (int i = 0; i < in.tolerations_size(); ++i) {
      out.tolerations.push_back(
          ReadToleration(in.tolerations(i), FieldPath(path, "tolerations", i), violations));
    }
  }
  if (CheckCount(in.terms_size(), kMostTerms, FieldPath(path, "terms"), violations)) {
    for (int i = 0; i < in.terms_size(); ++i) {
      out.terms.push_back(ReadTerm(in.terms(i), FieldPath(path, "terms", i), violations));
    }
  }
  return out;
}

state::IndexRanges ReadArray(const v1::ArraySpec& in, const FieldPath& path,
                             Violations& violations) {
  state::IndexRanges out;
  const FieldPath ranges(path, "ranges");
  if (in.ranges_size() == 0) violations.Add(ranges, "is empty; an array needs an index");
  if (!CheckCount(in.ranges_size(), kMostRanges, ranges, violations)) return out;
  int64_t last_so_far = -1;
  for (int i = 0; i < in.ranges_size(); ++i) {
    const v1::IndexRange& range = in.ranges(i);
    const FieldPath entry(path, "ranges", i);
    const bool in_bounds =
        CheckRange(range.first(), 0, kMostIndex, FieldPath(entry, "first"), violations) &&
        CheckRange(range.last(), 0, kMostIndex, FieldPath(entry, "last"), violations) &&
        CheckRange(range.step(), 0, kMostIndex, FieldPath(entry, "step"), violations);
    if (!in_bounds) continue;
    if (range.last() < range.first()) {
      violations.Add(FieldPath(entry, "last"), "is " + std::to_string(range.last()) +
                                                   ", before the first index " +
                                                   std::to_string(range.first()));
      continue;
    }
    if (range.first() <= last_so_far) {
      violations.Add(FieldPath(entry, "first"), "is " + std::to_string(range.first()) +
                                                    ", not past the range before, which ends at " +
                                                    std::to_string(last_so_far) +
                                                    "; ranges ascend and do not overlap");
    }
    last_so_far = range.last();
    out.push_back({.first = static_cast<uint32_t>(range.first()),
                   .last = static_cast<uint32_t>(range.last()),
                   .step = range.step() == 0 ? 1 : static_cast<uint32_t>(range.step())});
  }
  return out;
}

state::GroupSpec ReadGroup(const v1::TaskGroup& in, const FieldPath& path, Violations& violations) {
  state::GroupSpec out;
  out.name = in.name();
  out.in_array = in.has_array();
  out.ranges = in.has_array() ? ReadArray(in.array(), FieldPath(path, "array"), violations)
                              : state::IndexRanges{{.first = 0, .last = 0, .step = 1}};
  out.needs = ReadNeeds(in.template_(), FieldPath(path, "template"), violations);
  out.retries = in.retries();
  out.time_limit_ms = in.template_().time_limit_ms();
  out.grace_ms = in.template_().grace_ms();
  out.max_processes = in.template_().max_processes();
  out.kill_on_partition = in.on_partition() == v1::ON_PARTITION_KILL;
  out.service = in.service();
  out.ends_on_success = in.restart() == v1::RESTART_POLICY_ON_FAILURE;
  if (in.has_on_oom()) {
    out.memory_factor_percent = in.on_oom().factor_percent();
    out.memory_limit_mib =
        wire::ToQuanta(in.on_oom().limit_bytes(), kMemoryQuantumBytes, wire::Rounding::kUp,
                       FieldPath(FieldPath(path, "on_oom"), "limit_bytes"), violations)
            .value_or(0);
  }
  return out;
}

}  // namespace

state::JobSpec ReadJobSpec(const v1::JobSpec& job, Violations& violations) {
  state::JobSpec out;
  out.ns = job.namespace_();
  out.name = job.name();
  out.queue = job.queue();
  out.profile = job.profile();
  out.priority = job.priority();
  out.labels.insert(job.labels().begin(), job.labels().end());

  const FieldPath groups(FieldPath::Root(), "groups");
  if (job.groups_size() == 0) violations.Add(groups, "is empty; a job needs a group");
  if (!CheckCount(job.groups_size(), kMostGroups, groups, violations)) return out;
  std::set<std::string_view> names;
  for (int i = 0; i < job.groups_size(); ++i) {
    const v1::TaskGroup& group = job.groups(i);
    const FieldPath path(FieldPath::Root(), "groups", i);
    out.groups.push_back(ReadGroup(group, path, violations));
    const FieldPath name(path, "name");
    if (group.name().empty()) {
      if (job.groups_size() > 1) violations.Add(name, "is required when a job has several groups");
    } else if (wire::CheckName(wire::kGroupName, group.name(), name, violations) &&
               !names.insert(group.name()).second) {
      violations.Add(name, "\"" + group.name() + "\" is the name of another group of this job");
    }
  }
  return out;
}

absl::StatusOr<state::JobSpec> DecodeJobSpec(std::string_view blob) {
  v1::JobSpec job;
  if (!job.ParseFromArray(blob.data(), static_cast<int>(blob.size()))) {
    return absl::InvalidArgumentError("the content is no berth.v1.JobSpec");
  }
  Violations violations;
  state::JobSpec spec = ReadJobSpec(job, violations);
  if (!violations.empty()) return absl::InvalidArgumentError(violations.Summary());
  return spec;
}

}  // namespace berth::api
