#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace berth::testing {

// Leaves this process only so many descriptors.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t free) {
    const base::UniqueFd next(dup(STDERR_FILENO));
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(next.get()) + free;
    setrlimit(RLIMIT_NOFILE, &few);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

}  // namespace berth::testing
