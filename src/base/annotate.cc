#include "base/annotate.h"

#include <string>

#include "absl/strings/cord.h"
#include "base/strings.h"

namespace berth::base {

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  std::string message(context);
  message.append(": ").append(V(status.message()));
  absl::Status annotated(status.code(), message);
  status.ForEachPayload([&annotated](absl::string_view type_url, const absl::Cord& payload) {
    annotated.SetPayload(type_url, payload);
  });
  return annotated;
}

}  // namespace berth::base
