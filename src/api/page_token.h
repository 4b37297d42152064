// Where the next page of a list goes on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "berth/ids.h"

namespace berth::api {

// What a token holds. Opaque to clients, who must send it back with the same request; it gives
// nobody anything, as each page is filtered for its own caller.
struct PageToken {
  uint64_t first_epoch = 0;    // of the first page
  TaskKey after;               // lists of jobs use the job alone
  std::string after_name;      // lists of nodes
  uint32_t after_attempt = 0;  // lists of attempts on nodes, with both above
};

// `request` is what the token belongs to: the method and its filters, however put.
std::string EncodePageToken(const PageToken& token, std::string_view request);

// InvalidArgument: it is not a token of this server's, or of another request.
absl::StatusOr<PageToken> DecodePageToken(std::string_view text, std::string_view request);

}  // namespace berth::api
