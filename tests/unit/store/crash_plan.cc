#include "tests/unit/store/crash_plan.h"

#include <memory>
#include <utility>

#include "base/fixed_hash.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "store/record_keys.h"

namespace berth::store {

WriteBatch PlannedBatch(uint64_t seed, uint64_t epoch) {
  base::Rng rng(base::FixedHash(epoch, seed));
  WriteBatch batch;
  batch.Put(Table::kChangeLog, EpochKey(epoch), "epoch " + std::to_string(epoch));
  for (uint64_t n = rng.Uniform(60); n > 0; --n) {
    const std::string key = SlotKey(static_cast<Slot>(rng.Uniform(500)));
    switch (rng.Uniform(12)) {
      case 0:
        batch.DeleteRange(Table::kTasks, key, SlotKey(static_cast<Slot>(rng.Uniform(500))));
        break;
      case 1:
      case 2:
        batch.Delete(Table::kTasks, key);
        break;
      case 3: {
        std::string content(rng.Uniform(5'000), static_cast<char>('a' + rng.Uniform(26)));
        std::string hash = base::Sha256Hex(content);
        batch.PutShared(Table::kBlobs, std::move(hash),
                        std::make_shared<const std::string>(std::move(content)));
        break;
      }
      default:
        batch.Put(Table::kTasks, key, "of " + std::to_string(epoch) + std::string(n * 5, '.'));
    }
  }
  return batch;
}

std::map<std::string, std::string> PlannedContent(uint64_t seed, uint64_t last) {
  std::map<std::string, std::string> content;
  for (uint64_t epoch = 1; epoch <= last; ++epoch) {
    const WriteBatch batch = PlannedBatch(seed, epoch);
    for (const WriteBatch::Write& write : batch.writes()) {
      const std::string letter(1, static_cast<char>(write.table));
      switch (write.kind) {
        case WriteBatch::Kind::kPut:
          content[letter + write.key] = write.content();
          break;
        case WriteBatch::Kind::kDelete:
          content.erase(letter + write.key);
          break;
        case WriteBatch::Kind::kDeleteRange:
          content.erase(content.lower_bound(letter + write.key),
                        content.lower_bound(letter + write.value));
          break;
      }
    }
  }
  return content;
}

}  // namespace berth::store
