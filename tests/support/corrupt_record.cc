// Looks into the database of a stopped berthd, and damages it.
//
//     corrupt_record DATA_DIR              prints a number that any change of any record changes
//     corrupt_record DATA_DIR TABLE        flips a bit of the table's first record, as a bad disk
//                                          would, and prints what a person calls it; TABLE as in
//                                          errors: jobs, "change log"
#include <rocksdb/db.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fixed_hash.h"
#include "store/data_directory.h"
#include "store/record_keys.h"
#include "store/tables.h"

namespace {

using berth::store::Table;

class Database {
 public:
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
  }

  rocksdb::Status Open(const std::string& path, bool read_only) {
    std::vector<std::string> names;
    rocksdb::Status status = rocksdb::DB::ListColumnFamilies({}, path, &names);
    if (!status.ok()) return status;
    std::vector<rocksdb::ColumnFamilyDescriptor> all;
    for (const std::string& name : names) all.emplace_back(name, rocksdb::ColumnFamilyOptions());
    rocksdb::DB* db = nullptr;
    status = read_only ? rocksdb::DB::OpenForReadOnly({}, path, all, &families_, &db)
                       : rocksdb::DB::Open({}, path, all, &families_, &db);
    db_.reset(db);
    return status;
  }

  uint64_t Digest() const {
    uint64_t digest = 0;
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      const std::unique_ptr<rocksdb::Iterator> records(db_->NewIterator({}, family));
      for (records->SeekToFirst(); records->Valid(); records->Next()) {
        digest = berth::base::FixedHash(records->key().ToStringView(), digest);
        digest = berth::base::FixedHash(records->value().ToStringView(), digest);
      }
    }
    return digest;
  }

  // The key of the record that was damaged.
  rocksdb::Status Corrupt(Table table, std::string& key) {
    const std::string letter(1, static_cast<char>(table));
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      const std::unique_ptr<rocksdb::Iterator> records(db_->NewIterator({}, family));
      records->Seek(letter);
      if (!records->Valid() || !records->key().starts_with(letter)) continue;
      std::string value = records->value().ToString();
      value.back() ^= 0x10;
      rocksdb::WriteOptions synced;
      synced.sync = true;
      const rocksdb::Status status = db_->Put(synced, family, records->key(), value);
      key = records->key().ToString().substr(1);
      return status;
    }
    return rocksdb::Status::NotFound("the table is empty");
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

int Fail(const std::string& why) {
  std::cerr << "corrupt_record: " << why << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) return Fail("usage: corrupt_record DATA_DIR [TABLE]");
  Database database;
  const std::string path = berth::store::DataDirectory::DatabasePath(argv[1]);
  rocksdb::Status status = database.Open(path, /*read_only=*/argc == 2);
  if (!status.ok()) return Fail(status.ToString());
  if (argc == 2) {
    std::cout << database.Digest() << "\n";
    return 0;
  }
  const auto& tables = berth::store::kTables;
  const auto* const table = std::find_if(tables.begin(), tables.end(), [&](Table candidate) {
    return berth::store::ToString(candidate) == std::string_view(argv[2]);
  });
  if (table == tables.end()) return Fail(std::string("no table \"") + argv[2] + "\"");
  std::string key;
  status = database.Corrupt(*table, key);
  if (!status.ok()) return Fail(status.ToString());
  std::cout << berth::store::DescribeKey(*table, key) << "\n";
  return 0;
}
