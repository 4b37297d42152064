// What requests for lists have in common.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "api/errors.h"
#include "api/page_token.h"
#include "base/strings.h"
#include "wire/message_buffer.h"

namespace berth::api {

// Where a list goes on, and how many come at once.
struct PageRequest {
  PageToken token;    // a default one for the first page
  bool first = true;  // it is the first page
  int32_t size = 0;
  std::string list;  // what a page token belongs to: everything of the request but the page
};

// Reads page_size and page_token. The refusal when one of them is wrong.
template <typename Request>
std::optional<wire::Refusal> ReadPage(const Request& request, PageRequest& page) {
  constexpr int32_t kMostPageSize = 1000;
  constexpr int32_t kUsualPageSize = 100;
  page.size = request.page_size() == 0 ? kUsualPageSize : request.page_size();
  if (page.size < 0 || page.size > kMostPageSize) {
    return InvalidField("page_size", "is " + std::to_string(page.size) + "; 1 to " +
                                         std::to_string(kMostPageSize) + " is allowed");
  }
  Request without = request;
  without.clear_page_token();
  without.clear_page_size();
  page.list = without.GetTypeName() + wire::DeterministicBytes(without);
  page.first = request.page_token().empty();
  if (page.first) return std::nullopt;
  const absl::StatusOr<PageToken> token = DecodePageToken(request.page_token(), page.list);
  if (!token.ok()) return InvalidField("page_token", base::S(token.status().message()));
  page.token = *token;
  return std::nullopt;
}

}  // namespace berth::api
