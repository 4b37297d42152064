#include "state/node_spec.h"

namespace berth::state {

std::string ToString(const TaintSpec& taint) {
  std::string text = taint.key;
  if (!taint.value.empty()) text += "=" + taint.value;
  switch (taint.effect) {
    case TaintEffect::kNoSchedule:
      return text + ":NoSchedule";
    case TaintEffect::kPreferNoSchedule:
      return text + ":PreferNoSchedule";
    case TaintEffect::kNoExecute:
      return text + ":NoExecute";
  }
  return text;
}

}  // namespace berth::state
