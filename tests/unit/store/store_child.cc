// The process that the crash tests start, watch and kill.
//
//   store_child commit DIR SEED    commits the planned batches from the head on, without end
//   store_child fill DIR SEED N    the same, on a disk where no file may pass N bytes, until a
//   commit
//                                  fails
//   store_child open DIR           opens the store as a user without rights, once
//
// It says on standard output, a line each:
//   A EPOCH        this epoch was acknowledged
//   S INODE SIZE   of this file, at least so many bytes survive a loss of power
//   E MESSAGE      what failed
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "base/strings.h"
#include "store/rocksdb_store.h"
#include "tests/unit/store/crash_plan.h"

namespace {

// Short lines: a write of one is whole, whoever else writes and whenever this process dies.
void Say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    ::_exit(3);
  }
}

// In place of the C library's: what was in the file before the call is safe after it.
int SyncAndSay(int fd, const char* name) {
  struct stat before {};
  ::fstat(fd, &before);
  static const auto data = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "fdatasync"));
  static const auto all = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "fsync"));
  const int result = name[1] == 'd' ? data(fd) : all(fd);
  if (result == 0 && S_ISREG(before.st_mode)) {
    Say("S " + std::to_string(before.st_ino) + " " + std::to_string(before.st_size));
  }
  return result;
}

}  // namespace

extern "C" int fdatasync(int fd) { return SyncAndSay(fd, "fdatasync"); }
extern "C" int fsync(int fd) { return SyncAndSay(fd, "fsync"); }

namespace berth::store {
namespace {

int Fail(const absl::Status& status) {
  Say("E " + base::S(status.message()));
  return 1;
}

int Run(const std::string& mode, const std::string& directory, uint64_t seed) {
  const base::SystemClock clock;
  // Small buffers: logs are changed and files are written all the time.
  auto opened = RocksDbStore::Open({.data_dir = directory, .write_buffer_bytes = 256 << 10}, clock);
  if (!opened.ok()) return Fail(opened.status());
  if (mode == "open") return 0;
  RocksDbStore& store = **opened;
  while (true) {
    const Head head = store.head();
    const absl::Status status =
        store.Commit(PlannedBatch(seed, head.epoch + 1), head.epoch + 1, head.term);
    if (!status.ok()) {
      Fail(status);
      return Fail(store.Commit({}, head.epoch + 1, head.term));
    }
    Say("A " + std::to_string(head.epoch + 1));
  }
}

}  // namespace
}  // namespace berth::store

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "open") {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::setuid(kNobody) != 0) return 2;
  }
  if (mode == "fill") {
    const rlim_t most = std::strtoull(argv[4], nullptr, 10);
    const rlimit limit = {.rlim_cur = most, .rlim_max = most};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  }
  return berth::store::Run(mode, argc > 2 ? argv[2] : "",
                           argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0);
}
