#include "agentd/drivers/spec_file.h"

#include <cstring>

namespace berth::agentd {

SpecFile::SpecFile(std::string_view bytes) : words_(bytes.size() / sizeof(uint64_t) + 1) {
  std::memcpy(words_.data(), bytes.data(), bytes.size());
  const char* data = reinterpret_cast<const char*>(words_.data());
  pointers_.resize(shim::PointersNeeded(data, bytes.size()) + 1);
  fault_ = shim::ParseSpec(data, bytes.size(), pointers_.data(), view_);
}

}  // namespace berth::agentd
