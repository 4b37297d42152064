#include "state/needs_spec.h"

namespace berth::state {

SharedNeeds::SharedNeeds() {
  static const auto* const kNone = new std::shared_ptr<NeedsSpec>(std::make_shared<NeedsSpec>());
  needs_ = *kNone;
}

}  // namespace berth::state
