#include "tests/unit/shim/shim_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "shim/shim_process.h"

namespace berth::testing {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string ShimProgram() {
  const char* build = getenv("BERTH_BUILD_DIR");
  BERTH_CHECK(build != nullptr) << "run this test through ctest, which sets BERTH_BUILD_DIR";
  return std::string(build) + "/bin/berth-shim";
}

}  // namespace

ShimRunner::ShimRunner() {
  // Tasks of other users have to reach what lies in here.
  BERTH_CHECK(chmod(dir_.path().c_str(), 0711) == 0);
  int ends[2];
  BERTH_CHECK(pipe2(ends, O_CLOEXEC) == 0);
  notify_read_.reset(ends[0]);
  notify_write_.reset(ends[1]);
  BERTH_CHECK(mkfifo(FifoPath().c_str(), 0600) == 0);
  BERTH_CHECK(chmod(FifoPath().c_str(), 0666) == 0);
}

ShimRunner::~ShimRunner() {
  if (pid_ <= 0) return;
  const base::UniqueFd pidfd(shim::OpenPidFd(pid_));
  shim::QueueStop(pidfd.get(), 0);
  waitpid(pid_, nullptr, 0);
}

shim::TaskSpec ShimRunner::ShellSpec(const std::string& command) const {
  shim::TaskSpec spec;
  spec.arguments = {"/bin/sh", "-c", command};
  spec.environment = {"PATH=/usr/bin:/bin", "FIFO=" + FifoPath()};
  spec.working_directory = "/";
  spec.output_path = path("stdout");
  spec.error_path = path("stderr");
  return spec;
}

void ShimRunner::Start(const shim::TaskSpec& spec) {
  const std::string bytes = shim::EncodeSpec(spec);
  BERTH_CHECK(!bytes.empty());
  std::ofstream(path(shim::kSpecFileName), std::ios::binary) << bytes;
  const base::UniqueFd status(shim::OpenLockedStatus(dir_.path()));
  BERTH_CHECK(status.valid());
  const int error =
      shim::StartShim(ShimProgram(), dir_.path(), status.get(), notify_write_.get(), pid_);
  BERTH_CHECK(error == 0) << "cannot start " << ShimProgram() << ": errno " << error;
}

shim::StatusRecord ShimRunner::WaitForNotice() {
  shim::StatusRecord record;
  BERTH_CHECK(read(notify_read_.get(), &record, sizeof(record)) == sizeof(record));
  return record;
}

int ShimRunner::WaitForShim() {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(pid_, &status, 0);
  } while (got < 0 && errno == EINTR);
  BERTH_CHECK(got == pid_);
  pid_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

shim::StatusRecord ShimRunner::Run(const shim::TaskSpec& spec) {
  Start(spec);
  const int code = WaitForShim();
  BERTH_CHECK(code == shim::kShimDone) << "shim exited with " << code;
  const auto end = Record(shim::StatusKind::kEnd);
  BERTH_CHECK(end.has_value());
  return *end;
}

void ShimRunner::Stop(int grace_ms) {
  const base::UniqueFd pidfd(shim::OpenPidFd(pid_));
  BERTH_CHECK(shim::QueueStop(pidfd.get(), grace_ms) == 0);
}

std::string ShimRunner::ReadFifo() const { return ReadAll(FifoPath()); }

std::optional<shim::StatusRecord> ShimRunner::Record(shim::StatusKind kind) const {
  const base::UniqueFd fd(open(path(shim::kStatusFileName).c_str(), O_RDONLY | O_CLOEXEC));
  return shim::ReadStatus(fd.get(), kind);
}

bool ShimRunner::LockIsFree() const {
  const base::UniqueFd fd(open(path(shim::kStatusFileName).c_str(), O_RDONLY | O_CLOEXEC));
  return flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

std::string ShimRunner::Output() const { return ReadAll(path("stdout")); }

std::string ShimRunner::ErrorOutput() const { return ReadAll(path("stderr")); }

bool IsRunning(pid_t pid) {
  const std::string stat = ReadAll("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = stat.rfind(')');
  return name_end != std::string::npos && stat[name_end + 2] != 'Z' && stat[name_end + 2] != 'X';
}

}  // namespace berth::testing
