// The cluster with no node cordoned.
#pragma once

#include "engine/forwarded_columns.h"

namespace berth::pipeline {

// The columns of `base`, which outlives this and does not change.
class UncordonedColumns final : public engine::ForwardedColumns {
 public:
  explicit UncordonedColumns(const NodeColumns& base)
      : ForwardedColumns(base), none_(base.size()) {}

  const NodeMask& cordoned() const override { return none_; }

 private:
  const NodeMask none_;
};

}  // namespace berth::pipeline
