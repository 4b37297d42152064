#pragma once

#include <string>

namespace berth::agentd {

// A socket of the network namespace `path`, or of this one when that is empty; not blocking, closed
// on exec; -errno on failure. Threading: any. Cost: a short-lived thread for another namespace.
int SocketIn(const std::string& path, int domain, int type);

}  // namespace berth::agentd
