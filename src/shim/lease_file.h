// The node's lease, as the agent writes it and shims read it: until when berthd has surely not
// given to others what runs here. One small file, written in place.
//
// A lease that is renewed before it has ended goes on; one that was renewed too late is another
// one, under which nothing of before may run: berthd may have given it up in between. Who knew it
// last to last until some time can tell the two apart by when the present one began.
//
// It is not synced: no task of this boot of the machine outlives the machine's crash, and at each
// boot the agent begins it anew.
//
// Threading: any thread; one writer at a time. Errors: errno values; a file that cannot be read
// says nothing, so that what is known of the lease ends when it was to end.
#pragma once

#include <cstdint>

namespace berth::shim {

inline constexpr char kLeaseFileName[] = "lease";

// Times of CLOCK_BOOTTIME in ms.
struct Lease {
  int64_t since_ms = 0;  // when it was given after there was none
  int64_t until_ms = 0;  // 0: there is none
  bool operator==(const Lease&) const = default;
};

// Opens the file to write it, made if missing. Returns the descriptor (close-on-exec), or -errno.
int OpenLease(const char* path);

// Returns 0 or errno. Cost: one pwrite(2) of 24 bytes.
int WriteLease(int fd, const Lease& lease);

// What the file says; no lease when it cannot be read.
// Cost: open, pread and close; waits up to 100 ms for a write that is under way.
Lease ReadLease(const char* path);

// Until when a lease lasts that was known to last until `until_ms`: what `lease` says, if that is
// the same one.
constexpr int64_t RenewedUntil(const Lease& lease, int64_t until_ms) {
  return lease.until_ms != 0 && lease.since_ms <= until_ms ? lease.until_ms : until_ms;
}
// As the file says. Cost: as ReadLease().
int64_t RenewedUntil(const char* path, int64_t until_ms);

}  // namespace berth::shim
