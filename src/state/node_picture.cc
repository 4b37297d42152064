#include "state/node_picture.h"

#include <algorithm>

#include "state/node_table.h"

namespace berth::state {
namespace {

NodePicture PictureOf(const NodeTable& table, Slot slot) {
  NodePicture picture{.slot = slot, .generation = table.generation(slot)};
  if (!table.Holds(slot)) return picture;
  picture.spec = table.spec_ptr(slot);
  picture.ready = table.ready().Test(slot);
  picture.cordoned = table.cordoned().Test(slot);
  picture.tasks = table.task_count(slot);
  for (ResourceIndex i = 0; i < kFirstExtended; ++i) {
    picture.allocated.builtin[i] = table.allocated(i)[slot];
  }
  for (ResourceIndex i = kFirstExtended; i < table.resource_count(); ++i) {
    const int32_t amount = table.allocated(i)[slot];
    if (amount == 0) continue;
    picture.allocated.extended.emplace_back(ResourceName(table.names(), i), amount);
  }
  const auto devices = table.devices(slot);
  picture.devices.assign(devices.begin(), devices.end());
  return picture;
}

}  // namespace

PicturePage ReadPictures(const NodeTable& table, const std::optional<PictureCursor>& after,
                         size_t most) {
  const DirtyLog& log = table.changes();
  PicturePage page;
  if (after && after->changes >= log.begin() && after->changes <= log.end()) {
    page.next = *after;
  } else {
    page.from_start = true;
    page.next = {.changes = log.end(), .next_slot = 0};
  }

  if (page.next.next_slot != kNoSlot) {
    const auto size = static_cast<Slot>(table.size());
    const auto end = static_cast<Slot>(std::min<size_t>(size, page.next.next_slot + most));
    for (Slot slot = page.next.next_slot; slot < end; ++slot) {
      page.nodes.push_back(PictureOf(table, slot));
    }
    page.next.next_slot = end == size ? kNoSlot : end;
  } else {
    const uint64_t end = std::min(log.end(), page.next.changes + most);
    std::vector<Slot> changed;
    for (uint64_t i = page.next.changes; i < end; ++i) changed.push_back(log.At(i));
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
    for (const Slot slot : changed) page.nodes.push_back(PictureOf(table, slot));
    page.next.changes = end;
  }
  page.complete = page.next.next_slot == kNoSlot && page.next.changes == log.end();
  return page;
}

}  // namespace berth::state
