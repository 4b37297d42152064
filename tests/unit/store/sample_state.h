// Values of state with something in every field, for the tests of this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "state/changes.h"
#include "state/views.h"
#include "store/change_log.h"
#include "store/history_entry.h"
#include "store/recover.h"

namespace berth::store {

// Two groups, "leader" with one task and "worker" with the array 10-18:4 (positions 0 to 2).
state::JobSpec SampleSpec();
// A stand-in for the encoded specification: its SHA-256 is SampleSpec().blob.
std::string SampleBlob();

state::ClusterMeta SampleMeta();
state::JobView SampleJob(uint64_t id = 12);
// worker 1 of job 12: its second attempt runs on slot 4.
state::TaskStatusView SampleTask();
state::NodeView SampleNode();
state::NodeLinkView SampleLink();
state::RequestView SampleRequest();
state::BatchView SampleBatch();
state::AuditView SampleAudit();
state::HistoryView SampleHistory();
state::ScoreSheet SampleSheet();
state::HintsChange SampleHints();
state::FeaturesChange SampleFeatures();
state::FeatureStateChange SampleLearned();
ChangeLogEntry SampleChanges();

// Read SampleBlob() and SampleNode()'s inventory, and refuse everything else.
SpecDecoders SampleDecoders();

// Everything above in one batch: the first epoch of a cluster of this id.
state::ChangeBatch SampleChangeBatch(const std::string& cluster_id);

}  // namespace berth::store
