#include "plugin_dir/shared_object.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <vector>

#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace berth::plugin_dir {
namespace {

// More than names of sections or a fingerprint ever take.
constexpr uint64_t kMostBytes = 1 << 20;

class ElfFile {
 public:
  // `fd` is open, and `size` bytes long.
  ElfFile(int fd, uint64_t size) : fd_(fd), size_(size) {}

  absl::Status ReadTables() {
    Elf64_Ehdr header = {};
    if (!Read(0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_type != ET_DYN) {
      return absl::InvalidArgumentError(
          "is not a shared library; build one, or take it out of the directory");
    }
    // Of another machine: libc says so. Without a table of sections nothing can be looked up.
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr)) {
      return absl::OkStatus();
    }
    sections_.resize(header.e_shnum);
    // The table stands at the end, behind all that is loaded.
    const uint64_t bytes = sections_.size() * sizeof(Elf64_Shdr);
    if (!Read(header.e_shoff, sections_.data(), bytes)) {
      return absl::InvalidArgumentError("is cut short: it has " + std::to_string(size_) +
                                        " bytes of " + std::to_string(header.e_shoff + bytes) +
                                        "; copy it again");
    }
    if (header.e_shstrndx < sections_.size()) names_ = Bytes(sections_[header.e_shstrndx]);
    return absl::OkStatus();
  }

  std::optional<std::string> Section(std::string_view name) const {
    for (const Elf64_Shdr& section : sections_) {
      if (section.sh_name < names_.size() && name == names_.c_str() + section.sh_name) {
        return Bytes(section);
      }
    }
    return std::nullopt;
  }

 private:
  bool Read(uint64_t offset, void* target, uint64_t bytes) const {
    return offset <= size_ && bytes <= size_ - offset &&
           pread(fd_, target, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
  }

  // Empty when it has none in the file, or too many.
  std::string Bytes(const Elf64_Shdr& section) const {
    if (section.sh_type == SHT_NOBITS || section.sh_size > kMostBytes) return "";
    std::string bytes(section.sh_size, '\0');
    return Read(section.sh_offset, bytes.data(), bytes.size()) ? bytes : "";
  }

  const int fd_;
  const uint64_t size_;
  std::vector<Elf64_Shdr> sections_;
  std::string names_;  // each ended by a 0
};

}  // namespace

absl::StatusOr<std::optional<std::string>> ReadSection(const std::string& path,
                                                       std::string_view section) {
  // Not blocking: it may be a pipe.
  const base::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status = {};
  if (!file.valid() || fstat(file.get(), &status) != 0) {
    return absl::InvalidArgumentError(
        "cannot be read: " + std::generic_category().message(errno) +
        "; make it readable for berthd's user, or take it out of the directory");
  }
  ElfFile elf(file.get(), S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0);
  BERTH_RETURN_IF_ERROR(elf.ReadTables());
  return elf.Section(section);
}

}  // namespace berth::plugin_dir
