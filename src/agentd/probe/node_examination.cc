#include "agentd/probe/node_examination.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "agentd/probe/usage_probe.h"
#include "base/quantities.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "images/command.h"
#include "shim/shim_process.h"
#include "shim/shim_protocol.h"

namespace berth::agentd {
namespace {

constexpr int kShimDeadlineMs = 5000;
constexpr uint64_t kLittleRoom = uint64_t{1} << 30;
constexpr uint64_t kNoRoom = uint64_t{128} << 20;
constexpr uint64_t kLongJournal = uint64_t{256} << 20;
// Share of ten seconds in which everything waited, in thousandths.
constexpr int kOddPressure = 100;
constexpr int kBadPressure = 400;

std::string Words(uint64_t bytes) {
  return base::FormatBytes(static_cast<int64_t>(bytes), base::Rounding::kDown);
}

class Findings {
 public:
  void Add(v1::FindingLevel level, std::string_view subject, std::string text) {
    v1::Finding& finding = *diagnosis_.add_findings();
    finding.set_level(level);
    finding.set_subject(std::string(subject));
    finding.set_text(std::move(text));
  }
  v1::Diagnosis Take() { return std::move(diagnosis_); }

 private:
  v1::Diagnosis diagnosis_;
};

void ExamineCgroups(const NodeExamination& node, Findings& findings) {
  if (node.isolation == "none") return;  // berthd says that
  if (node.cgroup_made.ok()) {
    findings.Add(v1::FINDING_LEVEL_GOOD, "cgroups", "they can be made (" + node.isolation + ")");
  } else {
    findings.Add(v1::FINDING_LEVEL_BAD, "cgroups",
                 "no task can be started: " + base::S(node.cgroup_made.message()) +
                     "; look at how cgroups are mounted, and for Delegate=yes in the agent's unit");
  }
}

void ExamineDisk(const NodeExamination& node, Findings& findings) {
  struct statvfs disk = {};
  if (statvfs(node.state_dir.c_str(), &disk) != 0) {
    findings.Add(v1::FINDING_LEVEL_BAD, "disk",
                 node.state_dir + " cannot be looked at: " + strerror(errno));
    return;
  }
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  // Some file systems do not count theirs.
  const bool few_inodes = disk.f_files > 0 && disk.f_favail < 10'000;
  const std::string text = Words(free) + " and " +
                           (disk.f_files > 0 ? std::to_string(disk.f_favail) : "any number of") +
                           " files are left below " + node.state_dir;
  const v1::FindingLevel level = free < kNoRoom || (disk.f_files > 0 && disk.f_favail < 100)
                                     ? v1::FINDING_LEVEL_BAD
                                 : free < kLittleRoom || few_inodes ? v1::FINDING_LEVEL_ODD
                                                                    : v1::FINDING_LEVEL_GOOD;
  findings.Add(level, "disk",
               level == v1::FINDING_LEVEL_GOOD
                   ? text
                   : text + ", where output, scratch directories and the journal are: make room");
}

void ExamineJournal(const NodeExamination& node, Findings& findings) {
  const std::string text = "it takes up " + Words(node.journal_bytes);
  if (node.journal_bytes < kLongJournal) {
    findings.Add(v1::FINDING_LEVEL_GOOD, "journal", text);
  } else {
    findings.Add(v1::FINDING_LEVEL_ODD, "journal",
                 text + ": berthd has not taken in the ends of many attempts");
  }
}

// Empty: it runs.
std::string TryShim(const std::string& program) {
  if (access(program.c_str(), X_OK) != 0) return strerror(errno);
  char* const argv[] = {const_cast<char*>(program.c_str()), nullptr};
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
  }
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), &quiet, nullptr, argv, nullptr);
  posix_spawn_file_actions_destroy(&quiet);
  if (error != 0) return strerror(error);
  const base::UniqueFd pidfd(shim::OpenPidFd(pid));
  pollfd ended = {pidfd.get(), POLLIN, 0};
  const bool in_time = pidfd.valid() && poll(&ended, 1, kShimDeadlineMs) == 1;
  if (!in_time) kill(pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  if (!in_time) return "it did not end in 5 s";
  // Told nothing, it says how it is used.
  if (WIFEXITED(status) && WEXITSTATUS(status) == shim::kShimUsage) return {};
  return "it ended in an odd way (status " + std::to_string(status) + ")";
}

void ExamineShim(const NodeExamination& node, Findings& findings) {
  const std::string wrong = TryShim(node.shim_program);
  if (wrong.empty()) {
    findings.Add(v1::FINDING_LEVEL_GOOD, "shim", node.shim_program + " runs");
  } else {
    findings.Add(v1::FINDING_LEVEL_BAD, "shim",
                 "no task can be started: " + node.shim_program + ": " + wrong +
                     "; install it again, or set `shim` in agent.yaml");
  }
}

void ExamineAnswers(const NodeExamination& node, Findings& findings) {
  if (!node.unanswered_ms) return;
  const bool late = *node.unanswered_ms > 2 * node.heartbeat_interval_ms;
  findings.Add(late ? v1::FINDING_LEVEL_ODD : v1::FINDING_LEVEL_GOOD, "heartbeats",
               "berthd last answered one " + std::to_string(*node.unanswered_ms / 1000) + " s ago" +
                   (late ? ", which is late: it has much to do, or the network is slow" : ""));
}

void ExamineDescriptors(const NodeExamination& node, Findings& findings) {
  rlimit limit = {};
  DIR* const directory = opendir((node.root + "/proc/self/fd").c_str());
  if (directory == nullptr || getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    if (directory != nullptr) closedir(directory);
    return;
  }
  uint64_t open = 0;
  while (const dirent* entry = readdir(directory)) open += entry->d_name[0] != '.' ? 1 : 0;
  closedir(directory);
  const uint64_t percent = open * 100 / std::max<uint64_t>(1, limit.rlim_cur);
  findings.Add(percent >= 90   ? v1::FINDING_LEVEL_BAD
               : percent >= 50 ? v1::FINDING_LEVEL_ODD
                               : v1::FINDING_LEVEL_GOOD,
               "descriptors",
               "the agent has " + std::to_string(open) + " of " + std::to_string(limit.rlim_cur) +
                   (percent >= 50 ? ": raise LimitNOFILE in its unit" : ""));
}

void ExaminePressure(const NodeExamination& node, Findings& findings) {
  const v1::NodeUsage parts = ProbeParts(node.root, node.state_dir);
  const auto look = [&](bool known, const v1::Pressure& pressure, std::string_view subject,
                        std::string_view what) {
    if (!known) return;
    const int full = pressure.full_milli();
    const v1::FindingLevel level = full >= kBadPressure   ? v1::FINDING_LEVEL_BAD
                                   : full >= kOddPressure ? v1::FINDING_LEVEL_ODD
                                                          : v1::FINDING_LEVEL_GOOD;
    findings.Add(level, subject,
                 std::string("everything waited for ").append(what) + " for " +
                     std::to_string(full / 10) + " % of the last 10 s, something for " +
                     std::to_string(pressure.some_milli() / 10) + " %");
  };
  look(parts.has_cpu_pressure(), parts.cpu_pressure(), "cpu", "CPUs");
  look(parts.has_memory_pressure(), parts.memory_pressure(), "memory", "memory");
  look(parts.has_io_pressure(), parts.io_pressure(), "io", "disks");
}

void ExamineImages(const NodeExamination& node, Findings& findings) {
  const std::string runtime = images::FindProgram(node.oci_runtime);
  if (runtime.empty()) {
    findings.Add(v1::FINDING_LEVEL_ODD, "images",
                 "no task with an image can run: there is no program \"" + node.oci_runtime +
                     "\"; install crun, or set `ociRuntime` in agent.yaml to where it is");
    return;
  }
  const std::string podman = images::FindProgram(node.podman);
  if (podman.empty()) {
    // Enough for a node whose images all lie in its folders.
    findings.Add(v1::FINDING_LEVEL_GOOD, "images",
                 runtime + " is there; nothing is fetched from a registry: there is no program \"" +
                     node.podman + "\" (`podman` in agent.yaml)");
    return;
  }
  findings.Add(v1::FINDING_LEVEL_GOOD, "images", runtime + " and " + podman + " are there");
}

void ExamineGpus(const NodeExamination& node, Findings& findings) {
  if (node.gpus == 0) return;
  if (node.sick_gpus == 0) {
    findings.Add(v1::FINDING_LEVEL_GOOD, "gpu-driver",
                 "it answers, with " + std::to_string(node.gpus) + " GPUs");
  } else {
    findings.Add(
        v1::FINDING_LEVEL_BAD, "gpu-driver",
        std::to_string(node.sick_gpus) + " of " + std::to_string(node.gpus) +
            " GPUs are unhealthy, or the driver does not answer; look at the kernel's log");
  }
}

}  // namespace

v1::Diagnosis Examine(const NodeExamination& node) {
  Findings findings;
  ExamineCgroups(node, findings);
  ExamineDisk(node, findings);
  ExamineJournal(node, findings);
  ExamineShim(node, findings);
  ExamineAnswers(node, findings);
  ExamineDescriptors(node, findings);
  ExaminePressure(node, findings);
  ExamineImages(node, findings);
  ExamineGpus(node, findings);
  return findings.Take();
}

}  // namespace berth::agentd
