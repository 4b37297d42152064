#include "state/principal.h"

#include <algorithm>

namespace berth::state {

bool Principal::MaySee(std::string_view ns) const {
  return all_namespaces || std::binary_search(namespaces.begin(), namespaces.end(), ns);
}

}  // namespace berth::state
