#include "agentd/drivers/oci_driver.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "agentd/drivers/oci_bundle.h"
#include "agentd/drivers/refusal_text.h"
#include "agentd/drivers/spec_file.h"
#include "agentd/probe/tpu_probe.h"
#include "base/small_file.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "images/command.h"
#include "shim/container.h"

namespace berth::agentd {
namespace {

// Where process 1 of a container is: in a file system that is not the image's.
constexpr char kInitPath[] = "/dev/.berth-init";
constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// Where the runtime and the kernel put their own.
constexpr std::string_view kReserved[] = {"/", "/dev", "/proc", "/sys"};

using Environment = std::map<std::string, std::string>;

void Split(const std::string& entry, std::string& name, std::string& value) {
  const size_t equals = entry.find('=');
  name = entry.substr(0, equals);
  value = equals == std::string::npos ? "" : entry.substr(equals + 1);
}

Environment ToMap(const std::vector<std::string>& entries) {
  Environment all;
  std::string name;
  std::string value;
  for (const std::string& entry : entries) {
    Split(entry, name, value);
    all[name] = value;
  }
  return all;
}

std::vector<std::string> ToEntries(const Environment& all) {
  std::vector<std::string> entries;
  for (const auto& [name, value] : all) entries.push_back(name + "=" + value);
  return entries;
}

bool IsWithin(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) &&
         (path.size() == folder.size() || folder == "/" || path[folder.size()] == '/');
}

// What crun says of itself: "2026-11-21T21:00:00Z: mount `x`: No such file or directory".
std::string LogOf(const std::string& bundle) {
  std::string text =
      base::ReadSmallFile(bundle + "/" + shim::kRuntimeLogName, 1 << 20).value_or("");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string MountTarget(const v1::Mount& mount) {
  return mount.target().empty() ? mount.source() : mount.target();
}

}  // namespace

// What has to outlast the wait for the image.
struct OciDriver::Work {
  v1::StartTask start;
  TaskIdentity identity;
  UserRecord user;
  AttemptPaths paths;
  PreparedTask prepared;
};

OciDriver::OciDriver(ProcessDriver& process, images::ImageStore& images, Options options)
    : process_(process),
      images_(images),
      options_(std::move(options)),
      cdi_(options_.cdi_folders) {}

CannotStart OciDriver::Refuse(v1::ReasonCode reason, std::string message) const {
  return {reason, "node " + Quoted(process_.node().name) + ": " + std::move(message)};
}

std::variant<TaskIdentity, CannotStart> OciDriver::Admit(const v1::StartTask& start) const {
  if (process_.node().agent_uid != 0) {
    return Refuse(v1::REASON_CODE_IMAGE_UNUSABLE,
                  "its agent runs as uid " + std::to_string(process_.node().agent_uid) +
                      ", and a task with an image takes one that runs as root: run it as root, or"
                      " submit without an image");
  }
  if (images::FindProgram(options_.runtime).empty()) {
    return Refuse(v1::REASON_CODE_IMAGE_UNUSABLE,
                  "a task with an image takes an OCI runtime, and there is no " +
                      Quoted(options_.runtime) +
                      ": install crun there, or set `ociRuntime` in its agent.yaml to where it is");
  }
  for (const v1::Mount& mount : start.payload().mounts()) {
    const std::string target = MountTarget(mount);
    for (const std::string_view reserved : kReserved) {
      if (reserved == "/" ? target == "/" : IsWithin(target, reserved)) {
        return Refuse(v1::REASON_CODE_INVALID_FIELD, "nothing can be mounted at " + Quoted(target) +
                                                         " of a task: name a folder"
                                                         " that is not in /dev, /proc or /sys");
      }
    }
  }
  return process_.Admit(start);
}

void OciDriver::Prepare(const AttemptToPrepare& attempt, PreparedAnswer answer) {
  auto prepared = process_.Prepare(attempt.start, attempt.identity, attempt.user, attempt.paths);
  if (auto* refused = std::get_if<CannotStart>(&prepared)) {
    answer(std::move(*refused));
    return;
  }
  auto work =
      std::make_shared<Work>(Work{attempt.start, attempt.identity, attempt.user, attempt.paths,
                                  std::get<PreparedTask>(std::move(prepared))});
  const v1::Payload& payload = attempt.start.payload();
  const std::string program = payload.command_size() > 0 ? payload.command(0) : "";
  images_.Get({.image = payload.image(),
               .program = program,
               .user = {attempt.identity.uid, attempt.identity.gid, attempt.user.groups}},
              [this, work, answer = std::move(answer)](const absl::StatusOr<images::Image>& image) {
                if (image.ok()) {
                  answer(Finish(*work, *image));
                } else {
                  answer(Refuse(v1::REASON_CODE_IMAGE_UNUSABLE,
                                "image " + Quoted(work->start.payload().image()) + ": " +
                                    base::S(image.status().message())));
                }
              });
}

std::variant<ContainerEdits, CannotStart> OciDriver::Devices(const v1::StartTask& start) const {
  std::map<std::string, std::vector<std::string>> by_kind;
  for (const std::string& id : start.device_ids()) {
    by_kind[process_.DeviceKind(id)].push_back(id);
  }
  ContainerEdits all;
  for (const auto& [kind, ids] : by_kind) {
    absl::StatusOr<ContainerEdits> edits = cdi_.Find(kind, ids);
    if (absl::IsNotFound(edits.status()) && kind == "tpu") {
      edits = ContainerEdits();
      for (const std::string& id : ids) {
        const std::string path = "/dev/accel" + id.substr(std::min(id.size(), kTpuPrefix.size()));
        absl::StatusOr<DeviceNode> node = DeviceNodeOf(path, path);
        if (!node.ok()) {
          edits = node.status();
          break;
        }
        edits->nodes.push_back(*std::move(node));
      }
    }
    if (absl::IsNotFound(edits.status())) {
      if (kind != "gpu" && kind != "mig") continue;  // no more than a name to its task
      std::string folders;
      for (const std::string& folder : cdi_.folders()) {
        folders += (folders.empty() ? "" : ", ") + folder;
      }
      return Refuse(v1::REASON_CODE_DEVICE_MISSING,
                    "device " + Quoted(base::V(edits.status().message())) +
                        " cannot be given to a task with an image: no CDI specification in " +
                        folders +
                        " has it; make one there, for NVIDIA's with `nvidia-ctk cdi"
                        " generate --output=/etc/cdi/nvidia.yaml`");
    }
    if (!edits.ok()) {
      return Refuse(
          v1::REASON_CODE_DEVICE_MISSING,
          "a device cannot be given to a task with an image: " + base::S(edits.status().message()));
    }
    const auto append = [](auto& to, auto& from) {
      to.insert(to.end(), std::make_move_iterator(from.begin()),
                std::make_move_iterator(from.end()));
    };
    append(all.environment, edits->environment);
    append(all.nodes, edits->nodes);
    append(all.mounts, edits->mounts);
    append(all.hooks, edits->hooks);
  }
  return all;
}

std::variant<PreparedTask, CannotStart> OciDriver::Finish(Work& work,
                                                          const images::Image& image) const {
  const v1::Payload& payload = work.start.payload();
  PreparedTask& prepared = work.prepared;
  shim::TaskSpec& spec = prepared.spec;
  const images::ImageConfig& config = image.config;

  if (spec.arguments.empty()) {
    spec.arguments = config.entrypoint;
    spec.arguments.insert(spec.arguments.end(), config.command.begin(), config.command.end());
  }
  if (spec.arguments.empty()) {
    return Refuse(v1::REASON_CODE_INVALID_FIELD,
                  "image " + Quoted(payload.image()) +
                      " does not say what to run, and neither does the task: give it a command");
  }

  std::variant<ContainerEdits, CannotStart> devices = Devices(work.start);
  if (const auto* refused = std::get_if<CannotStart>(&devices)) return *refused;
  ContainerEdits& edits = std::get<ContainerEdits>(devices);

  // The image knows its own programs; a home is only there when it is mounted.
  Environment environment = ToMap(spec.environment);
  const Environment of_image = ToMap(config.environment);
  const auto asked = [&](const char* name) { return payload.environment().contains(name); };
  for (const auto& [name, value] : of_image) {
    const bool of_node = name == "PATH" || name == "HOME" || name == "LANG";
    if (environment.count(name) == 0 || (of_node && !asked(name.c_str()))) {
      environment[name] = value;
    }
  }
  if (!asked("PATH") && of_image.count("PATH") == 0) environment["PATH"] = kDefaultPath;
  if (!asked("HOME") && of_image.count("HOME") == 0) {
    bool mounted = false;
    for (const v1::Mount& mount : payload.mounts()) {
      mounted = mounted || IsWithin(work.user.home, MountTarget(mount));
    }
    if (!mounted) environment["HOME"] = work.paths.scratch;
  }
  for (const auto& [name, value] : ToMap(edits.environment)) environment[name] = value;
  spec.environment = ToEntries(environment);

  if (payload.working_directory().empty() && config.working_directory.starts_with('/')) {
    spec.working_directory = config.working_directory;
  }
  prepared.needs_scratch = true;
  // Process 1 of the container is one more, and nothing that the task asked for.
  if (prepared.limits.max_processes > 0) ++prepared.limits.max_processes;

  shim::ContainerSpec container;
  container.runtime = images::FindProgram(options_.runtime);
  container.bundle = work.paths.bundle;
  container.image = image.root;
  container.image_as_user = image.named;

  ContainerSettings settings;
  settings.arguments = {kInitPath, shim::kInitFlag, spec.working_directory};
  settings.arguments.insert(settings.arguments.end(), spec.arguments.begin(), spec.arguments.end());
  settings.environment = spec.environment;
  settings.uid = work.identity.uid;
  settings.gid = work.identity.gid;
  settings.groups = work.user.groups;
  settings.host_name = options_.host_name;
  settings.root = container.bundle + "/" + shim::kRootFsName;
  for (const char* file : {"/etc/resolv.conf", "/etc/hosts"}) {
    if (access(file, R_OK) == 0) settings.mounts.push_back({file, file, true});
  }
  settings.mounts.push_back({work.paths.scratch, work.paths.scratch, false});
  if (prepared.needs_script) {
    settings.mounts.push_back({work.paths.script, work.paths.script, true});
  }
  for (const v1::Mount& mount : payload.mounts()) {
    const char mode = mount.read_only() ? shim::kReadOnlyMount : shim::kWritableMount;
    container.mounts.push_back(mode + mount.source());
    container.mount_targets.push_back(MountTarget(mount));
  }
  settings.mounts.push_back({options_.shim_program, kInitPath, true});
  settings.edits = std::move(edits);
  spec.container = std::move(container);

  const absl::Status written = WriteBundle(work.paths.bundle, image.root, OciConfig(settings));
  if (!written.ok()) {
    std::error_code error;
    std::filesystem::remove_all(work.paths.bundle, error);
    return Refuse(v1::REASON_CODE_DRIVER_ERROR, base::S(written.message()));
  }
  return std::move(prepared);
}

CannotStart OciDriver::Explain(const shim::StatusRecord& start, std::string_view spec_file) const {
  const SpecFile file(spec_file);
  // Of a container, or of what runs beside its task in there.
  if (file.fault() != nullptr ||
      (file.view().runtime[0] == '\0' && file.view().header->inside_init == 0)) {
    return process_.Explain(start, spec_file);
  }
  const shim::SpecView& spec = file.view();
  const std::string error = ErrorText(start.error);
  const std::string image = "image " + Quoted(spec.image);
  const std::string program = "program " + Quoted(spec.arguments[0]);
  using shim::StartStep;
  switch (start.step) {
    case StartStep::kEnterContainer:
      return start.error == ESRCH
                 ? Refuse(v1::REASON_CODE_TASK_NOT_RUNNING, "the task has just ended")
                 : Refuse(v1::REASON_CODE_DRIVER_ERROR,
                          "the task's container could not be entered: " + error);
    case StartStep::kNamespace:
      return Refuse(v1::REASON_CODE_ISOLATION_FAILED,
                    "the task could not get a mount namespace of its own: " + error);
    case StartStep::kImage:
      return Refuse(v1::REASON_CODE_IMAGE_UNUSABLE,
                    image + (start.error == EACCES ? " may not be read by this user"
                                                   : " could not be opened: " + error));
    case StartStep::kRootFs:
      return Refuse(v1::REASON_CODE_IMAGE_UNUSABLE,
                    "a layer of the task's own could not be laid over " + image + ": " + error +
                        "; the agent's stateDir must be on a file system that overlayfs can write"
                        " to (ext4, xfs, ...), and the image must not be there beneath it");
    case StartStep::kMount: {
      const std::string source =
          start.item < spec.header->mount_count ? spec.mounts[start.item] + 1 : "";
      return Refuse(v1::REASON_CODE_INVALID_FIELD,
                    "mount " + Quoted(source) +
                        (start.error == ENOENT   ? " does not exist there"
                         : start.error == EACCES ? " may not be read by this user"
                                                 : " could not be mounted: " + error));
    }
    case StartStep::kMountTarget: {
      const bool known = start.item < spec.header->mount_count;
      return Refuse(
          v1::REASON_CODE_INVALID_FIELD,
          "mount " + Quoted(known ? spec.mounts[start.item] + 1 : "") + " cannot be made at " +
              Quoted(known ? spec.mount_targets[start.item] : "") + " of " + image + ": " +
              (start.error == EXDEV
                   ? "nothing is made in what is mounted there already; let the place be there"
                   : error));
    }
    case StartStep::kRuntime: {
      std::string why = LogOf(spec.bundle);
      // What the runtime refuses, or dies of, is the image, the mounts or the limits as a rule, and
      // only where it is not there, or does not come to an end, the node.
      v1::ReasonCode reason = v1::REASON_CODE_IMAGE_UNUSABLE;
      if (start.item == shim::kNotExecutable) {
        reason = v1::REASON_CODE_DRIVER_ERROR;
        why = std::string(spec.runtime) + " could not be executed: " + error;
      } else if (start.item == shim::kRuntimeTooLate) {
        reason = v1::REASON_CODE_DRIVER_ERROR;
        why = "it did not come about in time";
      } else if (WIFSIGNALED(start.error)) {
        why = "the runtime was killed by signal " + std::to_string(WTERMSIG(start.error));
      } else if (why.empty() && start.error == 0) {
        why = "its process 1 ended before the task was started";
      } else if (why.empty()) {
        why = "the runtime exited with " + std::to_string(WEXITSTATUS(start.error));
      }
      return Refuse(reason, "the container of " + image + " could not be made: " + Shortened(why));
    }
    case StartStep::kWorkingDirectory:
      return Refuse(v1::REASON_CODE_WORKING_DIRECTORY_MISSING,
                    "working directory " + Quoted(spec.working_directory) +
                        (start.error == ENOENT
                             ? " does not exist in the image: name one that does, or mount it"
                             : " cannot be entered: " + error));
    case StartStep::kExecute:
      if (start.error == ENOENT && start.item == 1) {
        return Refuse(v1::REASON_CODE_PROGRAM_NOT_EXECUTABLE,
                      program +
                          " is there, but the interpreter that its #! line names, or the"
                          " dynamic linker that it needs, is not in the image");
      }
      if (start.error == ENOENT) {
        return Refuse(v1::REASON_CODE_PROGRAM_NOT_FOUND, program + " does not exist in the image");
      }
      return process_.Explain(start, spec_file);
    default:
      return process_.Explain(start, spec_file);
  }
}

}  // namespace berth::agentd
