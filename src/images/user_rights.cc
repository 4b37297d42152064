#include "images/user_rights.h"

#include <grp.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

namespace berth::images {
namespace {

// The system call itself: libc's function would change every thread.
void SetGroups(const std::vector<uint32_t>& groups) {
  BERTH_CHECK(syscall(SYS_setgroups, groups.size(), groups.data()) == 0);
}

// setfsuid(2) tells no error; asked again, it tells what is in force.
void SetFileIds(uint32_t uid, uint32_t gid) {
  setfsgid(gid);
  BERTH_CHECK(static_cast<uint32_t>(setfsgid(gid)) == gid);
  setfsuid(uid);
  BERTH_CHECK(static_cast<uint32_t>(setfsuid(uid)) == uid);
}

}  // namespace

UserRights::UserRights(const FileUser& user) : switched_(geteuid() == 0) {
  if (!switched_) return;
  const int count = getgroups(0, nullptr);
  BERTH_CHECK(count >= 0);
  own_groups_.resize(static_cast<size_t>(count));
  BERTH_CHECK(getgroups(count, own_groups_.data()) == count);
  SetGroups(user.groups);
  SetFileIds(user.uid, user.gid);
}

UserRights::~UserRights() {
  if (!switched_) return;
  SetFileIds(geteuid(), getegid());
  SetGroups(own_groups_);
}

}  // namespace berth::images
