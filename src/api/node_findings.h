// What berthd itself knows of a node's health, in words.
#pragma once

#include <string_view>

#include "berth/v1/types.pb.h"
#include "scheduler/reply.h"

namespace berth::api {

// `version`: berthd's.
v1::Diagnosis DiagnosisOf(const scheduler::NodeHealthReply& health, std::string_view version);

// Worst first; what is as bad stays in its order.
void SortFindings(v1::Diagnosis& diagnosis);

}  // namespace berth::api
