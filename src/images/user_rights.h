#pragma once

#include <cstdint>
#include <vector>

namespace berth::images {

// A user of the node, as far as files go.
struct FileUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
};

// While it lives, the calling thread opens files with the rights of `user` and no others: what a
// task's user names is opened so, or root would read it for him. Nothing happens when this process
// is not root's: then it has no rights but its own.
//
// Threading: the one thread that made it, which it concerns alone. Errors: a right that cannot be
// given up, or not be had back, ends the process.
class UserRights {
 public:
  explicit UserRights(const FileUser& user);
  UserRights(const UserRights&) = delete;
  UserRights& operator=(const UserRights&) = delete;
  ~UserRights();

 private:
  const bool switched_;
  std::vector<uint32_t> own_groups_;
};

}  // namespace berth::images
