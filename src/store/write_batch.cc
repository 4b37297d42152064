#include "store/write_batch.h"

#include "base/check.h"

namespace berth::store {

std::string EndOfPrefix(std::string_view prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.remove_suffix(1);
  BERTH_CHECK(!prefix.empty()) << "no key follows every key with this prefix";
  std::string end(prefix);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace berth::store
