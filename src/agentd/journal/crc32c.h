#pragma once

#include <cstdint>
#include <string_view>

namespace berth::agentd {

// CRC-32C (Castagnoli) of `bytes`, continued from `crc`. Cost: about 2 ns a byte.
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

}  // namespace berth::agentd
