#include "monitor/exporter.h"
#include "monitor/feature_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "base/small_file.h"
#include "monitor/loop_metrics.h"
#include "monitor/scorer_metrics.h"
#include "monitor/snapshot_metrics.h"
#include "monitor/store_metrics.h"
#include "observe/process_metrics.h"
#include "tests/support/fake_clock.h"
#include "tests/unit/monitor/http_client.h"

namespace berth::monitor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// With something in every field.
std::shared_ptr<scheduler::LoopSnapshot> SampleSnapshot(const base::Clock& clock) {
  auto loop = std::make_shared<scheduler::LoopSnapshot>();
  loop->epoch = 78;
  loop->durable_epoch = 77;
  loop->term = 3;
  loop->published_monotonic_ms = clock.MonotonicMs() - 250;
  loop->turns_total = 1'000;
  loop->turn_latency.Observe(15e-6);
  loop->turn_latency.Observe(30);
  loop->inbox_depth = {1, 2, 3};
  loop->inbox_refused_total = {4, 5, 6};
  loop->commands_total = {7, 8, 9};
  loop->schedule_attempts_total[0] = 10;
  loop->schedule_attempts_total[1] = 11;
  loop->schedule_attempts_total[2] = 12;
  loop->jobs = 13;
  loop->tasks[static_cast<size_t>(state::TaskState::kRunning)] = 14;
  loop->tasks_ended_total[1] = 15;
  loop->plugin_errors_total = {{"DeviceFit", 0}};
  loop->cluster_resources = {
      {.resource = "licence", .capacity = 20, .allocated = 5, .fullest = 0.25}};
  loop->parked_shapes = 16;
  loop->scored_shapes = {{.profile = "default", .scored = 36, .stale = 37, .unscored = 38}};
  loop->nodes = 17;
  loop->nodes_ready = 18;
  loop->nodes_cordoned = 19;
  loop->sessions = 20;
  loop->heartbeats_total = 21;
  loop->resources = {{"cpu", 8'500, 500},
                     {"memory", 1'024, 512},
                     {"storage", 3, 2},
                     {"bandwidth", 10, 8},
                     {"fpga_slots", 4, 1}};
  loop->commits_total = 22;
  loop->commit_bytes_total = 23;
  loop->commit_records_total = 24;
  loop->commit_latency.Observe(1e-3);
  loop->watchers = 25;
  return loop;
}

class ExporterTest : public ::testing::Test {
 protected:
  ExporterTest() {
    loop_ = SampleSnapshot(clock_);
    exporter_ = std::make_unique<Exporter>(
        health_, std::vector<std::shared_ptr<prometheus::Collectable>>{
                     std::make_shared<observe::ProcessMetrics>("0.1.0"),
                     std::make_shared<LoopMetrics>([this] { return loop_; }, clock_),
                     std::make_shared<ScorerMetrics>([] {
                       ScorerFacts facts{.profile = "default",
                                         .calls = {{"ok", 33}, {"timeout", 34}},
                                         .breaker = 2,
                                         .last_success_unix_ms = 1'767'225'600'500,
                                         .epoch = 35};
                       facts.duration.Observe(15e-6);
                       ScorerFacts other{.profile = "other"};
                       return std::vector<ScorerFacts>{facts, other};
                     }),
                     std::make_shared<FeatureMetrics>([] {
                       FeatureFacts facts{.groups_read = 36, .ends_learned = 37};
                       facts.calibration.push_back({.field = "memory",
                                                    .source = "history",
                                                    .outcomes = 38,
                                                    .coverage_ratio = 0.79,
                                                    .in_use = false});
                       facts.calibration.push_back({.field = "memory", .source = "rules"});
                       return facts;
                     }),
                     std::make_shared<SnapshotMetrics>([] {
                       return SnapshotFacts{.last_success_unix_ms = 1'767'225'600'500,
                                            .last_bytes = 29,
                                            .failures = 30};
                     }),
                     std::make_shared<StoreMetrics>([] {
                       return StoreSizes{.disk_bytes = 26,
                                         .memory_bytes = 27,
                                         .disk_free_bytes = 28,
                                         .output_tails_bytes = 31,
                                         .output_tails_dropped = 32};
                     })});
  }
  uint16_t Start() {
    const auto port = exporter_->Start("127.0.0.1:0");
    EXPECT_TRUE(port.ok()) << port.status();
    return port.ok() ? *port : 0;
  }

  const berth::testing::FakeClock clock_;
  Health health_;
  std::shared_ptr<const scheduler::LoopSnapshot> loop_;
  std::unique_ptr<Exporter> exporter_;
};

// ---- /metrics ----

TEST_F(ExporterTest, ServesItsMetricsAsPrometheusReadsThem) {
  const HttpAnswer answer = Get(Start(), "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.head, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  EXPECT_THAT(answer.body, AllOf(HasSubstr("\nberth_loop_durable_epoch 77\n"),
                                 HasSubstr("berth_build_info{version=\"0.1.0\"} 1\n"),
                                 HasSubstr("\nberth_store_disk_free_bytes 28\n"),
                                 HasSubstr("\nberth_feature_groups_read_total 36\n"),
                                 HasSubstr("\nberth_output_tails_bytes 31\n"),
                                 HasSubstr("\nberth_output_tails_dropped_total 32\n")));
}

TEST_F(ExporterTest, ShowsEachNumberOfTheLoopInItsPlace) {
  const std::string page = "\n" + exporter_->MetricsText();
  for (const std::string line : {
           "berth_loop_applied_epoch 78",
           "berth_loop_leader_term 3",
           "berth_loop_snapshot_age_seconds 0.25",
           "berth_loop_turns_total 1000",
           "berth_inbox_commands{class=\"agents\"} 1",
           "berth_inbox_commands{class=\"submissions\"} 3",
           "berth_commands_refused_total{class=\"operators\"} 5",
           "berth_commands_total{class=\"agents\"} 7",
           "berth_schedule_attempts_total{result=\"scheduled\"} 10",
           "berth_schedule_attempts_total{result=\"unschedulable\"} 11",
           "berth_schedule_attempts_total{result=\"error\"} 12",
           "berth_jobs 13",
           "berth_tasks{state=\"running\"} 14",
           "berth_tasks{state=\"queued\"} 0",
           "berth_tasks_ended_total{state=\"failed\"} 15",
           "berth_parked_shapes 16",
           "berth_scorer_shapes_scored{profile=\"default\"} 36",
           "berth_scorer_shapes_stale{profile=\"default\"} 37",
           "berth_scorer_shapes_unscored{profile=\"default\"} 38",
           "berth_scorer_calls_total{profile=\"default\",result=\"ok\"} 33",
           "berth_scorer_calls_total{profile=\"default\",result=\"timeout\"} 34",
           "berth_scorer_breaker_state{profile=\"default\"} 2",
           "berth_scorer_epoch{profile=\"default\"} 35",
           "berth_scorer_call_duration_seconds_count{profile=\"other\"} 0",
           "berth_nodes 17",
           "berth_nodes_ready 18",
           "berth_nodes_cordoned 19",
           "berth_agent_sessions 20",
           "berth_agent_heartbeats_total 21",
           "berth_store_commits_total 22",
           "berth_store_committed_bytes_total 23",
           "berth_store_committed_records_total 24",
           "berth_watches 25",
       }) {
    EXPECT_THAT(page, HasSubstr("\n" + line + "\n"));
  }
}

TEST_F(ExporterTest, ResourcesAreInBaseUnits) {
  const std::string page = exporter_->MetricsText();
  EXPECT_THAT(page, AllOf(HasSubstr("\nberth_cpu_capacity_cores 8.5\n"),
                          HasSubstr("\nberth_cpu_allocated_cores 0.5\n"),
                          HasSubstr("\nberth_memory_capacity_bytes 1073741824\n"),
                          HasSubstr("\nberth_storage_allocated_bytes 2097152\n"),
                          HasSubstr("\nberth_bandwidth_capacity_bytes_per_second 1250000\n"),
                          HasSubstr("\nberth_bandwidth_allocated_bytes_per_second 1000000\n")));
  EXPECT_THAT(page,
              AllOf(HasSubstr("\nberth_extended_resource_capacity{resource=\"fpga_slots\"} 4"),
                    HasSubstr("\nberth_extended_resource_allocated{resource=\"fpga_slots\"} 1")));
}

TEST_F(ExporterTest, DurationsAreCumulativeHistograms) {
  const std::string page = exporter_->MetricsText();
  EXPECT_THAT(page,
              AllOf(HasSubstr("berth_loop_turn_duration_seconds_bucket{le=\"1e-05\"} 0\n"),
                    HasSubstr("berth_loop_turn_duration_seconds_bucket{le=\"2e-05\"} 1\n"),
                    HasSubstr("berth_loop_turn_duration_seconds_bucket{le=\"+Inf\"} 2\n"),
                    HasSubstr("berth_loop_turn_duration_seconds_count 2\n"),
                    HasSubstr("berth_store_commit_duration_seconds_bucket{le=\"0.00128\"} 1\n")));
}

TEST_F(ExporterTest, BeforeTheLoopThereIsOnlyTheProcess) {
  loop_ = nullptr;
  EXPECT_THAT(exporter_->MetricsText(),
              AllOf(HasSubstr("berth_build_info"), Not(HasSubstr("berth_loop"))));
}

TEST_F(ExporterTest, PassesTheLinterOfPrometheus) {
  FILE* const promtool = ::popen("promtool check metrics", "w");
  ASSERT_NE(promtool, nullptr);
  const std::string page = exporter_->MetricsText();
  EXPECT_EQ(::fwrite(page.data(), 1, page.size(), promtool), page.size());
  const int status = ::pclose(promtool);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << "promtool (tools/setup.sh installs it) complains, above, about\n"
      << page;
}

// What a metric is, for people: "gauge, by state: Tasks that are kept, by state."
std::map<std::string, std::string> Described(const std::string& page) {
  std::map<std::string, std::string> help;
  std::map<std::string, std::string> type;
  std::map<std::string, std::set<std::string>> labels;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    std::string name;
    if (line.rfind("# HELP ", 0) == 0) {
      words >> word >> word >> name;
      std::getline(words >> std::ws, help[name]);
    } else if (line.rfind("# TYPE ", 0) == 0) {
      words >> word >> word >> name >> type[name];
    } else if (const size_t brace = line.find('{'); brace != std::string::npos) {
      name = line.substr(0, brace);
      for (const std::string part : {"_bucket", "_sum", "_count"}) {
        if (!name.ends_with(part)) continue;
        const std::string whole = name.substr(0, name.size() - part.size());
        if (type.contains(whole)) name = whole;
      }
      for (size_t at = brace + 1; at < line.size() && line[at - 1] != '}';) {
        const size_t equals = line.find('=', at);
        const std::string label = line.substr(at, equals - at);
        if (label != "le") labels[name].insert(label);
        at = line.find('"', equals + 2) + 2;  // past the value and what follows it
      }
    }
  }
  std::map<std::string, std::string> described;
  for (const auto& [name, text] : help) {
    described[name] = type[name];
    for (const std::string& label : labels[name]) described[name] += ", by " + label;
    described[name] += ": " + text;
  }
  return described;
}

TEST_F(ExporterTest, TheDocumentListsEachMetricAsItIs) {
  const auto document = base::ReadSmallFile("docs/metrics.md");
  ASSERT_TRUE(document.ok()) << document.status();
  // | `name` | type, by label | help |
  std::map<std::string, std::string> listed;
  std::istringstream lines(*document);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("| `", 0) != 0) continue;
    const size_t name_end = line.find("` | ");
    const size_t type_end = line.find(" | ", name_end + 4);
    ASSERT_NE(type_end, std::string::npos) << line;
    listed[line.substr(3, name_end - 3)] = line.substr(name_end + 4, type_end - name_end - 4) +
                                           ": " +
                                           line.substr(type_end + 3, line.size() - type_end - 5);
  }
  EXPECT_EQ(listed, Described(exporter_->MetricsText()));
}

// ---- /livez and /readyz ----

TEST_F(ExporterTest, AnswersProbes) {
  health_.AddState("recovered", {Probe::kReady}, absl::UnavailableError("reading the store"));
  const uint16_t port = Start();
  EXPECT_EQ(Get(port, "/livez").status, 200);
  EXPECT_EQ(Get(port, "/livez").body, "ok");
  EXPECT_EQ(Get(port, "/healthz").body, "ok");
  EXPECT_EQ(Get(port, "/readyz").status, 503);
  EXPECT_EQ(Get(port, "/readyz").body,
            "[+]ping ok\n[-]recovered failed: reading the store\nreadyz check failed\n");
  health_.Set("recovered", absl::OkStatus());
  EXPECT_EQ(Get(port, "/readyz").body, "ok");
  EXPECT_EQ(Get(port, "/readyz?verbose").body,
            "[+]ping ok\n[+]recovered ok\nreadyz check passed\n");
}

TEST_F(ExporterTest, LeavesOutWhatIsExcluded) {
  health_.AddState("store", {Probe::kReady}, absl::UnavailableError("no"));
  health_.AddState("loop", {Probe::kReady}, absl::UnavailableError("no"));
  const uint16_t port = Start();
  EXPECT_EQ(Get(port, "/readyz?exclude=store").status, 503);
  for (const std::string query : {"?exclude=store&exclude=loop", "?exclude=store,loop"}) {
    EXPECT_EQ(Get(port, "/readyz" + query).status, 200) << query;
    EXPECT_EQ(Get(port, "/readyz" + query + "&verbose").body,
              "[+]ping ok\n[+]store excluded: ok\n[+]loop excluded: ok\nreadyz check passed\n");
  }
}

TEST_F(ExporterTest, AnswersForASingleCheck) {
  health_.AddState("store", {Probe::kReady}, absl::UnavailableError("no"));
  const uint16_t port = Start();
  EXPECT_EQ(Get(port, "/readyz/ping").body, "ok");
  EXPECT_EQ(Get(port, "/readyz/store").status, 503);
  const HttpAnswer unknown = Get(port, "/livez/store");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("livez has no check \"store\"; /livez?verbose lists"));
}

TEST_F(ExporterTest, TellsALostVisitorWhatThereIs) {
  const HttpAnswer answer = Get(Start(), "/");
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, AllOf(HasSubstr("/metrics"), HasSubstr("/livez"), HasSubstr("/readyz")));
}

}  // namespace
}  // namespace berth::monitor
