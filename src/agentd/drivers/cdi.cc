#include "agentd/drivers/cdi.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "base/logging.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "yaml/parse.h"
#include "yaml/value.h"

namespace berth::agentd {
namespace {

using yaml::Value;

constexpr size_t kMostSpecBytes = 4 << 20;

const Value& MemberOf(const Value& map, std::string_view key) {
  static const Value kNothing;
  const Value* member = map.is_map() ? map.Find(key) : nullptr;
  return member == nullptr ? kNothing : *member;
}

const Value::List& ListOf(const Value& map, std::string_view key) {
  static const Value::List kNone;
  const Value& member = MemberOf(map, key);
  return member.is_list() ? member.list() : kNone;
}

std::string TextOf(const Value& value) {
  return value.is_string() ? value.as_string() : value.is_scalar() ? value.text() : "";
}
std::string TextOf(const Value& map, std::string_view key) { return TextOf(MemberOf(map, key)); }

std::vector<std::string> TextsOf(const Value& map, std::string_view key) {
  std::vector<std::string> texts;
  for (const Value& each : ListOf(map, key)) texts.push_back(TextOf(each));
  return texts;
}

template <typename Number>
void ReadNumber(const Value& map, std::string_view key, Number& number) {
  const Value& member = MemberOf(map, key);
  if (member.is_int()) number = static_cast<Number>(member.as_int());
}

absl::Status AddNode(const Value& node, ContainerEdits& edits) {
  const std::string path = TextOf(node, "path");
  const std::string host_path = TextOf(node, "hostPath");
  BERTH_ASSIGN_OR_RETURN(DeviceNode made, DeviceNodeOf(host_path.empty() ? path : host_path, path));
  const std::string type = TextOf(node, "type");
  if (type == "b" || type == "c") made.type = type[0];
  ReadNumber(node, "major", made.major);
  ReadNumber(node, "minor", made.minor);
  ReadNumber(node, "fileMode", made.mode);
  ReadNumber(node, "uid", made.uid);
  ReadNumber(node, "gid", made.gid);
  edits.nodes.push_back(std::move(made));
  return absl::OkStatus();
}

absl::Status AddEdits(const Value& from, ContainerEdits& edits) {
  for (std::string& text : TextsOf(from, "env")) edits.environment.push_back(std::move(text));
  for (const Value& node : ListOf(from, "deviceNodes")) {
    BERTH_RETURN_IF_ERROR(AddNode(node, edits));
  }
  for (const Value& mount : ListOf(from, "mounts")) {
    edits.mounts.push_back(
        {TextOf(mount, "hostPath"), TextOf(mount, "containerPath"), TextsOf(mount, "options")});
  }
  for (const Value& hook : ListOf(from, "hooks")) {
    ContainerEdits::Hook made{.name = TextOf(hook, "hookName"),
                              .path = TextOf(hook, "path"),
                              .arguments = TextsOf(hook, "args"),
                              .environment = TextsOf(hook, "env")};
    const Value& timeout = MemberOf(hook, "timeout");
    if (timeout.is_int()) made.timeout_s = timeout.as_int();
    edits.hooks.push_back(std::move(made));
  }
  return absl::OkStatus();
}

struct Specification {
  std::string file;
  Value document;
};

std::vector<Specification> Read(const std::vector<std::string>& folders) {
  std::vector<Specification> all;
  for (const std::string& folder : folders) {
    std::vector<std::string> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".json" || extension == ".yaml") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) {
      const absl::StatusOr<std::string> text = base::ReadSmallFile(file, kMostSpecBytes);
      absl::StatusOr<Value> document =
          text.ok() ? yaml::ParseYaml(*text, file, kMostSpecBytes) : text.status();
      if (document.ok()) {
        all.push_back({file, *std::move(document)});
      } else {
        BERTH_LOG_WARN("a CDI specification is left out: {}", document.status().ToString());
      }
    }
  }
  return all;
}

// "nvidia.com/gpu" is of GPUs, and of slices of one.
bool IsOfKind(const Value& document, std::string_view kind) {
  const std::string full = TextOf(document, "kind");
  const std::string_view device_class = std::string_view(full).substr(full.find('/') + 1);
  return device_class == kind || (kind == "mig" && device_class == "gpu");
}

}  // namespace

absl::StatusOr<DeviceNode> DeviceNodeOf(const std::string& node_path, const std::string& path) {
  struct stat info = {};
  if (stat(node_path.c_str(), &info) != 0) {
    return absl::FailedPreconditionError(base::A("the device file " + node_path + " is not there"));
  }
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) {
    return absl::FailedPreconditionError(base::A(node_path + " is no device file"));
  }
  return DeviceNode{.path = path,
                    .type = S_ISBLK(info.st_mode) ? 'b' : 'c',
                    .major = major(info.st_rdev),
                    .minor = minor(info.st_rdev),
                    .mode = info.st_mode & 0777,
                    .uid = info.st_uid,
                    .gid = info.st_gid};
}

absl::StatusOr<ContainerEdits> CdiRegistry::Find(std::string_view kind,
                                                 const std::vector<std::string>& ids) const {
  const std::vector<Specification> all = Read(folders_);
  ContainerEdits edits;
  std::set<const Specification*> used;
  for (const std::string& id : ids) {
    const Specification* found = nullptr;
    const Value* found_device = nullptr;
    for (const Specification& each : all) {
      if (!IsOfKind(each.document, kind)) continue;
      for (const Value& device : ListOf(each.document, "devices")) {
        if (TextOf(device, "name") != id) continue;
        found = &each;
        found_device = &device;
      }
    }
    if (found == nullptr) return absl::NotFoundError(base::A(id));
    // What all devices of one specification share: once.
    if (used.insert(found).second) {
      BERTH_RETURN_IF_ERROR(AddEdits(MemberOf(found->document, "containerEdits"), edits));
    }
    BERTH_RETURN_IF_ERROR(AddEdits(MemberOf(*found_device, "containerEdits"), edits));
  }
  return edits;
}

}  // namespace berth::agentd
