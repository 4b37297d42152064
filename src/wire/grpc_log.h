#pragma once

namespace berth::wire {

// Puts what gRPC says of its own accord into the process's log, a line in its format for each:
// errors as warnings, as whoever called says what they mean; the rest for debugging, as far as
// GRPC_VERBOSITY lets it through. Once, before gRPC is used.
void RouteGrpcLog();

}  // namespace berth::wire
