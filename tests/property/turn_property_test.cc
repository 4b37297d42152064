// Random histories of the loop, with agents that behave and agents that do not. After every turn
// the books must be in order; again and again the state is rebuilt from what was committed and must
// be the same.
//
// The seed is printed; BERTH_SEED=<n> runs one again, BERTH_STEPS=<n> sets how long.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "scheduler/recovery.h"
#include "store/batch_encoder.h"
#include "store/memory_store.h"
#include "store/recover.h"
#include "tests/support/turn_harness.h"

namespace berth::scheduler {
namespace {

using state::TaskState;

// What an agent has on its node.
struct Agent {
  std::string node;
  uint64_t stream = 0;  // 0: not connected
  int incarnation = 0;
  uint64_t heard = 0;
  uint64_t fact_sequence = 0;
  std::string devices = "abc";  // ids in inventory order, a letter each
  std::vector<state::AgentFact> unacknowledged;
  std::map<state::AgentAttempt, bool> attempts;  // → is running
  std::map<state::AgentAttempt, state::AttemptFinish> ends;
};

class History {
 public:
  explicit History(uint64_t seed) : rng_(seed) {
    for (int i = 0; i < 4; ++i) agents_.push_back({.node = "n" + std::to_string(i)});
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      Step();
      TakeEffects();
      CheckBooks();
      CommitBatches();
      if (step % 50 == 49) CheckRecovery();
    }
  }

  // Faults stop; everything must end.
  void RunToTheEnd() {
    faults_ = false;
    for (Agent& agent : agents_) {
      if (agent.stream == 0) Connect(agent, true);
      ChangeDevices(agent, "abc");
      loop_.Ask(state::SetCordon{agent.node, false});
    }
    for (int round = 0; round < 5000; ++round) {
      loop_.now_ms += 400'000;
      loop_.Run();
      TakeEffects();
      for (Agent& agent : agents_) {
        SendFacts(agent);
        TakeEffects();
        std::vector<state::AgentAttempt> running;
        for (const auto& [attempt, is_running] : agent.attempts) {
          if (is_running) running.push_back(attempt);
        }
        for (const auto& attempt : running) End(agent, attempt, 0);
      }
      if (Unfinished() == 0) break;
    }
    EXPECT_EQ(Unfinished(), 0);
    CommitBatches();
    CheckBooks();
    CheckRecovery();
  }

 private:
  uint64_t Below(uint64_t bound) { return rng_.Uniform(bound); }
  Agent& AnyAgent() { return agents_[Below(agents_.size())]; }

  int64_t Unfinished() {
    const auto& counts = loop_.turn().state().task_counts();
    int64_t n = 0;
    for (size_t i = 1; i < counts.size(); ++i) {
      if (!state::IsTerminal(static_cast<TaskState>(i))) n += counts[i];
    }
    return n;
  }

  void Step() {
    ++loop_.now_ms;
    Agent& agent = AnyAgent();
    switch (Below(11)) {
      case 0:
      case 1:
        Submit();
        break;
      case 2:
        if (agent.stream == 0) {
          Connect(agent, Below(8) != 0);
        } else if (Below(3) == 0) {
          Disconnect(agent);
        }
        break;
      case 3:
        Cancel();
        break;
      case 4:
        loop_.now_ms += static_cast<int64_t>(Below(5000));
        loop_.Run();
        break;
      case 5:
        loop_.Ask(state::SetCordon{agent.node, Below(2) == 0});
        break;
      case 6:
      case 7:
        if (!agent.attempts.empty()) {
          auto it = agent.attempts.begin();
          std::advance(it, Below(agent.attempts.size()));
          if (it->second) End(agent, state::AgentAttempt(it->first), Below(3) == 0 ? 1 : 0);
        }
        break;
      case 8:
        if (Below(3) == 0) ChangeDevices(agent, Shuffled());
        break;
      default:
        SendFacts(agent);
        break;
    }
  }

  void Submit() {
    state::SubmitJob submit;
    auto spec = std::make_shared<state::JobSpec>();
    spec->ns = "default";
    spec->name = "job";
    spec->queue = "default";
    spec->profile = "default";
    spec->priority = static_cast<int32_t>(Below(3));
    spec->groups.resize(1 + Below(2));
    for (size_t g = 0; g < spec->groups.size(); ++g) {
      state::GroupSpec& group = spec->groups[g];
      group.name = "g" + std::to_string(g);
      group.ranges = {{0, static_cast<uint32_t>(Below(6)), 1 + static_cast<uint32_t>(Below(2))}};
      group.retries = static_cast<int32_t>(Below(3));
      group.needs.Edit().requests.builtin = {static_cast<int32_t>(100 * (1 + Below(15))), 64, 0, 0};
      const auto count = static_cast<int32_t>(Below(4));
      if (count == 1) group.needs.Edit().devices = {{.kind = "gpu", .share_milli = 400}};
      if (count >= 2) group.needs.Edit().devices = {{.kind = "gpu", .count = count - 1}};
    }
    const std::string content = std::to_string(specs_.size());
    spec->blob = base::Sha256Of(content);
    specs_.push_back(*spec);
    submit.spec = spec;
    submit.blob = std::make_shared<const std::string>(content);
    if (Below(2) == 0) {
      submit.request_id = "r" + std::to_string(specs_.size());
      submit.body_hash = "h";
    }
    const Reply reply = loop_.Ask(submit);
    ASSERT_TRUE(reply.status.ok()) << reply.status;
    const JobId job = std::get<SubmitReply>(reply.body).job;
    EXPECT_TRUE(jobs_.insert(job.value).second) << "job id " << job.value << " came twice";
  }

  void Cancel() {
    if (jobs_.empty()) return;
    auto it = jobs_.begin();
    std::advance(it, Below(jobs_.size()));
    state::ObjectRef object{.job = JobId{*it}};
    if (Below(2) == 0) {
      object.has_task = true;
      object.group = "g0";
      object.index = static_cast<int64_t>(Below(4));
    }
    loop_.Ask(state::Cancel{.objects = {object}});
  }

  void Connect(Agent& agent, bool has_journal) {
    if (!has_journal) {
      // The machine was set up anew: nothing of before is known or runs.
      agent = {.node = agent.node, .incarnation = agent.incarnation + 1};
    }
    if (faults_ && Below(4) == 0) agent.devices = Shuffled();
    agent.stream = loop_.next_stream++;
    state::OpenSession hello = TurnHarness::Hello(agent.node, agent.stream, 2000, 4096);
    hello.node = NodeOf(agent.node, agent.devices);
    hello.incarnation = agent.node + "/" + std::to_string(agent.incarnation);
    hello.directive_sequence = agent.heard;
    for (const auto& [attempt, is_running] : agent.attempts) {
      state::AttemptReport report{.attempt = attempt, .phase = state::AttemptPhase::kRunning};
      if (!is_running) {
        report.phase = state::AttemptPhase::kEnded;
        report.ended = agent.ends.at(attempt);
      }
      hello.attempts.push_back(std::move(report));
    }
    EXPECT_TRUE(loop_.Ask(hello).status.ok());
  }

  // Some of the devices, in any order.
  std::string Shuffled() {
    std::string left = "abcd";
    std::string drawn;
    for (uint64_t n = Below(4); n > 0; --n) {
      const size_t at = Below(left.size());
      drawn.push_back(left[at]);
      left.erase(at, 1);
    }
    return drawn;
  }

  static state::NodeSpec NodeOf(const std::string& name, const std::string& devices) {
    state::NodeSpec node = TurnHarness::Hello(name, 0, 2000, 4096).node;
    for (const char id : devices) node.devices.push_back({.id = std::string(1, id), .kind = "gpu"});
    node.encoded_inventory = std::make_shared<const std::string>(devices);
    return node;
  }

  void ChangeDevices(Agent& agent, const std::string& devices) {
    if (agent.stream == 0) return;
    agent.devices = devices;
    loop_.Ask(state::InventoryChanged{agent.stream, NodeOf(agent.node, devices)});
  }

  void Disconnect(Agent& agent) {
    // What was under way to it is lost, facts and directives alike.
    TakeEffects();
    loop_.Ask(state::CloseSession{agent.stream});
    agent.stream = 0;
  }

  void TakeEffects() {
    for (state::AgentEffect& effect : loop_.effects) {
      if (auto* sent = std::get_if<state::SendDirectives>(&effect)) {
        for (Agent& agent : agents_) {
          if (agent.stream != sent->stream) continue;
          // Now and then the end of a batch is lost with the stream.
          for (const auto& directive : sent->directives) {
            if (faults_ && Below(40) == 0) {
              lost_streams_.insert(agent.stream);
            }
            if (lost_streams_.contains(agent.stream)) break;
            Hear(agent, directive);
          }
        }
      } else if (auto* ack = std::get_if<state::AckFacts>(&effect)) {
        for (Agent& agent : agents_) {
          if (agent.stream != ack->stream) continue;
          std::erase_if(agent.unacknowledged,
                        [&](const auto& fact) { return fact.sequence <= ack->sequence; });
        }
      }
    }
    loop_.effects.clear();
    for (Agent& agent : agents_) {
      if (lost_streams_.contains(agent.stream)) {
        loop_.Ask(state::CloseSession{agent.stream});
        agent.stream = 0;
      }
    }
  }

  void Hear(Agent& agent, const state::Directive& directive) {
    std::visit(
        [&](const auto& d) {
          EXPECT_GT(d.sequence, agent.heard) << "a directive's sequence went back";
          agent.heard = d.sequence;
        },
        directive);
    if (const auto* start = std::get_if<state::StartTask>(&directive)) {
      // The invariant of all: no attempt is ever started twice, on whatever node.
      EXPECT_TRUE(started_.insert(start->attempt).second)
          << "attempt " << start->attempt.job.value << "." << start->attempt.group << "."
          << start->attempt.index << "#" << start->attempt.attempt << " was started twice";
      agent.attempts[start->attempt] = true;
      AddFact(agent, {.attempt = start->attempt});
      state::AgentFact started{.attempt = start->attempt};
      started.started = state::AttemptStart{.unix_ms = 1, .isolation = "none"};
      AddFact(agent, started);
    } else if (const auto* stop = std::get_if<state::StopTask>(&directive)) {
      const auto it = agent.attempts.find(stop->attempt);
      if (it != agent.attempts.end() && !it->second) return;
      state::AgentFact ended{.attempt = stop->attempt};
      ended.ended = state::AttemptFinish{};
      ended.ended->end = stop->end;
      ended.ended->signal = 15;
      if (it != agent.attempts.end()) it->second = false;
      agent.ends[stop->attempt] = *ended.ended;
      AddFact(agent, ended);
    } else {
      agent.attempts.erase(std::get<state::ForgetAttempt>(directive).attempt);
    }
  }

  void End(Agent& agent, const state::AgentAttempt& attempt, int32_t code) {
    agent.attempts[attempt] = false;
    state::AgentFact ended{.attempt = attempt};
    ended.ended = TurnHarness::Exit(code);
    agent.ends[attempt] = *ended.ended;
    AddFact(agent, ended);
  }

  void AddFact(Agent& agent, state::AgentFact fact) {
    fact.sequence = ++agent.fact_sequence;
    agent.unacknowledged.push_back(std::move(fact));
  }

  void SendFacts(Agent& agent) {
    if (agent.stream == 0 || agent.unacknowledged.empty()) return;
    // All from the start, as after a reconnect: most of them for the second time.
    loop_.Ask(state::AgentFacts{.stream = agent.stream, .facts = agent.unacknowledged});
  }

  void CheckBooks() {
    const state::ClusterState& cluster = loop_.turn().state();
    const state::NodeTable& nodes = cluster.nodes();
    std::vector<int64_t> cpu(nodes.size(), 0);
    std::map<std::pair<Slot, std::string>, int32_t> held;  // of a device, in thousandths
    state::TaskCounts all{};
    for (const auto& [id, job] : cluster.jobs()) {
      state::TaskCounts counts{};
      for (uint32_t g = 0; g < job->groups.size(); ++g) {
        const state::GroupRow& group = job->groups[g];
        counts[static_cast<size_t>(group.rest)] += group.rest_count();
        for (const auto& [p, row] : group.rows) {
          ++counts[static_cast<size_t>(row.state)];
          EXPECT_EQ(row.slot != kNoSlot, state::HoldsResources(row.state));
          if (row.slot == kNoSlot) continue;
          cpu[row.slot] += cluster.requirements().Get(group.shape).requests[kCpu];
          EXPECT_TRUE(cluster.TasksOn(row.slot).contains({id, g, p}));
          EXPECT_EQ(nodes.DeviceIds(row.slot, row.reservation), row.attempt.device_ids);
          for (size_t i = 0; i < row.reservation.devices.size(); ++i) {
            held[{row.slot, row.attempt.device_ids[i]}] += row.reservation.devices[i].share_milli;
          }
        }
      }
      EXPECT_EQ(counts, job->Counts()) << "job " << id.value;
      for (size_t i = 0; i < counts.size(); ++i) all[i] += counts[i];
    }
    EXPECT_EQ(all, cluster.task_counts());
    for (Slot slot = 0; slot < nodes.size(); ++slot) {
      EXPECT_EQ(nodes.allocated(kCpu)[slot], cpu[slot]) << "slot " << slot;
      EXPECT_LE(nodes.allocated(kCpu)[slot], nodes.capacity(kCpu)[slot]) << "slot " << slot;
      for (size_t i = 0; nodes.Holds(slot) && i < nodes.devices(slot).size(); ++i) {
        const auto found = held.find({slot, nodes.spec(slot).devices[i].id});
        EXPECT_EQ(nodes.devices(slot)[i].allocated_milli, found == held.end() ? 0 : found->second);
      }
    }
    for (const auto& [device, milli] : held) {
      EXPECT_LE(milli, 1000) << "device " << device.second << " of slot " << device.first;
    }
  }

  void CommitBatches() {
    for (const auto& batch : loop_.batches) {
      ASSERT_TRUE(store_.Commit(encoder_.Encode(*batch), batch->epoch, batch->term).ok());
    }
    loop_.batches.clear();
  }

  void CheckRecovery() {
    CommitBatches();
    store::SpecDecoders decoders;
    decoders.job = [this](std::string_view blob) -> absl::StatusOr<state::JobSpec> {
      return specs_[std::stoul(std::string(blob))];
    };
    decoders.node = [](std::string_view devices) -> absl::StatusOr<state::NodeSpec> {
      return NodeOf("n", std::string(devices));
    };
    auto recovered = store::Recover(store_, decoders);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    auto again = BuildState(*std::move(recovered), {.profiles = {"default"}});
    ASSERT_TRUE(again.ok()) << again.status();
    const state::ClusterState& before = loop_.turn().state();
    const state::NodeTable& again_nodes = (*again)->nodes();
    EXPECT_EQ((*again)->meta().term, before.meta().term + 1);
    EXPECT_EQ((*again)->meta().epoch, before.meta().epoch);
    EXPECT_EQ((*again)->task_counts(), before.task_counts());
    ASSERT_EQ((*again)->jobs().size(), before.jobs().size());
    for (const auto& [id, job] : before.jobs()) {
      const state::JobRow& other = *(*again)->FindJob(id);
      EXPECT_EQ(other.ended_at_ms, job->ended_at_ms);
      EXPECT_EQ(other.exit_code, job->exit_code);
      for (size_t g = 0; g < job->groups.size(); ++g) {
        EXPECT_EQ(other.groups[g].rest, job->groups[g].rest);
        // What is held back by an attempt that has not ended is held back when that is known again.
        absl::btree_set<uint32_t> queued = job->groups[g].queued;
        for (const auto& [position, row] : job->groups[g].rows) {
          if (row.state == TaskState::kQueued && row.not_before_ms == 0 &&
              before.IsHeldBack({id, static_cast<uint32_t>(g), position})) {
            queued.insert(position);
          }
        }
        EXPECT_EQ(other.groups[g].queued, queued);
        ASSERT_EQ(other.groups[g].rows.size(), job->groups[g].rows.size());
        EXPECT_EQ(other.groups[g].first_rest, job->groups[g].first_rest);
        for (const auto& [p, a] : job->groups[g].rows) {
          ASSERT_TRUE(other.groups[g].rows.contains(p));
          const state::TaskRow& b = other.groups[g].rows.at(p);
          EXPECT_EQ(a.state, b.state);
          EXPECT_EQ(a.attempt, b.attempt);
          EXPECT_EQ(a.past, b.past);
          EXPECT_EQ(a.slot, b.slot);
          EXPECT_EQ(again_nodes.DeviceIds(b.slot, b.reservation),
                    before.nodes().DeviceIds(a.slot, a.reservation));
          EXPECT_EQ(a.decision == nullptr, b.decision == nullptr);
          if (a.decision != nullptr && b.decision != nullptr) {
            EXPECT_EQ(a.decision->epoch, b.decision->epoch);
            EXPECT_EQ(*a.decision->sheet, *b.decision->sheet);
          }
          EXPECT_EQ(a.start_sequence, b.start_sequence);
          EXPECT_EQ(a.stop_sequence, b.stop_sequence);
          EXPECT_EQ(a.wish, b.wish);
          EXPECT_EQ(a.not_before_ms, b.not_before_ms);
        }
      }
    }
    for (Slot slot = 0; slot < before.nodes().size(); ++slot) {
      EXPECT_EQ((*again)->nodes().allocated(kCpu)[slot], before.nodes().allocated(kCpu)[slot]);
      EXPECT_EQ((*again)->nodes().rank()[slot], before.nodes().rank()[slot]);
      ASSERT_EQ(again_nodes.devices(slot).size(), before.nodes().devices(slot).size());
      for (size_t i = 0; i < again_nodes.devices(slot).size(); ++i) {
        EXPECT_EQ(again_nodes.devices(slot)[i].allocated_milli,
                  before.nodes().devices(slot)[i].allocated_milli);
      }
      EXPECT_EQ((*again)->TasksOn(slot), before.TasksOn(slot));
      const auto* a = before.FindLink(slot);
      const auto* b = (*again)->FindLink(slot);
      EXPECT_EQ(a->next_sequence, b->next_sequence);
      EXPECT_EQ(a->fact_sequence, b->fact_sequence);
    }
  }

  base::Rng rng_;
  bool faults_ = true;
  TurnHarness loop_;
  std::vector<Agent> agents_;
  std::set<uint64_t> lost_streams_;
  std::set<uint64_t> jobs_;
  std::set<state::AgentAttempt> started_;
  std::vector<state::JobSpec> specs_;
  store::MemoryStore store_{std::make_shared<store::MemoryDisk>("cluster-a")};
  store::BatchEncoder encoder_{{}};
};

uint64_t EnvironmentOr(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(TurnPropertyTest, RandomHistoriesKeepTheBooksAndEnd) {
  const uint64_t first = EnvironmentOr("BERTH_SEED", std::random_device{}());
  const uint64_t seeds = std::getenv("BERTH_SEED") != nullptr ? 1 : 20;
  const auto steps = static_cast<int>(EnvironmentOr("BERTH_STEPS", 400));
  for (uint64_t seed = first; seed < first + seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("BERTH_SEED=" + std::to_string(seed));
    History history(seed);
    history.Run(steps);
    if (!HasFailure()) history.RunToTheEnd();
    if (HasFailure()) std::cerr << "run again with BERTH_SEED=" << seed << "\n";
  }
  RecordProperty("first_seed", std::to_string(first));
  std::cerr << "seeds " << first << " to " << first + seeds - 1 << "\n";
}

}  // namespace
}  // namespace berth::scheduler
