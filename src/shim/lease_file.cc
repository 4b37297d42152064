#include "shim/lease_file.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "shim/shim_protocol.h"

namespace berth::shim {
namespace {

// The checksum tells when a part is of another write than the rest.
struct LeaseRecord {
  Lease lease;
  uint64_t checksum = 0;
};

uint64_t ChecksumOf(const Lease& lease) { return Checksum(&lease, sizeof(lease)); }

constexpr int kMostTries = 100;
constexpr timespec kBetweenTries = {0, 1'000'000};

}  // namespace

int OpenLease(const char* path) {
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return fd < 0 ? -errno : fd;
}

int WriteLease(int fd, const Lease& lease) {
  const LeaseRecord record = {lease, ChecksumOf(lease)};
  const ssize_t written = pwrite(fd, &record, sizeof(record), 0);
  if (written < 0) return errno;
  return written == sizeof(record) ? 0 : EIO;
}

Lease ReadLease(const char* path) {
  Lease lease;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return lease;
  for (int tries = 0; tries < kMostTries; ++tries) {
    LeaseRecord record;
    if (pread(fd, &record, sizeof(record), 0) != sizeof(record)) break;
    if (record.checksum == ChecksumOf(record.lease)) {
      lease = record.lease;
      break;
    }
    nanosleep(&kBetweenTries, nullptr);
  }
  close(fd);
  return lease;
}

int64_t RenewedUntil(const char* path, int64_t until_ms) {
  return RenewedUntil(ReadLease(path), until_ms);
}

}  // namespace berth::shim
