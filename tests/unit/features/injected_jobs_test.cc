// Hostile texts (tests/data/features/injections.yaml) in jobs, through reading and admission: what
// a job asks for, may have and is allowed stays as it is, whatever its texts say.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/admission.h"
#include "base/utf8.h"
#include "features/feature_service.h"

namespace berth::features {
namespace {

constexpr int64_t kSubmittedAt = 1'790'000'000'000;

std::string TextOf(const YAML::Node& node) {
  const std::string hex = node["hex"].as<std::string>("");
  std::string whole;
  for (size_t i = 0; i + 1 < hex.size(); i += 3) {
    whole += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  for (int i = node["repeat"].as<int>(1); i > 0; --i) whole += node["text"].as<std::string>();
  return whole;
}

berth::v1::JobSpec JobWith(const std::string& field, const std::string& text) {
  berth::v1::JobSpec job;
  job.set_name("train");
  job.set_priority(3);
  berth::v1::TaskTemplate& task = *job.add_groups()->mutable_template_();
  berth::v1::Payload& payload = *task.mutable_payload();
  payload.set_script("#!/bin/sh\npython train.py --model bert\n");
  const std::string valid = base::ToValidUtf8(text);
  if (field == "name") job.set_name(valid);
  if (field == "description") job.set_description(valid);
  if (field == "script") payload.set_script(text);
  if (field == "command") payload.add_command(valid);
  if (field == "image") payload.set_image(valid);
  return job;
}

class Reader final : public api::FeatureReader {
 public:
  explicit Reader(FeatureService& service) : service_(service) {}
  Reading ReadJob(const berth::v1::JobSpec& job, const std::string& user) override {
    FeatureService::Reading read = service_.ReadJob(job, user, job.name(), kSubmittedAt);
    Reading reading;
    for (size_t g = 0; g < read.groups.size(); ++g) {
      reading.groups.push_back({.features = std::move(read.groups[g]),
                                .cpu_milli = read.fills[g].cpu_milli,
                                .memory_bytes = read.fills[g].memory_bytes,
                                .cpu_from = read.fills[g].cpu_from,
                                .memory_from = read.fills[g].memory_from});
    }
    reading.warnings = std::move(read.warnings);
    return reading;
  }

 private:
  FeatureService& service_;
};

FeatureService ServiceOf(FillPolicy fill) {
  auto tables = DefaultTables();
  EXPECT_TRUE(tables.ok()) << tables.status();
  return {
      FeatureOptions{.fill = fill, .fill_by_namespace = {}}, Rules(*std::move(tables)),
      FeatureService::Hooks{
          .read_record = [](JobId, uint32_t) -> absl::StatusOr<std::string> {
            return absl::NotFoundError("none");
          },
          .keep = [](std::vector<state::KeepFeatureState::Piece>) { return absl::OkStatus(); }}};
}

bool IsPlain(const std::string& text) {
  return base::IsValidUtf8(text) && text.find('\x1b') == std::string::npos &&
         text.find('\n') == std::string::npos;
}

TEST(InjectedJobsTest, NoTextChangesWhatAJobAsksForOrMay) {
  FeatureService suggesting = ServiceOf(FillPolicy::kSuggest);
  Reader reader(suggesting);
  int admitted_jobs = 0;
  for (const YAML::Node& node : YAML::LoadFile("tests/data/features/injections.yaml")) {
    SCOPED_TRACE(node["id"].as<std::string>());
    const berth::v1::JobSpec job = JobWith(node["in"].as<std::string>(), TextOf(node));
    api::AdmissionOptions plain;
    api::AdmissionOptions reading = plain;
    reading.features = &reader;
    const auto before = api::Admit(job, plain, "uid:1");
    const auto after = api::Admit(job, reading, "uid:1");
    ASSERT_EQ(before.index(), after.index());
    if (const auto* refusal = std::get_if<wire::Refusal>(&after)) {
      EXPECT_EQ(refusal->message, std::get<wire::Refusal>(before).message);
      continue;
    }
    ++admitted_jobs;
    const auto& without = std::get<api::AdmittedJob>(before);
    const auto& with = std::get<api::AdmittedJob>(after);
    // Byte for byte: name, namespace, queue, priority, requests, devices, node selection, powers.
    EXPECT_EQ(*without.blob, *with.blob);
    EXPECT_EQ(without.defaults_applied, with.defaults_applied);
    ASSERT_EQ(with.features.size(), 1u);
    EXPECT_EQ(with.features[0].hints.expected_ms, 0) << "no text moves a job in the queue";
    EXPECT_LE(with.features[0].hints.data.size(), state::kMostDataHints);
    for (const std::string& warning : with.warnings) EXPECT_TRUE(IsPlain(warning)) << warning;
  }
  EXPECT_GE(admitted_jobs, 50) << "of 135; the others are refused for their texts alone";
}

TEST(InjectedJobsTest, WhatFillsIsWithinBoundsAndOnlyWhatWasLeftOpen) {
  FeatureService applying = ServiceOf(FillPolicy::kApply);
  for (const YAML::Node& node : YAML::LoadFile("tests/data/features/injections.yaml")) {
    SCOPED_TRACE(node["id"].as<std::string>());
    berth::v1::JobSpec job = JobWith(node["in"].as<std::string>(), TextOf(node));
    const auto open = applying.ReadJob(job, "uid:1", job.name(), kSubmittedAt);
    EXPECT_GE(open.fills.at(0).cpu_milli, 0);
    EXPECT_LE(open.fills.at(0).cpu_milli, 8'192'000);
    EXPECT_GE(open.fills.at(0).memory_bytes, 0);
    EXPECT_LE(open.fills.at(0).memory_bytes, int64_t{64} << 40);
    berth::v1::Resources& asked = *job.mutable_groups(0)->mutable_template_()->mutable_resources();
    asked.set_cpu_milli(100);
    asked.set_memory_bytes(1 << 20);
    const auto given = applying.ReadJob(job, "uid:1", job.name(), kSubmittedAt);
    EXPECT_EQ(given.fills.at(0).cpu_milli, 0);
    EXPECT_EQ(given.fills.at(0).memory_bytes, 0);
  }
}

}  // namespace
}  // namespace berth::features
