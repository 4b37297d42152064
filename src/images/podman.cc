#include "images/podman.h"

#include <string_view>

#include "base/logging.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "images/command.h"

namespace berth::images {
namespace {

// For what is quick when it works at all.
constexpr std::chrono::seconds kMostQuestion = std::chrono::minutes(1);
constexpr size_t kIdDigits = 64;

// podman would fetch from elsewhere than a registry when the reference said so, a file of the node
// among others; with this before it, it cannot say so.
std::string AtRegistry(const std::string& reference) { return "docker://" + reference; }

// The last line that is an id: warnings may stand around it.
std::string IdIn(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.rfind('\n');
    const std::string_view line = end == std::string_view::npos ? text : text.substr(end + 1);
    if (line.size() == kIdDigits &&
        line.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
      return std::string(line);
    }
    text = end == std::string_view::npos ? "" : text.substr(0, end);
  }
  return "";
}

}  // namespace

bool Podman::IsThere() const { return !FindProgram(program_).empty(); }

absl::StatusOr<std::string> Podman::Run(const std::vector<std::string>& arguments,
                                        std::chrono::seconds most) const {
  std::vector<std::string> all = {FindProgram(program_)};
  if (all[0].empty()) return absl::FailedPreconditionError("this node has no podman any more");
  all.insert(all.end(), arguments.begin(), arguments.end());
  absl::StatusOr<std::string> text = RunCommand(all, most, stopped_);
  if (absl::IsDeadlineExceeded(text.status()) && !stopped_()) {
    return absl::DeadlineExceededError(base::A(
        "`podman " + arguments[0] + "` took longer than " + std::to_string(most.count()) +
        " s, and was ended: other images wait for it; try again when the registry is quicker, or"
        " copy the image to an OCI layout on the node and give that as /DIR"));
  }
  return text;
}

std::string Podman::Digest(const std::string& reference) const {
  // Not its warnings: they have the time in them.
  const auto text =
      Run({"manifest", "inspect", "--log-level", "error", AtRegistry(reference)}, kMostQuestion);
  if (text.ok()) return text->empty() ? "" : base::Sha256Hex(*text);
  // It only knows what to do with some kinds of manifests. Of the others its error has the text.
  const std::string error = base::S(text.status().message());
  const bool has_manifest = error.find("parsing manifest blob") != std::string::npos &&
                            error.find("sha256:") != std::string::npos;
  return has_manifest ? base::Sha256Hex(error) : "";
}

absl::StatusOr<Podman::Fetched> Podman::Pull(const std::string& reference) const {
  // What the node's owner has in there stays.
  const std::string before = Run({"images", "--quiet", "--no-trunc"}, kMostQuestion).value_or("");
  BERTH_ASSIGN_OR_RETURN(const std::string text,
                         Run({"pull", "--quiet", AtRegistry(reference)}, most_));
  Fetched image;
  image.id = IdIn(text);
  if (image.id.empty()) return absl::InternalError("`podman pull` did not say what it has fetched");
  image.was_there = before.find(image.id) != std::string::npos;
  return image;
}

absl::Status Podman::Save(const Fetched& image, const std::string& folder) const {
  return Run({"save", "--quiet", "--format", "oci-dir", "--output", folder, image.id}, most_)
      .status();
}

void Podman::Remove(const Fetched& image) const {
  if (image.was_there) return;
  const absl::Status removed = Run({"rmi", image.id}, most_).status();
  if (!removed.ok()) {
    BERTH_LOG_WARN("image {} stays in podman's storage: {}", image.id, base::V(removed.message()));
  }
}

}  // namespace berth::images
