#include "device_fit/device_fit.h"

#include <algorithm>
#include <string>
#include <vector>

#include "berth/filter.h"
#include "berth/reserve.h"
#include "berth/score.h"
#include "berth/torus_boxes.h"
#include "common/args_reader.h"
#include "common/device_packing.h"
#include "device_fit/device_choice.h"

namespace berth::plugins {
namespace {

// Whether devices make the boxes that needs ask for. Keeps its space.
class Boxes {
 public:
  // Of the devices for which `counts` holds.
  template <typename Counts>
  bool Make(const BoxExtents& box, std::span<const DeviceRow> devices, Counts counts) {
    positions_.clear();
    for (size_t i = 0; i < devices.size(); ++i) {
      if (counts(devices[i])) positions_.push_back(static_cast<uint16_t>(i));
    }
    boxes_.Put(positions_, devices);
    return boxes_.HasBox(box);
  }

 private:
  std::vector<uint16_t> positions_;
  TorusBoxes boxes_;
};

bool Satisfies(const DeviceNeed& need, std::span<const DeviceRow> devices, Boxes& boxes) {
  const auto has_room = [&](const DeviceRow& device) { return HasRoom(need, device); };
  if (need.has_box()) return boxes.Make(need.box, devices, has_room);
  int32_t with_room = 0;
  for (const DeviceRow& device : devices) {
    if (has_room(device) && ++with_room == need.count) return true;
  }
  return false;
}

bool SatisfiesAll(const TaskRequirements& needs, std::span<const DeviceRow> devices, Boxes& boxes) {
  return std::all_of(needs.devices.begin(), needs.devices.end(),
                     [&](const DeviceNeed& need) { return Satisfies(need, devices, boxes); });
}

// Why a node cannot give what one need asks; reason kNone when it can.
struct Shortage {
  Reason reason = Reason::kNone;
  int64_t requested = 0;
  int64_t free = 0;
  int64_t capacity = 0;
  bool permanent = false;
};

// What a node has of what one need asks for.
struct Inventory {
  int32_t of_kind = 0;
  int32_t of_model = 0;                 // and of an accepted model
  int32_t accepted = 0;                 // and with enough memory in all
  int32_t with_room = 0;                // and free, now
  int32_t largest_memory_mib = 0;       // in all, of those of the model
  int32_t largest_free_milli = 0;       // of healthy accepted ones
  int32_t largest_free_memory_mib = 0;  // of healthy accepted ones with enough of the device free
  bool share_has_room = false;          // on some device, but for memory
};

Inventory Count(const DeviceNeed& need, std::span<const DeviceRow> devices) {
  DeviceNeed any_memory = need;
  any_memory.memory_mib = 0;
  Inventory found;
  for (const DeviceRow& device : devices) {
    if (device.kind != need.kind) continue;
    ++found.of_kind;
    if (!Accepts(any_memory, device)) continue;
    ++found.of_model;
    found.largest_memory_mib = std::max(found.largest_memory_mib, device.memory_mib);
    if (!Accepts(need, device)) continue;
    ++found.accepted;
    if (!device.healthy) continue;
    found.with_room += HasRoom(need, device);
    const int32_t free_milli = 1000 - device.allocated_milli;
    found.largest_free_milli = std::max(found.largest_free_milli, free_milli);
    if (free_milli < need.share_milli) continue;
    found.share_has_room = true;
    found.largest_free_memory_mib =
        std::max(found.largest_free_memory_mib, device.memory_mib - device.allocated_memory_mib);
  }
  return found;
}

int32_t VolumeOf(const BoxExtents& box) { return int32_t{box[0]} * box[1] * box[2]; }

// The box and all within it, the largest first.
std::vector<BoxExtents> BoxesWithin(const BoxExtents& box) {
  std::vector<BoxExtents> boxes;
  for (int a = 1; a <= box[0]; ++a) {
    for (int b = 1; b <= std::min<int>(a, box[1]); ++b) {
      for (int c = 1; c <= std::min<int>(b, box[2]); ++c) {
        boxes.push_back(
            {static_cast<uint8_t>(a), static_cast<uint8_t>(b), static_cast<uint8_t>(c)});
      }
    }
  }
  std::stable_sort(boxes.begin(), boxes.end(), [](const BoxExtents& a, const BoxExtents& b) {
    return VolumeOf(a) > VolumeOf(b);
  });
  return boxes;
}

// In devices of the largest box within the one that is asked for: of those that are free, and of
// all.
Shortage FindBoxShortage(const DeviceNeed& need, std::span<const DeviceRow> devices) {
  const std::vector<BoxExtents> candidates = BoxesWithin(need.box);
  Boxes boxes;
  const auto largest = [&](auto counts) {
    const auto found =
        std::find_if(candidates.begin(), candidates.end(),
                     [&](const BoxExtents& box) { return boxes.Make(box, devices, counts); });
    return found == candidates.end() ? 0 : VolumeOf(*found);
  };
  const int32_t all = largest([&](const DeviceRow& device) { return Accepts(need, device); });
  const int32_t free = largest([&](const DeviceRow& device) { return HasRoom(need, device); });
  if (free == need.count) return {};
  return {Reason::kNoDeviceBox, need.count, free, all, all < need.count};
}

// What is sick may get well, so it counts wherever the question is what could ever be.
Shortage FindShortage(const DeviceNeed& need, std::span<const DeviceRow> devices) {
  const Inventory found = Count(need, devices);
  if (found.of_kind == 0) return {Reason::kNoSuchDevice, need.count, 0, 0, true};
  if (found.of_model == 0) return {Reason::kDeviceModelMismatch, need.count, 0, 0, true};
  if (found.accepted == 0) {
    return {Reason::kDeviceMemoryTooSmall, need.memory_mib, found.largest_memory_mib,
            found.largest_memory_mib, true};
  }
  if (found.accepted < need.count) {
    return {Reason::kInsufficientDevices, need.count, found.with_room, found.accepted, true};
  }
  if (need.has_box()) {
    const Shortage shortage = FindBoxShortage(need, devices);
    if (shortage.permanent || found.with_room >= need.count) return shortage;
  }
  if (found.with_room >= need.count) return {};
  if (need.share_milli == 1000) {
    return {Reason::kInsufficientDevices, need.count, found.with_room, found.accepted, false};
  }
  if (found.share_has_room) {
    return {Reason::kDeviceMemoryTooSmall, need.memory_mib, found.largest_free_memory_mib,
            found.largest_memory_mib, false};
  }
  return {Reason::kInsufficientDevices, need.share_milli, found.largest_free_milli, 1000, false};
}

class DeviceFit final : public FilterPlugin, public ScorePlugin, public ReservePlugin {
 public:
  std::string_view name() const override { return kDeviceFit; }
  Scope scope() const override { return Scope::kNode; }
  Reads reads() const override { return kReadsDevices; }

  bool PassesAll(const TaskRequirements& needs) const override { return needs.devices.empty(); }
  absl::Status Filter(const TaskView& task, const NodeColumns& columns,
                      SlotMask& feasible) const override {
    const TaskRequirements& needs = task.needs;
    for (const DeviceNeed& need : needs.devices) feasible.And(columns.with_device_kind(need.kind));
    Boxes boxes;
    feasible.ForEach([&](size_t i, Slot slot) {
      if (!SatisfiesAll(needs, columns.devices(slot), boxes)) feasible.Clear(i);
    });
    return absl::OkStatus();
  }

  // Of several needs that a node cannot give, one is named that no release can mend, if there is
  // one, else the first.
  void Diagnose(const TaskView& task, const NodeColumns& columns, const NodeMask& removed,
                RejectionSink& sink) const override {
    removed.ForEach([&](Slot slot) {
      Shortage named;
      KindId kind;
      for (const DeviceNeed& need : task.needs.devices) {
        const Shortage shortage = FindShortage(need, columns.devices(slot));
        if (shortage.reason == Reason::kNone) continue;
        if (named.reason != Reason::kNone && !shortage.permanent) continue;
        named = shortage;
        kind = need.kind;
        if (shortage.permanent) break;
      }
      if (named.reason == Reason::kNone) return;
      sink.Reject(slot, named.reason, kind.value, named.requested, named.free, named.capacity,
                  named.permanent);
    });
  }

  bool Skips(const TaskRequirements& needs) const override { return needs.devices.empty(); }

  absl::Status Score(const TaskView& task, const NodeColumns& columns, SlotSpan slots,
                     std::span<int32_t> scores) const override {
    slots.ForEach(
        [&](size_t i, Slot slot) { scores[i] = DevicesInUse(task.needs, columns, slot); });
    return absl::OkStatus();
  }

  absl::Status Reserve(const TaskView& task, const NodeColumns& columns, Slot slot,
                       Reservation& reservation) const override {
    const std::span<const DeviceRow> devices = columns.devices(slot);
    size_t taken = 0;
    for (const DeviceNeed& need : task.needs.devices) {
      const auto count = static_cast<size_t>(need.count);
      const std::span<const uint16_t> chosen = task.chosen_devices;
      const bool took =
          chosen.empty()
              ? ChooseDevices(need, devices, reservation.devices)
              : taken + count <= chosen.size() &&
                    TakeDevices(need, devices, chosen.subspan(taken, count), reservation.devices);
      if (!took) {
        return absl::FailedPreconditionError("slot " + std::to_string(slot) +
                                             " has no longer the devices that the task asks for");
      }
      taken += count;
    }
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<Plugin>> MakeDeviceFit(const PluginArgs& args,
                                                      PluginContext& context) {
  (void)context;
  if (absl::Status status = AcceptNoArguments(args); !status.ok()) return status;
  return std::make_unique<DeviceFit>();
}

}  // namespace berth::plugins
