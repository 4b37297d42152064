// What reads features out of submissions, as admission asks it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "berth/v1/types.pb.h"
#include "state/commands.h"

namespace berth::api {

// Threading: any thread.
class FeatureReader {
 public:
  struct Group {
    state::GroupFeatures features;
    // What takes the place of a default that would be filled in, and who says so; 0: nothing.
    int64_t cpu_milli = 0;
    int64_t memory_bytes = 0;
    std::string cpu_from, memory_from;
  };
  struct Reading {
    std::vector<Group> groups;  // one for each of the job
    std::vector<std::string> warnings;
  };

  virtual ~FeatureReader() = default;
  // Reads a job that `user` submits, of which no more is known than that its texts have their
  // bounds. Its name is filled in. Never fails: what cannot be read says nothing.
  virtual Reading ReadJob(const v1::JobSpec& job, const std::string& user) = 0;
};

}  // namespace berth::api
