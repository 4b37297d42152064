// berth-files read PATH
// berth-files write [--archive] [--mode OCTAL] [--name NAME] PATH
//
// Does the work on files for `berth cp`, at both of its ends: as whoever runs it, and no more than
// that user may. `read` writes a header (files/file_header.h) and then the bytes of a file, or of a
// folder as a tar archive. `write` reads bytes, and writes how many there were; with a NAME, a PATH
// that is a folder is one to put it into. A program of its own, as neither the command nor the
// agent shall carry what archives take.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "files/archive.h"
#include "files/file_header.h"

namespace {

using berth::base::UniqueFd;

absl::Status Cannot(const std::string& path) {
  return absl::ErrnoToStatus(errno, berth::base::A(path));
}

bool WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

// Bytes that were copied.
absl::StatusOr<int64_t> CopyAll(int from, int to, const std::string& path) {
  static std::array<char, 256 << 10> buffer;
  int64_t total = 0;
  for (;;) {
    const ssize_t got = read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Cannot(path);
    if (got == 0) return total;
    if (!WriteAll(to, buffer.data(), static_cast<size_t>(got))) return Cannot(path);
    total += got;
  }
}

absl::Status Read(const std::string& path) {
  // Not blocked by a pipe that nobody writes to: it is refused.
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info = {};
  if (!file.valid() || fstat(file.get(), &info) != 0) return Cannot(path);
  berth::files::FileHeader header;
  header.mode = info.st_mode & 07777;
  if (S_ISDIR(info.st_mode)) {
    header.archive = 1;
  } else if (S_ISREG(info.st_mode)) {
    header.size = info.st_size;
  } else {
    return absl::FailedPreconditionError(path + ": is neither a file nor a folder");
  }
  if (!WriteAll(STDOUT_FILENO, reinterpret_cast<const char*>(&header), sizeof(header))) {
    return Cannot("standard output");
  }
  if (header.archive != 0) return berth::files::PackFolder(path, STDOUT_FILENO);
  return CopyAll(file.get(), STDOUT_FILENO, path).status();
}

// Where it goes: what ends in "/" must be a folder.
absl::StatusOr<std::string> TargetOf(const std::string& path, const std::string& name) {
  if (name.empty()) return path;
  struct stat info = {};
  const bool is_folder = stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  if (is_folder) return path + (path.back() == '/' ? "" : "/") + name;
  if (path.back() != '/') return path;
  return absl::NotFoundError(berth::base::A(path + ": is no folder"));
}

absl::Status Write(const std::string& given, const std::string& name, bool archive, mode_t mode) {
  const absl::StatusOr<std::string> target = TargetOf(given, name);
  if (!target.ok()) return target.status();
  const std::string& path = *target;
  absl::StatusOr<int64_t> bytes = 0;
  if (archive) {
    bytes = berth::files::UnpackFolder(STDIN_FILENO, path);
  } else {
    const UniqueFd file(
        open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode));
    if (!file.valid() && errno == EISDIR) {
      return absl::FailedPreconditionError(path + ": is a folder");
    }
    struct stat info = {};
    if (!file.valid() || fstat(file.get(), &info) != 0) return Cannot(path);
    if (!S_ISREG(info.st_mode)) {
      return absl::FailedPreconditionError(path + ": is there and is not a file");
    }
    if (ftruncate(file.get(), 0) != 0) return Cannot(path);
    bytes = CopyAll(STDIN_FILENO, file.get(), path);
  }
  if (!bytes.ok()) return bytes.status();
  const std::string text = std::to_string(*bytes) + "\n";
  return WriteAll(STDOUT_FILENO, text.data(), text.size()) ? absl::OkStatus()
                                                           : Cannot("standard output");
}

int Usage() {
  std::fputs(
      "usage: berth-files read PATH\n"
      "       berth-files write [--archive] [--mode OCTAL] [--name NAME] PATH\n"
      "It is berth-agent and berth that start it, for 'berth cp'.\n",
      stderr);
  return berth::files::kUsage;
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return berth::files::kNotFound;
    case absl::StatusCode::kPermissionDenied:
      return berth::files::kNotAllowed;
    default:
      return berth::files::kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool archive = false;
  uint32_t mode = 0644;
  std::string name;
  int at = 2;
  for (; at < argc - 1; ++at) {
    const std::string_view word = argv[at];
    if (word == "--archive") {
      archive = true;
    } else if (word == "--name" && at + 2 < argc) {
      name = argv[++at];
      if (name.find('/') != std::string::npos || name == "." || name == "..") return Usage();
    } else if (word == "--mode" && at + 2 < argc) {
      const std::string_view text = argv[++at];
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
      if (error != std::errc() || end != text.data() + text.size() || mode > 07777) return Usage();
    } else {
      return Usage();
    }
  }
  if (at != argc - 1) return Usage();
  const std::string_view verb = argv[1];
  const std::string path = argv[at];
  if (path.empty()) return Usage();
  absl::Status status;
  if (verb == "read") {
    status = Read(path);
  } else if (verb == "write") {
    status = Write(path, name, archive, mode & 0777);
  } else {
    return Usage();
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", berth::base::S(status.message()).c_str());
  return ExitCodeOf(status);
}
