#include "images/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace berth::images {
namespace {

constexpr int64_t kLookEveryBytes = 4 << 20;
constexpr int64_t kEntryBytes = kLookEveryBytes / 256;  // what an entry costs, at least
constexpr fsfilcnt_t kKeepFreeInodes = 1000;
constexpr size_t kReadBytes = 256 << 10;

// Names in an archive are UTF-8 or any bytes; libarchive wants to know of them by locale. Of this
// thread alone.
class Utf8Locale {
 public:
  Utf8Locale()
      : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)),
        before_(locale_ == nullptr ? nullptr : uselocale(locale_)) {}
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    uselocale(before_);
    freelocale(locale_);
  }

 private:
  const locale_t locale_;
  const locale_t before_;
};

// The file's bytes, summed up on their way: what is unpacked is what was verified.
struct Source {
  int fd = -1;
  base::Sha256 sum;
  int64_t left = 0;
  std::vector<char> buffer = std::vector<char>(kReadBytes);
};

la_ssize_t ReadSource(archive* reader, void* data, const void** bytes) {
  auto& source = *static_cast<Source*>(data);
  const auto most = static_cast<size_t>(
      std::min<int64_t>(source.left, static_cast<int64_t>(source.buffer.size())));
  ssize_t got;
  do {
    got = read(source.fd, source.buffer.data(), most);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    archive_set_error(reader, errno, "it cannot be read");
    return -1;
  }
  source.sum.Add({source.buffer.data(), static_cast<size_t>(got)});
  source.left -= got;
  *bytes = source.buffer.data();
  return got;
}

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, FreeArchive>;

absl::Status Damaged(archive* reader, const LayerBlob& layer) {
  const char* why = archive_error_string(reader);
  return absl::DataLossError(base::A("its layer " + layer.digest + " cannot be unpacked: " +
                                     (why == nullptr ? "it is damaged" : why)));
}

absl::Status WriteAll(int fd, const char* data, size_t size, int64_t offset) {
  while (size > 0) {
    const ssize_t written = pwrite(fd, data, size, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "cannot write a file of the image");
    data += written;
    size -= static_cast<size_t>(written);
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status WriteContent(archive* reader, const LayerBlob& layer, int fd, UnpackBudget& budget) {
  for (;;) {
    const void* data = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader, &data, &size, &offset);
    if (result == ARCHIVE_EOF) {
      // What a sparse file ends with.
      struct stat info = {};
      if (fstat(fd, &info) == 0 && offset > info.st_size && ftruncate(fd, offset) != 0) {
        return absl::ErrnoToStatus(errno, "cannot write a file of the image");
      }
      return absl::OkStatus();
    }
    if (result != ARCHIVE_OK) return Damaged(reader, layer);
    BERTH_RETURN_IF_ERROR(budget.Spend(static_cast<int64_t>(size)));
    BERTH_RETURN_IF_ERROR(WriteAll(fd, static_cast<const char*>(data), size, offset));
  }
}

std::string Text(const char* utf8, const char* bytes) {
  return utf8 != nullptr ? utf8 : bytes != nullptr ? bytes : "";
}

absl::Status WriteEntry(archive* reader, archive_entry* entry, const LayerBlob& layer,
                        RootWriter& root, UnpackBudget& budget) {
  const std::string path = Text(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
  if (path.empty()) return absl::InvalidArgumentError("it has an entry without a name");
  if (RootWriter::IsWhiteout(path)) return root.ApplyWhiteout(path);
  const RootWriter::Attributes attributes = {
      .mode = static_cast<mode_t>(archive_entry_perm(entry)),
      .uid = static_cast<uint32_t>(archive_entry_uid(entry)),
      .gid = static_cast<uint32_t>(archive_entry_gid(entry)),
      .mtime_s = archive_entry_mtime(entry),
  };
  const std::string link = Text(archive_entry_hardlink_utf8(entry), archive_entry_hardlink(entry));
  if (!link.empty()) return root.MakeHardLink(path, link);
  switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
      return root.MakeDirectory(path, attributes);
    case AE_IFLNK:
      return root.MakeSymlink(
          path, Text(archive_entry_symlink_utf8(entry), archive_entry_symlink(entry)), attributes);
    case AE_IFREG: {
      BERTH_ASSIGN_OR_RETURN(const base::UniqueFd file, root.MakeFile(path, attributes));
      BERTH_RETURN_IF_ERROR(WriteContent(reader, layer, file.get(), budget));
      const timespec time = {attributes.mtime_s, 0};
      const timespec times[] = {time, time};
      futimens(file.get(), times);
      return absl::OkStatus();
    }
    case AE_IFIFO:
      return root.MakeFifo(path, attributes);
    default:
      return absl::OkStatus();  // a device, which a task gets from the node, or a socket
  }
}

// To the end of the file, of which an archive may leave a part unread.
absl::Status Verify(Source& source, const LayerBlob& layer) {
  while (source.left > 0) {
    const auto most = static_cast<size_t>(
        std::min<int64_t>(source.left, static_cast<int64_t>(source.buffer.size())));
    const ssize_t got = read(source.fd, source.buffer.data(), most);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    source.sum.Add({source.buffer.data(), static_cast<size_t>(got)});
    source.left -= got;
  }
  if (source.left == 0 && "sha256:" + source.sum.Hex() == layer.digest) return absl::OkStatus();
  return absl::DataLossError(base::A("its layer " + layer.digest +
                                     " is not what its digest says: the layout is damaged; make it"
                                     " again"));
}

}  // namespace

absl::Status UnpackBudget::Spend(int64_t bytes) {
  spent_bytes_ += bytes;
  since_look_ += bytes;
  if (spent_bytes_ > most_bytes_) {
    return absl::ResourceExhaustedError(
        base::A("it takes up more than " + std::to_string(most_bytes_) +
                " bytes, which is all that the node keeps for images: raise `imageStore` in its"
                " agent.yaml"));
  }
  if (since_look_ < kLookEveryBytes) return absl::OkStatus();
  since_look_ = 0;
  if (stopped_()) return absl::CancelledError("the agent is stopping");
  struct statvfs info = {};
  if (fstatvfs(directory_, &info) != 0) return absl::OkStatus();
  const auto free_bytes = static_cast<int64_t>(info.f_bavail * info.f_frsize);
  const bool few_inodes = info.f_files > 0 && info.f_favail < kKeepFreeInodes;
  if (free_bytes < keep_free_bytes_ || few_inodes) {
    return absl::ResourceExhaustedError(
        "the disk of the node's stateDir is too full to unpack it: make room there");
  }
  return absl::OkStatus();
}

absl::Status UnpackLayer(const LayerBlob& layer, RootWriter& root, UnpackBudget& budget) {
  const Utf8Locale locale;
  const Archive reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_zstd(reader.get());
  Source source;
  source.fd = layer.file.get();
  source.left = layer.size;
  if (archive_read_open(reader.get(), &source, nullptr, ReadSource, nullptr) != ARCHIVE_OK) {
    const absl::Status whole = Verify(source, layer);
    return whole.ok() ? Damaged(reader.get(), layer) : whole;
  }
  root.BeginLayer();
  for (;;) {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
      const absl::Status whole = Verify(source, layer);
      return whole.ok() ? Damaged(reader.get(), layer) : whole;
    }
    BERTH_RETURN_IF_ERROR(budget.Spend(kEntryBytes));
    BERTH_RETURN_IF_ERROR(WriteEntry(reader.get(), entry, layer, root, budget));
  }
  return Verify(source, layer);
}

}  // namespace berth::images
