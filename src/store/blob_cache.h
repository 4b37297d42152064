// Content that was used lately, shared by all who ask for it.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/mutex.h"

namespace berth::store {

// Least recently used content goes first when `most_bytes` would be passed. Content that is larger
// alone is not kept.
//
// Threading: any thread. Cost: O(log n), under one short lock.
class BlobCache {
 public:
  explicit BlobCache(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Null when it is not here.
  std::shared_ptr<const std::string> Find(std::string_view hash);
  void Put(std::string_view hash, std::shared_ptr<const std::string> content);
  void Erase(std::string_view hash);
  // Of the contents held, and what holding them takes.
  size_t bytes() const;

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const std::string>>;

  void Drop(std::list<Entry>::iterator entry) BERTH_REQUIRES(mutex_);

  const size_t most_bytes_;
  mutable base::Mutex mutex_;
  std::list<Entry> entries_ BERTH_GUARDED_BY(mutex_);  // most recently used first
  std::map<std::string_view, std::list<Entry>::iterator> by_hash_ BERTH_GUARDED_BY(mutex_);
  size_t bytes_ BERTH_GUARDED_BY(mutex_) = 0;
};

}  // namespace berth::store
