#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/work_thread.h"

namespace berth::agentd {

// What the node's user database says of a user.
struct UserRecord {
  uint32_t uid = 0;
  std::string name;              // the number when the database does not have it
  std::string home;              // "/" then
  std::vector<uint32_t> groups;  // supplementary, the primary one included
};

// Looks a user up with getpwuid_r(3) and getgrouplist(3); may ask the network for long.
UserRecord LookUpUser(uint32_t uid, uint32_t gid);

// Users of the node, looked up aside and remembered for a minute: the database may be far away, and
// the agent's loop does not wait for it.
//
// Threading: the loop's thread calls; `post` brings the answers back to it. Errors: a user whom the
// database does not have is an answer.
class UserDirectory {
 public:
  using Answer = std::function<void(const UserRecord&)>;
  using Post = std::function<void(std::function<void()>)>;
  using LookUp = std::function<UserRecord(uint32_t uid, uint32_t gid)>;

  UserDirectory(const base::Clock& clock, Post post, LookUp look_up = LookUpUser);

  // Calls `answer`, before it returns when the user is remembered.
  void Get(uint32_t uid, uint32_t gid, Answer answer);

  // Ends the thread; no answer comes after it.
  void Stop() { thread_.Stop(); }

 private:
  using Key = std::pair<uint32_t, uint32_t>;
  struct Entry {
    UserRecord record;
    int64_t known_until_ms = 0;
    std::vector<Answer> waiting;
  };

  void Known(Key key, UserRecord record);

  const base::Clock& clock_;
  const Post post_;
  const LookUp look_up_;
  std::map<Key, Entry> entries_;
  base::WorkThread thread_{"users"};
};

}  // namespace berth::agentd
