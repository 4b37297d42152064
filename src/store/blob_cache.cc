#include "store/blob_cache.h"

#include <iterator>

namespace berth::store {
namespace {

// Nodes of the list and the map, two strings and their heap blocks: what tiny content really costs.
constexpr size_t kEntryBytes = 320;

size_t Cost(const std::string& content) { return content.size() + kEntryBytes; }

}  // namespace

std::shared_ptr<const std::string> BlobCache::Find(std::string_view hash) {
  base::MutexLock lock(mutex_);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->second;
}

void BlobCache::Put(std::string_view hash, std::shared_ptr<const std::string> content) {
  base::MutexLock lock(mutex_);
  if (const auto found = by_hash_.find(hash); found != by_hash_.end()) Drop(found->second);
  if (Cost(*content) > most_bytes_) return;
  while (bytes_ + Cost(*content) > most_bytes_) Drop(std::prev(entries_.end()));
  bytes_ += Cost(*content);
  entries_.emplace_front(hash, std::move(content));
  by_hash_.emplace(entries_.front().first, entries_.begin());
}

void BlobCache::Erase(std::string_view hash) {
  base::MutexLock lock(mutex_);
  if (const auto found = by_hash_.find(hash); found != by_hash_.end()) Drop(found->second);
}

size_t BlobCache::bytes() const {
  base::MutexLock lock(mutex_);
  return bytes_;
}

void BlobCache::Drop(std::list<Entry>::iterator entry) {
  bytes_ -= Cost(*entry->second);
  by_hash_.erase(entry->first);
  entries_.erase(entry);
}

}  // namespace berth::store
