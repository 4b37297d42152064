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

// The least string greater than every string that starts with `prefix`.
// REQUIRES: some byte of it is not 0xff.
std::string EndOfPrefix(std::string_view prefix);

// Writes in order: a later one to the same key wins.
//
// Threading: a value.
class WriteBatch {
 public:
  enum class Kind { kPut, kDelete, kDeleteRange };

  struct Write {
    Kind kind = Kind::kPut;
    Table table = Table::kMeta;
    std::string key;    // kDeleteRange: the first key that goes
    std::string value;  // kPut, when `shared` is null; kDeleteRange: the first key that stays
    std::shared_ptr<const std::string> shared;

    std::string_view content() const { return shared ? *shared : std::string_view(value); }
  };

  void Put(Table table, std::string key, std::string value) {
    Add({Kind::kPut, table, std::move(key), std::move(value), nullptr});
  }
  // As Put, without a copy of large content. REQUIRES: value is not null.
  void PutShared(Table table, std::string key, std::shared_ptr<const std::string> value) {
    Add({Kind::kPut, table, std::move(key), {}, std::move(value)});
  }
  // What is not there may be deleted, here and below.
  void Delete(Table table, std::string key) {
    Add({Kind::kDelete, table, std::move(key), {}, nullptr});
  }
  // Deletes begin <= key < end, which may be none. Costs every later scan across the range: for
  // many keys only.
  void DeleteRange(Table table, std::string begin, std::string end) {
    if (begin >= end) return;
    Add({Kind::kDeleteRange, table, std::move(begin), std::move(end), nullptr});
  }
  // REQUIRES: as EndOfPrefix.
  void DeletePrefix(Table table, std::string_view prefix) {
    DeleteRange(table, std::string(prefix), EndOfPrefix(prefix));
  }

  const std::vector<Write>& writes() const { return writes_; }
  size_t size() const { return writes_.size(); }
  bool empty() const { return writes_.empty(); }
  // Of keys and values.
  size_t bytes() const { return bytes_; }

 private:
  void Add(Write write) {
    bytes_ += write.key.size() + write.content().size();
    writes_.push_back(std::move(write));
  }

  std::vector<Write> writes_;
  size_t bytes_ = 0;
};

}  // namespace berth::store
