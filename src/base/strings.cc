#include "base/strings.h"

#include "absl/hash/hash.h"

namespace berth::base {

std::size_t StringHash::operator()(std::string_view text) const {
  return absl::Hash<absl::string_view>()(A(text));
}

}  // namespace berth::base
