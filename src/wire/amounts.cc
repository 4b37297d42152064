#include "wire/amounts.h"

#include <algorithm>
#include <string>

#include "base/quantities.h"
#include "berth/resources.h"
#include "wire/names.h"

namespace berth::wire {
namespace {

// Extended amounts in order of name: the order of a map on the wire means nothing.
void ReadExtended(const v1::Resources& in, const FieldPath& path, Violations& violations,
                  state::Amounts& out) {
  if (in.extended_size() > static_cast<int>(kMostExtendedResources)) {
    violations.Add(FieldPath(path, "extended"),
                   "names " + std::to_string(in.extended_size()) + " resources; at most " +
                       std::to_string(kMostExtendedResources) + " are allowed");
    return;
  }
  for (const auto& [name, amount] : in.extended()) {
    const FieldPath entry(path, "extended", name);
    if (!CheckName(kExtendedResource, name, entry, violations)) continue;
    if (name == "cpu" || name == "memory" || name == "storage" || name == "bandwidth") {
      violations.Add(entry, "is built in: give it in its own field");
      continue;
    }
    const auto quanta = ToQuanta(amount, 1, Rounding::kUp, entry, violations);
    if (quanta.value_or(0) > 0) out.extended.emplace_back(name, *quanta);
  }
  std::sort(out.extended.begin(), out.extended.end());
}

}  // namespace

std::optional<int32_t> ToQuanta(int64_t amount, int64_t quantum, Rounding rounding,
                                const FieldPath& path, Violations& violations) {
  if (amount < 0) {
    violations.Add(path, "is " + std::to_string(amount) + "; an amount cannot be negative");
    return std::nullopt;
  }
  // Not (amount + quantum - 1) / quantum, which overflows.
  int64_t quanta = amount / quantum;
  if (rounding == Rounding::kUp && amount % quantum != 0) ++quanta;
  if (quanta > kMaxQuanta) {
    violations.Add(path, "is " + std::to_string(amount) + "; at most " +
                             std::to_string(kMaxQuanta * quantum) + " is allowed");
    return std::nullopt;
  }
  return static_cast<int32_t>(quanta);
}

state::Amounts RequestAmounts(const v1::Resources& request, const RequestDefaults& defaults,
                              const FieldPath& path, Violations& violations) {
  state::Amounts out;
  const auto read = [&](ResourceIndex resource, const char* name, int64_t amount, int64_t quantum) {
    out.builtin[resource] =
        ToQuanta(amount, quantum, Rounding::kUp, FieldPath(path, name), violations).value_or(0);
  };
  read(kCpu, "cpu_milli", request.has_cpu_milli() ? request.cpu_milli() : defaults.cpu_milli, 1);
  if (request.has_memory_bytes() && request.memory_bytes() == 0) {
    violations.Add(FieldPath(path, "memory_bytes"),
                   "is 0; a task cannot run without memory: ask for at least 1Mi, or leave it out "
                   "for the default of " +
                       base::FormatBytesExact(defaults.memory_bytes));
  }
  read(kMemory, "memory_bytes",
       request.has_memory_bytes() ? request.memory_bytes() : defaults.memory_bytes,
       kMemoryQuantumBytes);
  read(kStorage, "storage_bytes", request.storage_bytes(), kStorageQuantumBytes);
  read(kBandwidth, "bandwidth_bits_per_s", request.bandwidth_bits_per_s(),
       kBandwidthQuantumBitsPerSecond);
  if (request.extended().contains(kDedicatedCpus)) {
    violations.Add(FieldPath(path, "extended", kDedicatedCpus),
                   "is counted by Berth: ask for CPUs of the task's own with cpuPlacement");
  }
  ReadExtended(request, path, violations, out);
  return out;
}

state::Amounts CapacityAmounts(const v1::Resources& capacity, const FieldPath& path,
                               Violations& violations) {
  state::Amounts out;
  const auto read = [&](ResourceIndex resource, const char* name, int64_t amount, int64_t quantum) {
    out.builtin[resource] =
        ToQuanta(amount, quantum, Rounding::kDown, FieldPath(path, name), violations).value_or(0);
  };
  read(kCpu, "cpu_milli", capacity.cpu_milli(), 1);
  read(kMemory, "memory_bytes", capacity.memory_bytes(), kMemoryQuantumBytes);
  read(kStorage, "storage_bytes", capacity.storage_bytes(), kStorageQuantumBytes);
  read(kBandwidth, "bandwidth_bits_per_s", capacity.bandwidth_bits_per_s(),
       kBandwidthQuantumBitsPerSecond);
  if (capacity.cpu_milli() == 0) {
    violations.Add(FieldPath(path, "cpu_milli"), "is required: a node has CPU");
  }
  if (capacity.memory_bytes() >= 0 && capacity.memory_bytes() < kMemoryQuantumBytes) {
    violations.Add(FieldPath(path, "memory_bytes"), "is required: a node has at least 1Mi");
  }
  ReadExtended(capacity, path, violations, out);
  return out;
}

v1::Resources ToResources(const state::Amounts& amounts) {
  v1::Resources out;
  out.set_cpu_milli(amounts.builtin[kCpu]);
  out.set_memory_bytes(amounts.builtin[kMemory] * kMemoryQuantumBytes);
  if (amounts.builtin[kStorage] != 0) {
    out.set_storage_bytes(amounts.builtin[kStorage] * kStorageQuantumBytes);
  }
  if (amounts.builtin[kBandwidth] != 0) {
    out.set_bandwidth_bits_per_s(amounts.builtin[kBandwidth] * kBandwidthQuantumBitsPerSecond);
  }
  for (const auto& [name, quanta] : amounts.extended) (*out.mutable_extended())[name] = quanta;
  return out;
}

}  // namespace berth::wire
