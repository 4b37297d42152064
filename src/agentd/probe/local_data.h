// Data sets and models that lie on the node.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agentd/probe/machine.h"

namespace berth::agentd {

// Finds what lies below the declared roots: each folder or file of a root is a data set, or a
// model.
//
// Its name is its file's; a folder of a Hugging Face cache gets the repository's name
// ("models--org--name": "org/name"). Hidden names are left out. The size counts regular files,
// hard links once, and follows no symbolic link.
//
// Threading: one owner; may take long (a walk over every file of what has changed).
class LocalData {
 public:
  // `roots`: absolute paths. One that is not there has nothing. An entry is measured again when it,
  // or what lies up to two folders deep in it, was changed since or less than `settles` before, and
  // in any case after `again`. `settles` covers the coarsest times that file systems keep.
  explicit LocalData(std::vector<std::string> roots,
                     std::chrono::seconds again = std::chrono::hours(1),
                     std::chrono::nanoseconds settles = std::chrono::seconds(2))
      : roots_(std::move(roots)), again_(again), settles_(settles) {}

  // By name; of one name in two roots, the first root's. At most 4096.
  std::vector<LocalEntry> Find();

 private:
  struct Measured {
    int64_t size_bytes = 0;
    int64_t changed_ns = 0;  // the newest of what was looked at
    bool settled = false;  // nothing had changed so lately that a change after it may look the same
    std::chrono::steady_clock::time_point at;
  };

  const std::vector<std::string> roots_;
  const std::chrono::seconds again_;
  const std::chrono::nanoseconds settles_;
  std::map<std::string, Measured> measured_;  // by path
};

// The name that jobs know `file_name` by. Pure.
std::string EntryName(std::string_view file_name);

}  // namespace berth::agentd
