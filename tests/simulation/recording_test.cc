// What agents and berthd of version 1 said to one another is understood by those of today: one side
// of a recorded conversation is played to the other side as it is now, both ways round.
//
// The recording was made by the code of version 1 and is never made anew; a later version adds its
// own (BERTH_WRITE_GOLDEN=1 writes a file that is not there).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agentd/agent_core.h"
#include "agents/agent_messages.h"
#include "agents/daemon_messages.h"
#include "tests/simulation/workload.h"
#include "tests/support/turn_harness.h"

namespace berth::simulation {
namespace {

using agentd::AttemptKey;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr char kRecording[] = "tests/data/records/agent_stream_v1.bin";

// What happened, in order: 'u' a message up, 'd' a message down, and what nobody says on the
// stream: 'c' a client asks ("submit", "cancel 2"), 'p' a process ("started 1", "ended 1 0 0"), 'l'
// the link
// ("up", "down"), 't' a heartbeat is due.
struct Step {
  char kind = 0;
  std::string text;
};

std::vector<Step> Load() {
  std::ifstream file(kRecording, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<Step> steps;
  for (size_t at = 0; at + 5 <= bytes.size();) {
    uint32_t length = 0;
    for (int i = 3; i >= 0; --i) length = length << 8 | static_cast<uint8_t>(bytes[at + 1 + i]);
    steps.push_back({bytes[at], bytes.substr(at + 5, length)});
    at += 5 + length;
  }
  return steps;
}

void Save(const std::vector<Step>& steps) {
  std::ofstream file(kRecording, std::ios::binary);
  for (const Step& step : steps) {
    file.put(step.kind);
    for (int i = 0; i < 4; ++i) file.put(static_cast<char>(step.text.size() >> (8 * i)));
    file << step.text;
  }
}

// berthd's side.
class Daemon {
 public:
  explicit Daemon(std::function<void(std::string)> down)
      : messages_([](const std::string&) { return Templates()[0].job.blob; },
                  [down = std::move(down)](uint64_t, v1::DaemonMessage message) {
                    down(message.SerializeAsString());
                  }) {}

  void Link(bool up) {
    if (up) {
      reader_.emplace(++stream_);
    } else {
      loop_.Ask(state::CloseSession{stream_});
    }
  }
  void Client(const std::string& what) {
    if (what == "submit") {
      state::SubmitJob submit;
      submit.spec = Templates()[0].job.spec;
      submit.blob = Templates()[0].job.blob;
      EXPECT_TRUE(loop_.Ask(std::move(submit)).status.ok());
    } else {
      state::Cancel cancel;
      cancel.objects.push_back({.job = JobId{std::stoull(what.substr(7))}});
      EXPECT_TRUE(loop_.Ask(std::move(cancel)).status.ok());
    }
    Deliver();
  }
  void Take(const std::string& bytes) {
    v1::AgentMessage message;
    ASSERT_TRUE(message.ParseFromString(bytes));
    auto read = reader_->Take(message);
    ASSERT_TRUE(std::holds_alternative<state::CommandBody>(read)) << message.DebugString();
    EXPECT_TRUE(loop_.Ask(std::move(std::get<state::CommandBody>(read))).status.ok());
    Deliver();
  }
  state::TaskStatusView TaskOf(uint64_t job) { return loop_.TaskOf(JobId{job}); }

 private:
  void Deliver() {
    for (const state::AgentEffect& effect : std::exchange(loop_.effects, {})) {
      std::visit(
          [this](const auto& each) {
            if constexpr (std::is_same_v<std::decay_t<decltype(each)>, state::RefuseAgent>) {
              ADD_FAILURE() << "the stream is refused: " << each.message;
            } else {
              messages_.Write(each);
            }
          },
          effect);
    }
  }

  scheduler::TurnHarness loop_;
  agents::DaemonMessages messages_;
  std::optional<agents::AgentMessages> reader_;
  uint64_t stream_ = 0;
};

// The agent's side.
class Agent {
 public:
  explicit Agent(std::function<void(std::string)> up)
      : up_(std::move(up)), core_(OptionsOfAgent()) {
    Handle(agentd::Began{"boot-1", {}});
  }

  void Link(bool up) {
    if (up) {
      Handle(agentd::LinkUp{++link_});
    } else {
      Handle(agentd::LinkDown{link_});
    }
  }
  void Take(const std::string& bytes) {
    agentd::MessageReceived received{link_, {}};
    ASSERT_TRUE(received.message.ParseFromString(bytes));
    Handle(std::move(received));
  }
  void Tick() {
    now_ms_ += 20'000;
    Handle(agentd::DeadlinePassed{});
  }
  void Process(const std::string& what) {
    const size_t space = what.find(' ');
    const AttemptKey key{std::stoull(what.substr(space + 1)), 0, 0, 1};
    if (what.starts_with("started")) {
      agentd::TaskStarted started{key, {}};
      started.started.set_unix_ms(1000);
      Handle(std::move(started));
    } else {
      agentd::TaskEnded ended{key, {}};
      const int signal = std::stoi(what.substr(what.rfind(' ') + 1));
      ended.outcome.signal = signal;
      if (signal != 0) ended.outcome.cause = agentd::TaskOutcome::Cause::kStopped;
      Handle(std::move(ended));
    }
  }

  const agentd::AgentCore& core() const { return core_; }
  std::vector<uint64_t> launched, stopped;
  std::vector<std::string> closed;

 private:
  static agentd::AgentCore::Options OptionsOfAgent() {
    agentd::AgentCore::Options options;
    options.node = "n1";
    options.version = "0.1.0";
    options.isolation = "none";
    options.inventory.mutable_capacity()->set_cpu_milli(4000);
    options.inventory.mutable_capacity()->set_memory_bytes(int64_t{8} << 30);
    options.fresh_incarnation = "journal-n1";
    return options;
  }
  void Handle(agentd::Event event) {
    Carry(core_.Handle(std::move(event), now_ms_));
    Carry(core_.EndTurn());
  }
  void Carry(std::vector<agentd::Effect> effects) {
    for (agentd::Effect& effect : effects) {
      if (auto* send = std::get_if<agentd::Send>(&effect)) {
        up_(send->message.SerializeAsString());
      } else if (const auto* launch = std::get_if<agentd::Launch>(&effect)) {
        launched.push_back(launch->key.job_id);
      } else if (const auto* stop = std::get_if<agentd::StopAttempt>(&effect)) {
        stopped.push_back(stop->key.job_id);
      } else if (const auto* close = std::get_if<agentd::CloseLink>(&effect)) {
        closed.push_back(close->reason);
      } else if (std::holds_alternative<agentd::SampleUsage>(effect)) {
        agentd::UsageSampled sampled;
        sampled.node.set_memory_bytes(1 << 20);
        sampled.boot_time_ms = now_ms_;
        sampled.unix_ms = 5000;
        Handle(std::move(sampled));
      }
    }
  }

  const std::function<void(std::string)> up_;
  agentd::AgentCore core_;
  uint64_t link_ = 0;
  int64_t now_ms_ = 1000;
};

// Three jobs of one task: the first ends by itself, the second is cancelled, the third outlives a
// break of the connection.
const std::vector<Step>& Script() {
  static const std::vector<Step> script = {
      {'l', "up"},         {'t', ""},          {'c', "submit"},    {'p', "started 1"},
      {'c', "submit"},     {'p', "started 2"}, {'p', "ended 1 0"}, {'c', "cancel 2"},
      {'p', "ended 2 15"}, {'c', "submit"},    {'l', "down"},      {'p', "started 3"},
      {'l', "up"},         {'t', ""},
  };
  return script;
}

// Lets both sides of today speak, and writes down what was said.
std::vector<Step> Record() {
  std::vector<Step> steps;
  std::vector<Step> said;  // and not heard yet
  Daemon daemon([&](std::string bytes) { said.push_back({'d', std::move(bytes)}); });
  Agent agent([&](std::string bytes) { said.push_back({'u', std::move(bytes)}); });
  bool up = false;
  for (const Step& step : Script()) {
    steps.push_back(step);
    if (step.kind == 'l') {
      up = step.text == "up";
      daemon.Link(up);
      agent.Link(up);
    }
    if (step.kind == 'c') daemon.Client(step.text);
    if (step.kind == 'p') agent.Process(step.text);
    if (step.kind == 't') agent.Tick();
    while (!said.empty()) {
      const Step next = said.front();
      said.erase(said.begin());
      if (!up) continue;
      steps.push_back(next);
      next.kind == 'u' ? daemon.Take(next.text) : agent.Take(next.text);
    }
  }
  return steps;
}

void CheckDaemon(Daemon& daemon) {
  EXPECT_EQ(daemon.TaskOf(1).row.state, state::TaskState::kSucceeded);
  EXPECT_EQ(daemon.TaskOf(2).row.state, state::TaskState::kCancelled);
  EXPECT_EQ(daemon.TaskOf(2).row.attempt.signal, 15);
  EXPECT_EQ(daemon.TaskOf(3).row.state, state::TaskState::kRunning);
  EXPECT_EQ(daemon.TaskOf(3).row.attempt.number, 1u);
  EXPECT_EQ(daemon.TaskOf(3).row.attempt.started_unix_ms, 1000);
}

void CheckAgent(const Agent& agent) {
  EXPECT_THAT(agent.launched, ElementsAre(1, 2, 3));
  EXPECT_THAT(agent.stopped, ElementsAre(2));
  EXPECT_THAT(agent.closed, ElementsAre());
  EXPECT_FALSE(agent.core().Knows({1, 0, 0, 1}));
  EXPECT_FALSE(agent.core().Knows({2, 0, 0, 1}));
  EXPECT_TRUE(agent.core().IsLive({3, 0, 0, 1}));
}

TEST(RecordingTest, BothSidesOfTodayUnderstandOneAnother) {
  const std::vector<Step> steps = Record();
  if (std::getenv("BERTH_WRITE_GOLDEN") != nullptr && Load().empty()) Save(steps);
  std::set<char> kinds;
  for (const Step& step : steps) kinds.insert(step.kind);
  EXPECT_THAT(kinds, UnorderedElementsAre('u', 'd', 'c', 'p', 'l', 't'));
}

TEST(RecordingTest, BerthdUnderstandsAnAgentOfVersion1) {
  const std::vector<Step> steps = Load();
  ASSERT_FALSE(steps.empty()) << kRecording << " is missing";
  Daemon daemon([](const std::string&) {});
  for (const Step& step : steps) {
    if (step.kind == 'l') daemon.Link(step.text == "up");
    if (step.kind == 'c') daemon.Client(step.text);
    if (step.kind == 'u') daemon.Take(step.text);
  }
  CheckDaemon(daemon);
}

TEST(RecordingTest, AnAgentUnderstandsBerthdOfVersion1) {
  const std::vector<Step> steps = Load();
  ASSERT_FALSE(steps.empty()) << kRecording << " is missing";
  Agent agent([](const std::string&) {});
  for (const Step& step : steps) {
    if (step.kind == 'l') agent.Link(step.text == "up");
    if (step.kind == 'p') agent.Process(step.text);
    if (step.kind == 't') agent.Tick();
    if (step.kind == 'd') agent.Take(step.text);
  }
  CheckAgent(agent);
}

}  // namespace
}  // namespace berth::simulation
