// The program `berth-agent`: runs one agent as agent.yaml says, until it is told to stop.
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "agentd/agent.h"
#include "base/build_info.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/service_notify.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"
#include "config/agent_loader.h"
#include "wire/grpc_log.h"

namespace {

using berth::base::S;

constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr char kDefaultConfig[] = "/etc/berth/agent.yaml";
constexpr std::string_view kHelp =
    "usage: berth-agent [--config FILE] [--check | --version]\n"
    "\n"
    "Runs the tasks that berthd places on this machine.\n"
    "\n"
    "  --config FILE  what to read instead of /etc/berth/agent.yaml\n"
    "  --check        read it, print the configuration in force, and exit\n"
    "  --version      print the version and exit\n"
    "\n"
    "SIGTERM and SIGINT end the agent; its tasks run on, and the next agent on the same state\n"
    "directory finds them again. SIGHUP reads the configuration's labels, taints and amounts "
    "anew.\n";

struct Arguments {
  std::string config = kDefaultConfig;
  bool check = false;
  bool version = false;
  bool help = false;
};

bool Parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--check") {
      arguments.check = true;
    } else if (word == "--version") {
      arguments.version = true;
    } else if (word == "--help" || word == "-h") {
      arguments.help = true;
    } else if ((word == "--config" || word == "-c") && i + 1 < argc) {
      arguments.config = argv[++i];
    } else if (word.rfind("--config=", 0) == 0) {
      arguments.config = word.substr(9);
    } else {
      std::fprintf(
          stderr, "berth-agent: %s %s; see berth-agent --help\n",
          word == "--config" || word == "-c" ? "a file is missing after" : "unknown argument",
          argv[i]);
      return false;
    }
  }
  return true;
}

int Fail(const absl::Status& error) {
  std::fprintf(stderr, "berth-agent: %s\n", S(error.message()).c_str());
  return kFailed;
}

absl::Status StartLogging(const berth::config::LogConfig& config) {
  berth::base::LogOptions options;
  options.component = "berth-agent";
  BERTH_ASSIGN_OR_RETURN(options.level, berth::base::ParseLogLevel(config.level));
  BERTH_ASSIGN_OR_RETURN(options.format, berth::base::ParseLogFormat(config.format));
  berth::base::InitLogging(options);
  return absl::OkStatus();
}

// `berth-shim` beside this program, or where an installation has it, unless the configuration names
// another.
std::string ShimProgram(const berth::config::AgentConfig& config) {
  if (!config.shim.empty()) return config.shim;
  std::array<char, 4096> path = {};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string self(path.data(), length > 0 ? static_cast<size_t>(length) : 0);
  const std::string folder = self.substr(0, self.rfind('/') + 1);
  const std::string installed = folder + "../libexec/berth/berth-shim";
  const std::string beside = folder + "berth-shim";
  return access(beside.c_str(), F_OK) != 0 && access(installed.c_str(), F_OK) == 0 ? installed
                                                                                   : beside;
}

// A descriptor or two for each task: as many as the machine allows. What tasks get stays as it was.
uint64_t RaiseOpenFiles() {
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
  const uint64_t before = files.rlim_cur;
  files.rlim_cur = files.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &files) == 0 ? before : 0;
}

// Blocked in every thread that is made after this, and read from a descriptor instead.
berth::base::UniqueFd TakeSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  if (pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) return {};
  return berth::base::UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::string HostName() {
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

void NotifyOrWarn(const std::string& state) {
  if (const absl::Status told = berth::base::NotifyServiceManager(state); !told.ok()) {
    BERTH_LOG_WARN("{}", told.message());
  }
}

// Tells the service manager that the loop turns, and what it does.
class ServiceReport {
 public:
  ServiceReport(berth::agentd::Agent& agent, const berth::base::Clock& clock)
      : agent_(agent), clock_(clock) {}

  void Begin() {
    if (!berth::base::HasServiceManager()) return;
    if (const auto watchdog = berth::base::WatchdogMs())
      every_ms_ = std::min(every_ms_, *watchdog / 2);
    agent_.loop().Post([this] { Tell(); });
  }

 private:
  void Tell() {
    std::string status =
        "STATUS=" + std::to_string(agent_.live_attempts()) + " tasks; " +
        (agent_.in_session() ? "in session with berthd" : "no session with berthd");
    std::string told = berth::base::WatchdogMs() ? "WATCHDOG=1" : "";
    if (status != status_) told += (told.empty() ? "" : "\n") + status;
    status_ = std::move(status);
    if (!told.empty()) NotifyOrWarn(told);
    agent_.loop().At(clock_.MonotonicMs() + every_ms_, [this] { Tell(); });
  }

  berth::agentd::Agent& agent_;
  const berth::base::Clock& clock_;
  int64_t every_ms_ = 5000;
  std::string status_;
};

// What SIGHUP changes; everything else takes a restart, and is said to.
void Reload(const std::string& path, berth::config::AgentConfig& current,
            berth::agentd::Agent& agent) {
  absl::StatusOr<berth::config::AgentConfig> fresh =
      berth::config::LoadAgentConfig(path, HostName());
  if (!fresh.ok()) {
    BERTH_LOG_ERROR("the configuration stays as it was: {}", fresh.status().message());
    return;
  }
  berth::config::AgentConfig merged = current;
  merged.log = fresh->log;
  merged.reserve = fresh->reserve;
  merged.inventory_file = fresh->inventory_file;
  merged.inventory = fresh->inventory;
  merged.inventory.devices = current.inventory.devices;
  if (!(merged == *fresh)) {
    BERTH_LOG_WARN(
        "{} changes more than labels, taints, amounts and the log: the rest takes a"
        " restart of the agent (its tasks run on)",
        path);
  }
  if (const absl::Status declared = agent.Redeclare(merged.inventory, merged.reserve);
      !declared.ok()) {
    BERTH_LOG_ERROR("the configuration stays as it was: {}", declared.message());
    return;
  }
  if (const absl::Status logging = StartLogging(merged.log); !logging.ok()) {
    BERTH_LOG_ERROR("the log stays as it was: {}", logging.message());
  }
  current = std::move(merged);
  BERTH_LOG_INFO("read {} again", path);
}

int Run(const std::string& config_path, berth::config::AgentConfig config) {
  if (const absl::Status logging = StartLogging(config.log); !logging.ok()) return Fail(logging);
  berth::wire::RouteGrpcLog();
  const berth::base::UniqueFd signals = TakeSignals();
  if (!signals.valid()) return Fail(absl::ErrnoToStatus(errno, "cannot take signals"));
  std::signal(SIGPIPE, SIG_IGN);

  berth::base::SystemClock clock;
  berth::agentd::Agent::Options options;
  options.config = config;
  options.version = std::string(berth::base::Version());
  options.shim_program = ShimProgram(config);
  options.files_program =
      options.shim_program.substr(0, options.shim_program.rfind('/') + 1) + "berth-files";
  options.open_files_soft = RaiseOpenFiles();
  absl::StatusOr<std::unique_ptr<berth::agentd::Agent>> agent =
      berth::agentd::Agent::Create(std::move(options), clock);
  if (!agent.ok()) return Fail(agent.status());

  (*agent)->loop().Watch(signals.get(), [&] {
    signalfd_siginfo info = {};
    while (read(signals.get(), &info, sizeof(info)) == sizeof(info)) {
      if (info.ssi_signo == SIGHUP) {
        NotifyOrWarn("RELOADING=1");
        Reload(config_path, config, **agent);
        NotifyOrWarn("READY=1");
        continue;
      }
      (*agent)->Stop();
      NotifyOrWarn("STOPPING=1\nSTATUS=Stopping; tasks run on");
    }
  });
  BERTH_LOG_INFO("effective configuration, from {}:",
                 config_path.empty() ? "the defaults" : config_path);
  std::istringstream lines(berth::config::FormatAgentConfig(config));
  for (std::string line; std::getline(lines, line);) BERTH_LOG_INFO("  {}", line);
  BERTH_LOG_INFO("berth-agent {} runs as node \"{}\" with {}, berthd at {}", berth::base::Version(),
                 config.node_name, config.state_dir, config.server);
  NotifyOrWarn("READY=1");
  ServiceReport report(**agent, clock);
  report.Begin();
  const absl::Status ran = (*agent)->Run();
  if (ran.ok()) return EXIT_SUCCESS;
  BERTH_LOG_ERROR("the agent stops, its tasks run on: {}", ran.message());
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) return kUsage;
  if (arguments.help) {
    std::fwrite(kHelp.data(), 1, kHelp.size(), stdout);
    return EXIT_SUCCESS;
  }
  if (arguments.version) {
    std::printf("berth-agent %s (%s)\n", std::string(berth::base::Version()).c_str(),
                berth::base::BuildDescription().c_str());
    return EXIT_SUCCESS;
  }
  absl::StatusOr<berth::config::AgentConfig> config =
      berth::config::LoadAgentConfig(arguments.config, HostName());
  if (!config.ok()) return Fail(config.status());
  if (arguments.check) {
    std::fputs(berth::config::FormatAgentConfig(*config).c_str(), stdout);
    return EXIT_SUCCESS;
  }
  return Run(arguments.config, *std::move(config));
}
