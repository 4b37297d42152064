// From the loop's directives to the agents' messages: attaches what the loop does not hold.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "berth/v1/agent.pb.h"
#include "berth/v1/types.pb.h"
#include "state/effects.h"

namespace berth::agents {

// Content by its address; any thread.
using BlobReader =
    std::function<absl::StatusOr<std::shared_ptr<const std::string>>(const std::string& hash)>;

// Threading: one thread at a time (the releasing thread).
class Dispatcher {
 public:
  explicit Dispatcher(BlobReader blobs) : blobs_(std::move(blobs)) {}

  // Fills `message` with the directive, payload included.
  // DATA_LOSS or NOT_FOUND: the job's specification cannot be read; the message names the task.
  // Cost: a copy of the payload; a read of the store when the job was not met lately.
  absl::Status Fill(const state::Directive& directive, v1::Directive& message);

 private:
  using ParsedSpec = std::shared_ptr<const v1::JobSpec>;

  absl::StatusOr<ParsedSpec> SpecOf(const std::string& hash);
  absl::Status Fill(const state::StartTask& start, v1::StartTask& message);

  // Specifications met lately, the latest first.
  static constexpr size_t kMostSpecs = 256;
  const BlobReader blobs_;
  std::list<std::pair<std::string, ParsedSpec>> recent_;
  std::map<std::string, std::list<std::pair<std::string, ParsedSpec>>::iterator> by_hash_;
};

}  // namespace berth::agents
