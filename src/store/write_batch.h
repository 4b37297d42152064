// What is written together, or not at all.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/tables.h"

namespace berth::store {

// Writes in order: a later one to the same key wins.
//
// Threading: a value.
class WriteBatch {
 public:
  enum class Kind { kPut, kDelete, kDeletePrefix };

  struct Write {
    Kind kind = Kind::kPut;
    Table table = Table::kMeta;
    std::string key;    // kDeletePrefix: every key that starts so
    std::string value;  // kPut, when `shared` is null
    std::shared_ptr<const std::string> shared;

    std::string_view content() const { return shared ? *shared : std::string_view(value); }
  };

  void Put(Table table, std::string key, std::string value) {
    bytes_ += key.size() + value.size();
    writes_.push_back({Kind::kPut, table, std::move(key), std::move(value), nullptr});
  }
  // As Put, without a copy of large content. REQUIRES: value is not null.
  void PutShared(Table table, std::string key, std::shared_ptr<const std::string> value) {
    bytes_ += key.size() + value->size();
    writes_.push_back({Kind::kPut, table, std::move(key), {}, std::move(value)});
  }
  // What is not there may be deleted.
  void Delete(Table table, std::string key) {
    bytes_ += key.size();
    writes_.push_back({Kind::kDelete, table, std::move(key), {}, nullptr});
  }
  void DeletePrefix(Table table, std::string prefix) {
    bytes_ += prefix.size();
    writes_.push_back({Kind::kDeletePrefix, table, std::move(prefix), {}, nullptr});
  }

  const std::vector<Write>& writes() const { return writes_; }
  size_t size() const { return writes_.size(); }
  bool empty() const { return writes_.empty(); }
  // Of keys and values.
  size_t bytes() const { return bytes_; }

 private:
  std::vector<Write> writes_;
  size_t bytes_ = 0;
};

}  // namespace berth::store
