// What leaves the loop of its nodes, some at a time: for those who work on a picture of the cluster
// outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "berth/ids.h"
#include "berth/node_columns.h"
#include "state/node_spec.h"

namespace berth::state {

class NodeTable;

// One slot as it was.
struct NodePicture {
  Slot slot = kNoSlot;
  uint32_t generation = 0;
  std::shared_ptr<const NodeSpec> spec;  // null: there is no node
  bool ready = false;
  bool cordoned = false;
  int32_t tasks = 0;
  Amounts allocated;
  std::vector<DeviceRow> devices;  // as in spec->devices
};

// How far somebody has read. A plain value.
struct PictureCursor {
  uint64_t changes = 0;      // entries of the table's log that were read, or need not be
  Slot next_slot = kNoSlot;  // of the first look at all slots; kNoSlot: that is over
};

struct PicturePage {
  // Forget what was read before: this is the first page of a look at everything.
  bool from_start = false;
  std::vector<NodePicture> nodes;  // each slot at most once
  PictureCursor next;
  // Whoever has put all pages so far over one another has the table as it is now.
  bool complete = false;
};

// The next page: of all slots one after another, and then of those that the log says have changed.
// `after`: where the last page ended; absent, or when the log does not reach back so far: from the
// start.
//
// Cost: O(most), and for each slot O(its devices + extended resources).
PicturePage ReadPictures(const NodeTable& table, const std::optional<PictureCursor>& after,
                         size_t most);

}  // namespace berth::state
