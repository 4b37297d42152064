#include "files/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "base/strings.h"

namespace berth::files {
namespace {

constexpr mode_t kPermissions = 0777;
constexpr std::size_t kBlockBytes = 64 << 10;

struct ReadCloser {
  void operator()(archive* a) const { archive_read_free(a); }
};
struct WriteCloser {
  void operator()(archive* a) const { archive_write_free(a); }
};
struct EntryCloser {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};
using Reader = std::unique_ptr<archive, ReadCloser>;
using Writer = std::unique_ptr<archive, WriteCloser>;
using Entry = std::unique_ptr<archive_entry, EntryCloser>;

absl::Status Because(const std::string& what, archive* a) {
  const char* text = archive_error_string(a);
  const int error = archive_errno(a);
  const std::string message = what + ": " + (text != nullptr ? text : "unknown error");
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  if (error == ENOENT) return absl::NotFoundError(message);
  return absl::UnknownError(message);
}

absl::Status Enter(const std::string& folder) {
  if (chdir(folder.c_str()) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, base::A(folder));
}

// Whether it is put into an archive or taken out of one.
bool IsCarried(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return true;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
    case AE_IFDIR:
    case AE_IFLNK:
    case AE_IFIFO:
      return true;
    default:
      return false;
  }
}

// Copies the content of the entry that was read last.
absl::Status CopyContent(archive* from, archive* to, const std::string& path) {
  const void* block = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  la_int64_t next = 0;
  static const char kZeros[kBlockBytes] = {};
  for (;;) {
    const int result = archive_read_data_block(from, &block, &size, &offset);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result < ARCHIVE_WARN) return Because(path, from);
    for (; next < offset;) {  // a hole
      const auto most = static_cast<la_int64_t>(sizeof(kZeros));
      const la_int64_t left = offset - next < most ? offset - next : most;
      if (archive_write_data(to, kZeros, static_cast<std::size_t>(left)) < 0) {
        return Because(path, to);
      }
      next += left;
    }
    if (size > 0 && archive_write_data(to, block, size) < 0) return Because(path, to);
    next += static_cast<la_int64_t>(size);
  }
}

absl::Status CopyToDisk(archive* from, archive* to, const std::string& path) {
  const void* block = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  for (;;) {
    const int result = archive_read_data_block(from, &block, &size, &offset);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result < ARCHIVE_WARN) return Because(path, from);
    if (archive_write_data_block(to, block, size, offset) < ARCHIVE_WARN) return Because(path, to);
  }
}

}  // namespace

absl::Status PackFolder(const std::string& folder, int fd) {
  if (absl::Status entered = Enter(folder); !entered.ok()) return entered;
  const Writer out(archive_write_new());
  archive_write_set_format_pax_restricted(out.get());
  archive_write_set_bytes_per_block(out.get(), kBlockBytes);
  if (archive_write_open_fd(out.get(), fd) != ARCHIVE_OK) return Because(folder, out.get());
  const Reader disk(archive_read_disk_new());
  archive_read_disk_set_symlink_physical(disk.get());
  archive_read_disk_set_behavior(
      disk.get(), ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL | ARCHIVE_READDISK_NO_FFLAGS);
  if (archive_read_disk_open(disk.get(), ".") != ARCHIVE_OK) return Because(folder, disk.get());
  const Entry entry(archive_entry_new());
  for (;;) {
    archive_entry_clear(entry.get());
    const int read = archive_read_next_header2(disk.get(), entry.get());
    if (read == ARCHIVE_EOF) break;
    const char* name = archive_entry_pathname(entry.get());
    const std::string path = name != nullptr ? name : folder;
    // A folder whose content may not be listed would be left out silently.
    if (read < ARCHIVE_OK) {
      // Gone since its folder was listed: the task goes on meanwhile.
      if (archive_errno(disk.get()) == ENOENT && read > ARCHIVE_FATAL) continue;
      return Because(path, disk.get());
    }
    archive_read_disk_descend(disk.get());
    if (!IsCarried(entry.get())) continue;
    if (archive_write_header(out.get(), entry.get()) < ARCHIVE_WARN) {
      return Because(path, out.get());
    }
    if (archive_entry_size(entry.get()) == 0) continue;
    if (absl::Status copied = CopyContent(disk.get(), out.get(), path); !copied.ok()) return copied;
  }
  if (archive_write_close(out.get()) != ARCHIVE_OK) return Because(folder, out.get());
  return absl::OkStatus();
}

absl::StatusOr<int64_t> UnpackFolder(int fd, const std::string& folder) {
  if (mkdir(folder.c_str(), kPermissions) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, base::A(folder));
  }
  if (absl::Status entered = Enter(folder); !entered.ok()) return entered;
  const Reader in(archive_read_new());
  archive_read_support_format_tar(in.get());
  archive_read_support_format_empty(in.get());
  if (archive_read_open_fd(in.get(), fd, kBlockBytes) != ARCHIVE_OK) {
    return Because(folder, in.get());
  }
  const Writer disk(archive_write_disk_new());
  archive_write_disk_set_options(
      disk.get(), ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                      ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
  for (;;) {
    archive_entry* entry = nullptr;
    const int read = archive_read_next_header(in.get(), &entry);
    if (read == ARCHIVE_EOF) break;
    if (read < ARCHIVE_WARN) return Because("the archive", in.get());
    const char* name = archive_entry_pathname(entry);
    const std::string path = name != nullptr ? name : "";
    // The folder itself is there, and stays as it is.
    if (!IsCarried(entry) || path == "." || path == "./") continue;
    archive_entry_set_perm(entry, archive_entry_perm(entry) & kPermissions);
    if (archive_write_header(disk.get(), entry) < ARCHIVE_WARN) return Because(path, disk.get());
    if (archive_entry_size(entry) > 0) {
      if (absl::Status copied = CopyToDisk(in.get(), disk.get(), path); !copied.ok()) return copied;
    }
    if (archive_write_finish_entry(disk.get()) < ARCHIVE_WARN) return Because(path, disk.get());
  }
  if (archive_write_close(disk.get()) != ARCHIVE_OK) return Because(folder, disk.get());
  return archive_filter_bytes(in.get(), -1);
}

}  // namespace berth::files
