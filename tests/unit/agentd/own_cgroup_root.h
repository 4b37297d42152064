#pragma once

#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agentd/cgroups/cgroup_tree.h"
#include "agentd/cgroups/detect.h"
#include "base/small_file.h"

namespace berth::testing {

// A cgroup root of its own for one test, emptied and removed afterwards.
class OwnCgroupRoot {
 public:
  static constexpr char kWhyNot[] = "needs root and writable cgroup v1 hierarchies";

  // Whether this machine lets us make cgroups of version 1.
  static bool Usable() {
    const agentd::CgroupV1Mounts mounts = Mounts();
    return geteuid() == 0 && !mounts.memory.empty() && !mounts.freezer.empty() &&
           !mounts.cpu.empty() && !mounts.cpuacct.empty() && !mounts.pids.empty() &&
           access(mounts.memory.c_str(), W_OK) == 0;
  }

  OwnCgroupRoot() : mounts_(Mounts()) {
    static int count = 0;
    name_ = "berth-test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  }
  OwnCgroupRoot(const OwnCgroupRoot&) = delete;
  OwnCgroupRoot& operator=(const OwnCgroupRoot&) = delete;
  ~OwnCgroupRoot() {
    // By hand, not by what is under test; a dying process holds its cgroup for a moment.
    agentd::CgroupTree tree;
    for (const std::string* mount :
         {&mounts_.freezer, &mounts_.cpu, &mounts_.cpuacct, &mounts_.memory, &mounts_.pids,
          &mounts_.cpuset, &mounts_.blkio}) {
      if (mount->empty()) continue;
      const std::string root = *mount + "/" + name_;
      for (int tries = 0; tries < 1000 && tree.Exists(root); ++tries) {
        if (tree.RemoveDirectory(root).ok()) break;
        usleep(1000);
      }
    }
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const agentd::CgroupV1Mounts& mounts() const { return mounts_; }

 private:
  static agentd::CgroupV1Mounts Mounts() {
    return agentd::ParseCgroupMounts(*base::ReadSmallFile("/proc/self/mountinfo")).v1;
  }

  agentd::CgroupV1Mounts mounts_;
  std::string name_;
};

}  // namespace berth::testing
