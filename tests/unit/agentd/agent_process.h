#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>

#include "tests/support/temp_dir.h"
#include "tests/unit/agentd/fake_daemon.h"
#include "tests/unit/agentd/own_cgroup_root.h"

namespace berth::testing {

// The built berth-agent in a directory of its own, with a daemon to talk to. What it leaves running
// is killed at the end.
class AgentProcess {
 public:
  AgentProcess();
  ~AgentProcess();

  FakeDaemon& daemon() { return daemon_; }

  // Keys of agent.yaml beyond those that every test has, or instead of them.
  void Set(const std::string& key, const std::string& value) { settings_[key] = value; }
  // Starts it, and waits for its session.
  v1::Hello Start();
  // Starts it, and waits for its end; its standard error is in Log().
  int StartAndWait();
  // kill -9, and waits for its end.
  void Kill();
  // SIGTERM, and waits; the exit code.
  int Terminate();
  void Signal(int signal) const;
  void WriteConfig() const;

  [[nodiscard]] std::string Log() const;
  [[nodiscard]] std::string path(const std::string& name) const { return dir_.path() + "/" + name; }
  [[nodiscard]] std::string state_dir() const { return path("state"); }
  // Whether tasks get cgroups in this test.
  [[nodiscard]] bool has_cgroups() const { return has_cgroups_; }
  // Looks again and again until `ready`; ends the test process after 60 s. For what no message
  // tells of.
  static void WaitUntil(const std::function<bool()>& ready);
  void WaitForLog(const std::string& text) const;
  // Processes with this word in their command line.
  static int CountProcesses(const std::string& word);

 private:
  void Spawn();

  TempDir dir_;
  OwnCgroupRoot cgroup_root_;
  const bool has_cgroups_;
  FakeDaemon daemon_;
  std::map<std::string, std::string> settings_;
  pid_t pid_ = -1;
};

}  // namespace berth::testing
