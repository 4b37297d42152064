#include "shim/spec_view.h"

#include <cstring>

namespace berth::shim {
namespace {

// Walks the strings behind the header; stays failed after the first that does not fit.
class StringReader {
 public:
  StringReader(const char* data, size_t size, size_t at) : data_(data), size_(size), at_(at) {}

  const char* Next() {
    uint32_t length = 0;
    if (failed_ || size_ - at_ < sizeof(length)) return Fail();
    std::memcpy(&length, data_ + at_, sizeof(length));
    at_ += sizeof(length);
    if (length >= size_ - at_ || data_[at_ + length] != '\0') return Fail();
    // A NUL inside would cut the string short of what was meant.
    if (std::memchr(data_ + at_, '\0', length) != nullptr) return Fail();
    const char* text = data_ + at_;
    at_ += length + 1;
    return text;
  }

  bool failed() const { return failed_; }
  bool at_end() const { return at_ == size_; }

 private:
  const char* Fail() {
    failed_ = true;
    return "";
  }

  const char* data_;
  size_t size_;
  size_t at_;
  bool failed_ = false;
};

}  // namespace

size_t PointersNeeded(const char* data, size_t size) {
  if (size < sizeof(SpecHeader)) return 0;
  const auto* header = reinterpret_cast<const SpecHeader*>(data);
  return size_t{header->argument_count} + header->environment_count + 2;
}

const char* ParseSpec(const char* data, size_t size, char** pointers, SpecView& view) {
  if (size < sizeof(SpecHeader)) return "shorter than its header";
  const auto* header = reinterpret_cast<const SpecHeader*>(data);
  if (header->magic != kSpecMagic) return "not a spec file";
  if (header->version != kSpecVersion) return "of a version that this shim does not know";
  if (header->header_size != sizeof(SpecHeader)) return "its header has another layout";
  if (header->size != size) return "not as long as it says";
  SpecHeader unsummed = *header;
  unsummed.checksum = 0;
  uint64_t sum = Checksum(&unsummed, sizeof(unsummed));
  sum = Checksum(data + sizeof(SpecHeader), size - sizeof(SpecHeader), sum);
  if (sum != header->checksum) return "its checksum does not hold";
  if (header->argument_count == 0) return "it has no command";
  if (header->cgroup_count > kMaxCgroups) return "it names too many cgroups";
  if (header->mount_count > kMaxMounts) return "it names too many mounts";
  if (header->group_count > kMaxGroups) return "it names too many groups";

  size_t at = sizeof(SpecHeader);
  const size_t groups_bytes = header->group_count * sizeof(uint32_t);
  if (size - at < groups_bytes) return "its groups are cut off";
  view.header = header;
  view.groups = reinterpret_cast<const uint32_t*>(data + at);
  StringReader strings(data, size, at + groups_bytes);
  view.working_directory = strings.Next();
  view.input_path = strings.Next();
  view.output_path = strings.Next();
  view.error_path = strings.Next();
  view.kill_directory = strings.Next();
  view.memory_directory = strings.Next();
  view.lease_path = strings.Next();
  view.network_namespace = strings.Next();
  view.runtime = strings.Next();
  view.bundle = strings.Next();
  view.image = strings.Next();
  for (uint32_t i = 0; i < header->cgroup_count; ++i) view.cgroup_procs[i] = strings.Next();
  for (uint32_t i = 0; i < header->mount_count; ++i) view.mounts[i] = strings.Next();
  for (uint32_t i = 0; i < header->mount_count; ++i) view.mount_targets[i] = strings.Next();
  char** next = pointers;
  view.arguments = next;
  for (uint32_t i = 0; i < header->argument_count && !strings.failed(); ++i) {
    *next++ = const_cast<char*>(strings.Next());
  }
  *next++ = nullptr;
  view.environment = next;
  for (uint32_t i = 0; i < header->environment_count && !strings.failed(); ++i) {
    *next++ = const_cast<char*>(strings.Next());
  }
  *next = nullptr;
  if (strings.failed()) return "a string is cut off or has a NUL inside";
  if (!strings.at_end()) return "it has bytes after its end";
  return nullptr;
}

}  // namespace berth::shim
