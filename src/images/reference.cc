#include "images/reference.h"

#include <algorithm>
#include <string>

#include "base/strings.h"
#include "images/digest.h"

namespace berth::images {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLettersAndDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kWordCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
constexpr size_t kMostPortDigits = 5;
constexpr size_t kMostTag = 128;

// Where podman fetches from, by name, but "docker", which is an image's name as well: after it
// comes a slash.
constexpr std::string_view kTransports[] = {"containers-storage",
                                            "dir",
                                            "docker-archive",
                                            "docker-daemon",
                                            "oci",
                                            "oci-archive",
                                            "ostree",
                                            "sif",
                                            "tarball"};

bool IsOf(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool IsComponent(std::string_view text) {
  return IsOf(text, kWordCharacters) &&
         kLettersAndDigits.find(text.front()) != std::string_view::npos;
}

bool IsHost(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return IsComponent(text);
  const std::string_view port = text.substr(colon + 1);
  return IsComponent(text.substr(0, colon)) && port.size() <= kMostPortDigits &&
         IsOf(port, kDigits);
}

bool IsTag(std::string_view text) {
  return IsOf(text, kWordCharacters) && text.size() <= kMostTag && text.front() != '.' &&
         text.front() != '-';
}

bool IsReference(std::string_view text) {
  if (const size_t at = text.find('@'); at != std::string_view::npos) {
    if (!IsDigest(text.substr(at + 1))) return false;
    text = text.substr(0, at);
  }
  // A colon before the last slash is a port's, and one after it a tag's.
  const size_t last = text.rfind('/');
  const size_t colon = text.find(':', last == std::string_view::npos ? 0 : last);
  if (colon != std::string_view::npos) {
    if (!IsTag(text.substr(colon + 1))) return false;
    text = text.substr(0, colon);
  }
  size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    if (!IsHost(text.substr(0, slash))) return false;
    text = text.substr(slash + 1);
  }
  for (; (slash = text.find('/')) != std::string_view::npos; text = text.substr(slash + 1)) {
    if (!IsComponent(text.substr(0, slash))) return false;
  }
  return IsComponent(text);
}

// What is before the first colon, when that says where to fetch from. Empty: it does not.
std::string_view TransportOf(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return "";
  const std::string_view name = text.substr(0, colon);
  const bool known =
      std::find(std::begin(kTransports), std::end(kTransports), name) != std::end(kTransports);
  return known || (IsComponent(name) && text.substr(colon + 1).starts_with('/')) ? name : "";
}

}  // namespace

absl::Status CheckReference(std::string_view text) {
  if (const std::string_view transport = TransportOf(text); !transport.empty()) {
    return absl::InvalidArgumentError(
        base::A("it begins with \"" + std::string(transport) +
                ":\", and what is fetched is always a registry's: give that as HOST/NAME:TAG, and"
                " a directory of the node, a root file system or an OCI layout, as /DIR"));
  }
  if (!IsReference(text)) {
    return absl::InvalidArgumentError(
        "it is neither an absolute path nor a registry's reference, as HOST/NAME:TAG");
  }
  return absl::OkStatus();
}

}  // namespace berth::images
