#include "tests/simulation/simulation.h"

#include <functional>
#include <memory>
#include <utility>

#include "builtin.h"
#include "tests/simulation/context.h"
#include "tests/simulation/ledger.h"
#include "tests/simulation/sim_client.h"
#include "tests/simulation/sim_daemon.h"
#include "tests/simulation/sim_node.h"

namespace berth::simulation {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kSettlesWithinUs = 1800 * kSecond;

const PluginRegistry& Registry() {
  static const PluginRegistry* const registry = [] {
    auto* made = new PluginRegistry;
    plugins::RegisterBuiltinPlugins(*made);
    return made;
  }();
  return *registry;
}

DaemonOptions OptionsFrom(Context& context) {
  DaemonOptions options;
  options.turn.heartbeat_interval_ms = 3'000;
  options.turn.lease_ms = 12'000;
  options.turn.lost_after_ms = 40'000;
  if (context.Chance(400)) options.turn.finished_jobs_age_ms = context.Between(2'000, 40'000);
  options.turn.watch_history_epochs = static_cast<size_t>(context.Between(5, 200));
  if (context.Chance(100)) options.inbox_capacity = {3, 2, 2};
  return options;
}

class World {
 public:
  World(uint64_t seed, bool traces)
      : context_(seed, traces),
        ledger_(context_),
        daemon_(context_, ledger_, Registry(), OptionsFrom(context_), seed),
        way_(context_, daemon_),
        operator_(context_, ledger_, way_) {
    const int64_t nodes = context_.Between(2, 4);
    for (int64_t i = 0; i < nodes; ++i) {
      nodes_.push_back(std::make_unique<SimNode>(
          context_, ledger_, seed, "n" + std::to_string(i), 4000, 8192,
          [this](SimNode&, Route& route) { return daemon_.Accept(route); }));
    }
    for (int i = 0; i < 2; ++i) {
      submitters_.push_back(
          std::make_unique<Submitter>(context_, ledger_, way_, "client" + std::to_string(i)));
    }
    watcher_ = std::make_shared<Watcher>(context_, daemon_, way_);
    PlanFaults();
  }

  void Run() {
    daemon_.Start();
    for (auto& node : nodes_) {
      context_.events.After(context_.Between(0, 3 * kSecond), [&node] { node->Boot(); });
    }
    PlanWork();
    if (!faults_.empty()) NextFault();
    context_.events.After(context_.Between(0, 5 * kSecond), [this] { watcher_->Begin(); });
    WatchTick();
    while (!context_.failed() && context_.events.now_us() < faults_until_us_) {
      context_.events.Step();
    }
    Heal();
    const int64_t settled_by = context_.events.now_us() + kSettlesWithinUs;
    int64_t look_at = context_.events.now_us() + 5 * kSecond;
    while (!context_.failed() && context_.events.now_us() < settled_by) {
      context_.events.Step();
      if (context_.events.now_us() < look_at) continue;
      if (Settled()) break;
      look_at = context_.events.now_us() + 5 * kSecond;
    }
    if (!context_.failed()) CheckEnd();
  }

  Context& context() { return context_; }

 private:
  using Fault = std::function<void()>;

  SimNode& AnyNode() { return *nodes_[context_.rng.Uniform(nodes_.size())]; }

  // Each kind of fault is in half of the runs: one that is always there hides what others show.
  void Add(int weight, Fault fault) {
    if (context_.Chance(500)) return;
    for (int i = 0; i < weight; ++i) faults_.push_back(fault);
  }

  void PlanFaults() {
    Context& c = context_;
    faults_until_us_ = c.Between(20, 180) * kSecond;
    if (c.Chance(100)) return;  // a calm one
    Add(3, [this] { daemon_.Crash(false); });
    Add(3, [this] { daemon_.Crash(true); });
    Add(1, [this, &c] { daemon_.FailNextCommit(c.Chance(500)); });
    Add(1, [this, &c] {
      c.Fault("berthd's disk is slow");
      daemon_.SlowDisk(c.Between(20'000, 3 * kSecond));
      c.events.After(c.Between(1, 20) * kSecond, [this] { daemon_.SlowDisk(2'000); });
    });
    Add(1, [this, &c] {
      c.Fault("berthd's disk is full");
      daemon_.SetDiskFull(true);
      c.events.After(c.Between(1, 30) * kSecond, [this] { daemon_.SetDiskFull(false); });
    });
    Add(1, [this, &c] {
      c.Fault("berthd stands still");
      daemon_.Stall(c.Between(100, 60'000) * 1000);
    });
    Add(1, [this, &c] {
      c.Fault("berthd's wall clock jumps");
      daemon_.JumpWallClock(c.Between(-86'400'000, 86'400'000));
    });
    Add(3, [this, &c] {
      c.Fault("an agent is killed");
      AnyNode().CrashAgent(false);
    });
    Add(1, [this, &c] {
      c.Fault("an agent is killed and its journal is gone");
      AnyNode().CrashAgent(true);
    });
    Add(1, [this, &c] {
      c.Fault("an agent stands still");
      AnyNode().StallAgent(c.Between(100, 70'000) * 1000);
    });
    Add(1, [this, &c] {
      SimNode& node = AnyNode();
      if (!node.is_on()) return;
      c.Fault("a node loses power");
      node.PowerOff();
      c.events.After(c.Between(1, 90) * kSecond, [&node] { node.Boot(); });
    });
    Add(1, [this] { AnyNode().FailJournal(); });
    Add(1, [this, &c] {
      c.Fault("an agent's disk is full");
      SimNode& node = AnyNode();
      node.SetJournalFull(true);
      c.events.After(c.Between(1, 30) * kSecond, [&node] { node.SetJournalFull(false); });
    });
    Add(1, [this, &c] {
      c.Fault("an agent's disk is slow");
      SimNode& node = AnyNode();
      node.SlowJournal(c.Between(50'000, 4 * kSecond));
      c.events.After(c.Between(1, 20) * kSecond, [&node] { node.SlowJournal(3'000); });
    });
    Add(1, [this] { AnyNode().KillShim(); });
    Add(1, [this, &c] {
      c.Fault("a node's inventory changes");
      AnyNode().ChangeInventory();
    });
    Add(2, [this, &c] {
      c.Fault("a connection breaks");
      AnyNode().BreakConnection();
    });
    Add(1, [this] { Cut("a partition", true, true); });
    Add(1, [this] { Cut("a partition of what agents say", true, false); });
    Add(1, [this] { Cut("a partition of what berthd says", false, true); });
    Add(1, [this, &c] {
      c.Fault("the network is slow");
      SimNode& node = AnyNode();
      node.route().slowest_us = c.Between(50'000, 10 * kSecond);
      // What was said on a connection that was given up may come after what is said on the next.
      for (int64_t breaks = c.Chance(500) ? c.Between(1, 4) : 0; breaks > 0; --breaks) {
        c.events.After(c.Between(0, 10 * kSecond), [this, &node] {
          context_.Fault("a connection breaks", node.name());
          node.BreakConnection();
        });
      }
      c.events.After(c.Between(1, 20) * kSecond, [this, &node] {
        // What is slow may break.
        if (context_.Chance(500)) CutOff(node, "a partition of what agents say", true, false);
        node.route().slowest_us = 2'000;
      });
    });
    if (c.Chance(150)) {
      const int64_t saved_us = c.Between(0, faults_until_us_);
      c.events.At(saved_us, [this] { daemon_.SaveSnapshot(); });
      const int64_t restored_us = c.Between(saved_us, faults_until_us_);
      c.events.At(restored_us, [this] { daemon_.Restore(); });
      for (int64_t looks = c.Between(0, 3); looks > 0; --looks) {
        c.events.At(restored_us + c.Between(0, 60 * kSecond),
                    [this] { operator_.LookAtQuarantine(); });
      }
    }
    if (c.Chance(300)) {
      keeps_order_ = false;
      for (auto& node : nodes_) node->route().duplicates_of_thousand = 30;
    }
    for (auto& node : nodes_) node->set_lingers(c.Chance(300));
    if (c.Chance(500)) {
      way_.lost_of_thousand = 50;
      way_.repeated_of_thousand = 50;
    }
    if (c.Chance(300)) {
      c.Fault("calls overtake one another");
      way_.slowest_us = 5 * kSecond;
    }
  }

  void Cut(const std::string& what, bool up, bool down) { CutOff(AnyNode(), what, up, down); }
  void CutOff(SimNode& node, const std::string& what, bool up, bool down) {
    Route& route = node.route();
    if (route.up_is_cut || route.down_is_cut) return;
    context_.Fault(what, node.name());
    route.up_is_cut = up;
    route.down_is_cut = down;
    context_.events.After(context_.Between(100, 80'000) * 1000, [this, &node] {
      context_.Trace(node.name() + ": the network is whole again");
      node.route().up_is_cut = node.route().down_is_cut = false;
      node.RouteChanged();
      // A connection may have been given up by then.
      if (context_.Chance(400)) node.BreakConnection();
    });
  }

  void NextFault() {
    context_.events.After(context_.Between(200'000, 10 * kSecond), [this] {
      if (context_.events.now_us() >= faults_until_us_) return;
      faults_[context_.rng.Uniform(faults_.size())]();
      NextFault();
    });
  }

  void PlanWork() {
    const int64_t jobs = context_.Between(3, 10);
    for (int64_t i = 0; i < jobs; ++i) {
      context_.events.At(context_.Between(0, faults_until_us_ * 3 / 4), [this] {
        submitters_[context_.rng.Uniform(submitters_.size())]->Submit();
      });
    }
    const int64_t cancels = context_.Between(0, 4);
    for (int64_t i = 0; i < cancels; ++i) {
      context_.events.At(context_.Between(0, faults_until_us_), [this] {
        submitters_[context_.rng.Uniform(submitters_.size())]->CancelOne();
      });
    }
    const int64_t cordons = context_.Between(0, 2);
    for (int64_t i = 0; i < cordons; ++i) {
      context_.events.At(context_.Between(0, faults_until_us_), [this] {
        const std::string node = AnyNode().name();
        SetCordon(node, true);
        context_.events.After(context_.Between(1, 20) * kSecond,
                              [this, node] { SetCordon(node, false); });
      });
    }
  }

  // Said again until it is answered.
  void SetCordon(const std::string& node, bool cordoned) {
    const auto answered = std::make_shared<bool>(false);
    const auto posted =
        daemon_.Post(state::CommandClass::kOperators, state::SetCordon{node, cordoned},
                     [answered](const scheduler::Reply&) { *answered = true; });
    const int64_t again_us = posted.ok() ? 10 * kSecond : 2 * kSecond;
    context_.events.After(again_us, [this, node, cordoned, answered] {
      if (!*answered && !(cordoned && healed_)) SetCordon(node, cordoned);
    });
  }

  void WatchTick() {
    context_.events.After(2 * kSecond, [this] {
      watcher_->Tick();
      WatchTick();
    });
  }

  // From here on nothing goes wrong.
  void Heal() {
    context_.Trace("---- nothing goes wrong any more ----");
    healed_ = true;
    way_.lost_of_thousand = way_.repeated_of_thousand = 0;
    way_.slowest_us = 3'000;
    daemon_.SlowDisk(2'000);
    daemon_.SetDiskFull(false);
    for (auto& node : nodes_) {
      node->route() = {};
      node->RouteChanged();
      node->SlowJournal(3'000);
      node->set_lingers(false);
      node->SetJournalFull(false);
      node->Boot();
      SetCordon(node->name(), false);
    }
    for (auto& submitter : submitters_) submitter->EndServices();
  }

  bool Settled() {
    if (!daemon_.idle() || ledger_.live() > 0) return false;
    for (const auto& [id, job] : daemon_.cluster().jobs()) {
      if (!job->ended()) return false;
    }
    const auto& nodes = daemon_.cluster().nodes();
    for (const auto& [name, slot] : nodes.by_name()) {
      if (!nodes.ready().Test(slot)) return false;
      if (keeps_order_ && !Ledger::KnowsItsPeers(daemon_.cluster(), slot)) return false;
    }
    for (const auto& node : nodes_) {
      if (!node->settled() || !IsUpToDate(*node)) return false;
    }
    for (const auto& submitter : submitters_) {
      if (!submitter->settled()) return false;
    }
    return watcher_->is_following();
  }

  // berthd knows the node's inventory as it is.
  bool IsUpToDate(const SimNode& node) {
    const auto& nodes = daemon_.cluster().nodes();
    const Slot slot = nodes.Find(node.name());
    if (slot == kNoSlot || !keeps_order_) return slot != kNoSlot;
    const auto& labels = nodes.spec_ptr(slot)->labels;
    const auto label = labels.find("revision");
    return (label == labels.end() ? "0" : label->second) == std::to_string(node.revision());
  }

  void CheckEnd() {
    if (!daemon_.is_up()) return context_.Violated("berthd is not up at the end");
    for (const auto& node : nodes_) {
      if (!node->settled()) context_.Violated(node->name() + " keeps records at the end");
      if (!IsUpToDate(*node)) {
        context_.Violated("what " + node->name() + " has is not known at the end");
      }
    }
    for (const auto& submitter : submitters_) {
      if (!submitter->settled()) context_.Violated("a client still waits at the end");
    }
    ledger_.CheckEnd(daemon_.cluster());
    if (keeps_order_) ledger_.CheckPeers(daemon_.cluster());
    watcher_->Check(daemon_.cluster());
  }

  Context context_;
  Ledger ledger_;
  SimDaemon daemon_;
  ClientWay way_;
  Operator operator_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<std::unique_ptr<Submitter>> submitters_;
  std::shared_ptr<Watcher> watcher_;
  std::vector<Fault> faults_;
  int64_t faults_until_us_ = 0;
  bool healed_ = false;
  bool keeps_order_ = true;  // of what is said on one connection
};

}  // namespace

Outcome Simulate(uint64_t seed, bool traces) {
  World world(seed, traces);
  world.Run();
  Outcome outcome;
  outcome.seed = seed;
  outcome.violation = world.context().violation();
  outcome.trace = world.context().lines();
  outcome.coverage = world.context().coverage;
  outcome.virtual_us = world.context().events.now_us();
  return outcome;
}

}  // namespace berth::simulation
