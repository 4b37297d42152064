// Preloaded into a program by LD_PRELOAD: its syncs fail while the file that BERTH_TEST_FAIL_SYNC
// names is there, as on a disk that lost a write.
#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

bool MustFail() {
  const char* trigger = std::getenv("BERTH_TEST_FAIL_SYNC");
  return trigger != nullptr && access(trigger, F_OK) == 0;
}

int Sync(const char* name, int fd) {
  if (MustFail()) {
    errno = EIO;
    return -1;
  }
  errno = 0;
  return reinterpret_cast<int (*)(int)>(dlsym(RTLD_NEXT, name))(fd);
}

}  // namespace

extern "C" int fsync(int fd) { return Sync("fsync", fd); }
extern "C" int fdatasync(int fd) { return Sync("fdatasync", fd); }
