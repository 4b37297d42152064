#pragma once

#include <string>
#include <string_view>

namespace berth::agentd {

// Names and paths come from outside and may be long, and any bytes: what is said after them must be
// seen too. At most 200 bytes of it, as valid UTF-8.
std::string Shortened(std::string_view text);
// The same in quotation marks.
std::string Quoted(std::string_view text);

// strerror(3) for several threads.
std::string ErrorText(int error);

}  // namespace berth::agentd
