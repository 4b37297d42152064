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
  Source(const LayerBlob& blob, const GoOn& asked)
      : layer(blob), go_on(asked), left(blob.size), buffer(kReadBytes) {}

  const LayerBlob& layer;
  const GoOn& go_on;
  base::Sha256 sum;
  int64_t left;
  std::vector<char> buffer;
  absl::Status ended;  // not OK: `go_on` has said so
};

// Into its buffer. Returns as read(2) does; less than 0 also when it is not to go on.
ssize_t ReadSome(Source& source) {
  source.ended = source.go_on();
  if (!source.ended.ok()) {
    errno = ECANCELED;
    return -1;
  }
  const auto most = static_cast<size_t>(
      std::min<int64_t>(source.left, static_cast<int64_t>(source.buffer.size())));
  ssize_t got;
  do {
    got = read(source.layer.file.get(), source.buffer.data(), most);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return got;
  source.sum.Add({source.buffer.data(), static_cast<size_t>(got)});
  source.left -= got;
  return got;
}

la_ssize_t ReadSource(archive* reader, void* data, const void** bytes) {
  auto& source = *static_cast<Source*>(data);
  const ssize_t got = ReadSome(source);
  if (got < 0) archive_set_error(reader, errno, "it cannot be read");
  *bytes = source.buffer.data();
  return got;
}

// To the end of the file, of which an archive may leave a part unread.
absl::Status Verify(Source& source) {
  while (source.left > 0 && ReadSome(source) > 0) {
  }
  BERTH_RETURN_IF_ERROR(source.ended);
  if (source.left == 0 && "sha256:" + source.sum.Digest().Hex() == source.layer.digest) {
    return absl::OkStatus();
  }
  return absl::DataLossError(base::A("its layer " + source.layer.digest +
                                     " is not what its digest says: the layout is damaged; make it"
                                     " again"));
}

struct FreeArchive {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Archive = std::unique_ptr<archive, FreeArchive>;

// Why the archive cannot be read on. That it is not what its digest says comes first: then nobody
// need look at what it says.
absl::Status Failure(archive* reader, Source& source) {
  BERTH_RETURN_IF_ERROR(source.ended);
  const char* error = archive_error_string(reader);
  const std::string why = error == nullptr ? "it is damaged" : error;
  BERTH_RETURN_IF_ERROR(Verify(source));
  return absl::DataLossError(
      base::A("its layer " + source.layer.digest + " cannot be unpacked: " + why));
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

absl::Status WriteContent(archive* reader, Source& source, int fd, UnpackBudget& budget) {
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
    if (result != ARCHIVE_OK) return Failure(reader, source);
    BERTH_RETURN_IF_ERROR(budget.Spend(static_cast<int64_t>(size)));
    BERTH_RETURN_IF_ERROR(WriteAll(fd, static_cast<const char*>(data), size, offset));
  }
}

// What an entry has that nobody writes. libarchive would pass over it by itself, and ask nobody,
// though a few bytes may stand for more than can be read in a day.
absl::Status PassOver(archive* reader, Source& source, UnpackBudget& budget) {
  for (;;) {
    const void* data = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(reader, &data, &size, &offset);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result != ARCHIVE_OK) return Failure(reader, source);
    BERTH_RETURN_IF_ERROR(budget.Spend(static_cast<int64_t>(size)));
  }
}

std::string Text(const char* utf8, const char* bytes) {
  return utf8 != nullptr ? utf8 : bytes != nullptr ? bytes : "";
}

absl::Status WriteEntry(archive* reader, archive_entry* entry, Source& source, RootWriter& root,
                        UnpackBudget& budget) {
  const std::string path = Text(archive_entry_pathname_utf8(entry), archive_entry_pathname(entry));
  if (path.empty()) return absl::InvalidArgumentError("it has an entry without a name");
  if (RootWriter::IsWhiteout(path)) {
    if (archive_entry_size(entry) > 0) {
      return absl::InvalidArgumentError(
          base::A("it has a whiteout \"" + path + "\" with content, and one has none"));
    }
    return root.ApplyWhiteout(path);
  }
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
      BERTH_RETURN_IF_ERROR(WriteContent(reader, source, file.get(), budget));
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

}  // namespace

absl::Status TakesUpTooMuch(int64_t most_bytes) {
  return absl::ResourceExhaustedError(
      base::A("it takes up more than " + std::to_string(most_bytes) +
              " bytes, which is all that the node keeps for images: raise `imageStore` in its"
              " agent.yaml"));
}

absl::Status UnpackBudget::Spend(int64_t bytes) {
  spent_bytes_ += bytes;
  since_look_ += bytes;
  if (spent_bytes_ > most_bytes_) return TakesUpTooMuch(most_bytes_);
  if (since_look_ < kLookEveryBytes) return absl::OkStatus();
  since_look_ = 0;
  BERTH_RETURN_IF_ERROR(go_on_());
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
  Source source(layer, budget.go_on());
  if (archive_read_open(reader.get(), &source, nullptr, ReadSource, nullptr) != ARCHIVE_OK) {
    return Failure(reader.get(), source);
  }
  root.BeginLayer();
  for (;;) {
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) break;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return Failure(reader.get(), source);
    BERTH_RETURN_IF_ERROR(budget.Spend(kEntryBytes));
    BERTH_RETURN_IF_ERROR(WriteEntry(reader.get(), entry, source, root, budget));
    BERTH_RETURN_IF_ERROR(PassOver(reader.get(), source, budget));
  }
  return Verify(source);
}

absl::Status VerifyLayer(const LayerBlob& layer, const GoOn& go_on) {
  Source source(layer, go_on);
  return Verify(source);
}

}  // namespace berth::images
