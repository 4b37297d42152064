// What leaves the loop, as messages of the wire.
#pragma once

#include <string>

#include "berth/v1/admin.pb.h"
#include "berth/v1/agent.pb.h"
#include "berth/v1/types.pb.h"
#include "scheduler/reply.h"
#include "state/views.h"

namespace berth::api {

// All that a state::JobSpec holds. Payloads, description and annotations are in the blob alone.
v1::JobSpec ToProto(const state::JobSpec& spec);

// `spec` is left to the caller when `with_spec` is false: GetJob takes it from the blob.
enum class SpecPart { kIncluded, kLeftOut };
v1::Job ToProto(const state::JobView& job, SpecPart spec = SpecPart::kIncluded);

// Names the attempt of `row` that belongs to this task.
v1::Attempt ToProto(const state::TaskStatusView& task, const state::AttemptRow& attempt);
v1::Task ToProto(const state::TaskStatusView& task);

// The inventory that the node sent is decoded for its devices and data; a record of it that cannot
// be read leaves them out.
v1::Node ToProto(const state::NodeView& node);

v1::Decision ToProto(const state::Decision& decision, const std::string& node);
// `id`: of what was not found, as the request has it.
v1::ReconcileResult ToProto(const scheduler::SettleReply::Result& result, const std::string& id);
v1::Explanation ToProto(const scheduler::ExplainReply& reply);
v1::Explanation ToProto(const scheduler::PlanReply::Task& task, const state::JobSpec& spec);

v1::Placeability ToProto(pipeline::Placeability placeability);

}  // namespace berth::api
