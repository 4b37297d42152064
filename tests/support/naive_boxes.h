// Boxes of a torus of devices, found in the plainest way.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "state/node_spec.h"

namespace berth::testing {

// The positions of devices of a kind, of each box with these extents, turned every way. Shares
// nothing with what the plugins use.
inline std::set<std::set<size_t>> AllBoxes(const state::NodeSpec& node, const std::string& kind,
                                           std::vector<int> extents) {
  std::map<std::array<int, 3>, size_t> at;
  std::array<int, 3> size{};
  unsigned wraps = 0;
  for (size_t i = 0; i < node.devices.size(); ++i) {
    const TorusPlace& torus = node.devices[i].torus;
    if (node.devices[i].kind != kind || torus.extent[0] == 0) continue;
    at[{torus.at[0], torus.at[1], torus.at[2]}] = i;
    size = {torus.extent[0], torus.extent[1], torus.extent[2]};
    wraps = torus.wraps;
  }
  extents.resize(3, 1);
  std::sort(extents.begin(), extents.end());
  std::set<std::set<size_t>> boxes;
  do {
    for (int corner = 0; corner < size[0] * size[1] * size[2]; ++corner) {
      const std::array<int, 3> from = {corner % size[0], corner / size[0] % size[1],
                                       corner / size[0] / size[1]};
      std::set<size_t> box;
      bool whole = true;
      for (int cell = 0; whole && cell < extents[0] * extents[1] * extents[2]; ++cell) {
        std::array<int, 3> place = {cell % extents[0], cell / extents[0] % extents[1],
                                    cell / extents[0] / extents[1]};
        for (size_t axis = 0; axis < 3; ++axis) {
          place[axis] += from[axis];
          const bool goes_round = (wraps >> axis & 1) != 0;
          if (goes_round) place[axis] %= size[axis];
        }
        const auto device = at.find(place);
        whole = device != at.end() && box.insert(device->second).second;
      }
      if (whole) boxes.insert(box);
    }
  } while (std::next_permutation(extents.begin(), extents.end()));
  return boxes;
}

}  // namespace berth::testing
