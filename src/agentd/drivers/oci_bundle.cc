#include "agentd/drivers/oci_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/path_error.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "shim/container.h"

namespace berth::agentd {
namespace {

constexpr char kImageLink[] = "image";  // in the bundle: to the image's root

// One that must not be there yet.
absl::Status MakeNewDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0 && chmod(path.c_str(), mode) == 0) return absl::OkStatus();
  return base::PathError(errno, "make", path);
}

}  // namespace

absl::Status WriteBundle(const std::string& bundle, const std::string& image,
                         const std::string& config) {
  std::error_code error;
  std::filesystem::remove_all(bundle, error);  // of an earlier try
  BERTH_RETURN_IF_ERROR(MakeNewDirectory(bundle, 0700));
  // The task's root directory is the upper one.
  BERTH_RETURN_IF_ERROR(MakeNewDirectory(bundle + "/" + shim::kUpperName, 0755));
  for (const char* name : {shim::kWorkName, shim::kRootFsName, shim::kRuntimeStateName}) {
    BERTH_RETURN_IF_ERROR(MakeNewDirectory(bundle + "/" + name, 0700));
  }
  if (symlink(image.c_str(), (bundle + "/" + kImageLink).c_str()) != 0) {
    return absl::ErrnoToStatus(errno, base::A("cannot make a link in " + bundle));
  }
  const std::string path = bundle + "/config.json";
  const base::UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.valid()) return absl::ErrnoToStatus(errno, base::A("cannot make " + path));
  for (std::string_view rest = config; !rest.empty();) {
    const ssize_t written = write(file.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, base::A("cannot write " + path));
    rest.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::set<std::string> ImagesInUse(const std::string& folder) {
  std::set<std::string> roots;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::error_code none;
    const std::filesystem::path root =
        std::filesystem::read_symlink(entry.path() / kImageLink, none);
    if (!none) roots.insert(root.string());
  }
  return roots;
}

}  // namespace berth::agentd
