// Small values that several messages share.
#pragma once

#include "berth/v1/agent.pb.h"
#include "berth/v1/types.pb.h"
#include "state/commands.h"
#include "state/node_spec.h"
#include "state/task_row.h"
#include "wire/field_path.h"

namespace berth::wire {

// Most labels of a job or a node, and most taints of a node.
inline constexpr int kMostLabels = 64;
inline constexpr int kMostTaints = 64;

v1::Usage ToProto(const state::Usage& usage);
// Amounts below 0 become 0: usage only informs.
state::Usage FromProto(const v1::Usage& usage);

v1::Taint ToProto(const state::TaintSpec& taint);
// What is wrong goes to `violations`, and the result then means nothing.
state::TaintSpec ReadTaint(const v1::Taint& taint, const FieldPath& path, Violations& violations);

// Keys as label keys, values of at most kMostValueBytes, at most kMostLabels; `field` is the map's.
void CheckLabels(const google::protobuf::Map<std::string, std::string>& labels,
                 const FieldPath& parent, std::string_view field, Violations& violations);

v1::AttemptKey ToProto(const state::AgentAttempt& attempt);
state::AgentAttempt FromProto(const v1::AttemptKey& key);

}  // namespace berth::wire
