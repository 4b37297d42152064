#include "agentd/drivers/user_directory.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace berth::agentd {
namespace {

constexpr int64_t kRememberMs = 60'000;
constexpr int kMostGroups = 256;
constexpr size_t kLargestEntry = 1 << 20;

}  // namespace

UserRecord LookUpUser(uint32_t uid, uint32_t gid) {
  UserRecord record;
  record.uid = uid;
  std::vector<char> buffer(4096);
  passwd entry = {};
  passwd* found = nullptr;
  while (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == ERANGE &&
         buffer.size() < kLargestEntry) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) {
    record.name = std::to_string(uid);
    record.home = "/";
    record.groups = {gid};
    return record;
  }
  record.name = found->pw_name;
  record.home = found->pw_dir != nullptr && *found->pw_dir != '\0' ? found->pw_dir : "/";
  std::vector<gid_t> groups(kMostGroups);
  int count = kMostGroups;
  if (getgrouplist(found->pw_name, gid, groups.data(), &count) < 0) count = kMostGroups;
  record.groups.assign(groups.begin(), groups.begin() + count);
  return record;
}

UserDirectory::UserDirectory(const base::Clock& clock, Post post, LookUp look_up)
    : clock_(clock), post_(std::move(post)), look_up_(std::move(look_up)) {}

void UserDirectory::Get(uint32_t uid, uint32_t gid, Answer answer) {
  const Key key(uid, gid);
  const auto [at, fresh] = entries_.try_emplace(key);
  Entry& entry = at->second;
  if (!fresh && entry.waiting.empty() && clock_.MonotonicMs() < entry.known_until_ms) {
    answer(entry.record);
    return;
  }
  entry.waiting.push_back(std::move(answer));
  if (entry.waiting.size() > 1) return;  // is being looked up
  thread_.Post([this, key] {
    post_([this, key, record = look_up_(key.first, key.second)]() mutable {
      Known(key, std::move(record));
    });
  });
}

void UserDirectory::Known(Key key, UserRecord record) {
  Entry& entry = entries_[key];
  entry.record = std::move(record);
  entry.known_until_ms = clock_.MonotonicMs() + kRememberMs;
  const std::vector<Answer> waiting = std::exchange(entry.waiting, {});
  for (const Answer& answer : waiting) answer(entry.record);
}

}  // namespace berth::agentd
