// What the store is divided into. The key's form in each is written down in record_keys.h.
#pragma once

#include <array>
#include <string_view>

namespace berth::store {

// The letters are part of what is on disk: never give one another meaning.
enum class Table : char {
  kMeta = 'm',       // one record: the cluster's own numbers
  kJobs = 'j',       // one a job
  kTasks = 't',      // one for each task that differs from its group
  kNodes = 'n',      // one a slot that holds a node
  kNodeLinks = 'l',  // one a slot: the conversation with its agent
  kRequests = 'r',   // first answers to request ids
  kBatches = 'b',    // how far batches of submissions have come
  kSheets = 's',     // names and weights that bindings' scores stand for, by content
  kBlobs = 'x',      // content by its SHA-256
  kChangeLog = 'c',  // ids that each of the last epochs changed
  kAudit = 'a',      // journal: who did what
  kHistory = 'h',    // journal: what each attempt asked for and used
  kFeatures = 'f',   // what is thought of a job's group, by part
  kLearned = 'e',    // what was learned from ended tasks, in pieces
};

inline constexpr std::array kTables = {
    Table::kMeta,     Table::kJobs,    Table::kTasks,    Table::kNodes,  Table::kNodeLinks,
    Table::kRequests, Table::kBatches, Table::kSheets,   Table::kBlobs,  Table::kChangeLog,
    Table::kAudit,    Table::kHistory, Table::kFeatures, Table::kLearned};

// "tasks".
std::string_view ToString(Table table);

}  // namespace berth::store
