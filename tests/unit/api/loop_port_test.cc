#include "api/loop_port.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "base/clock.h"
#include "builtin.h"
#include "scheduler/loop.h"
#include "store/memory_store.h"
#include "wire/refusal.h"

namespace berth::api {
namespace {

// A loop that is not started: it takes commands and answers none.
class LoopPortTest : public ::testing::Test {
 protected:
  LoopPortTest() {
    plugins::RegisterBuiltinPlugins(registry_);
    auto turn = scheduler::Turn::Create(
        {}, std::make_unique<state::ClusterState>(state::ClusterMeta{.cluster_id = "c1"}, 100),
        registry_, {pipeline::ProfileOptions{}});
    EXPECT_TRUE(turn.ok()) << turn.status();
    loop_ = std::make_unique<scheduler::Loop>(scheduler::LoopOptions{}, *std::move(turn), store_,
                                              clock_, [](const absl::Status&) {});
  }

  PluginRegistry registry_;
  store::MemoryStore store_{std::make_shared<store::MemoryDisk>("c1")};
  base::SystemClock clock_;
  std::unique_ptr<scheduler::Loop> loop_;
};

TEST_F(LoopPortTest, ADiskThatRunsFullTurnsNewWorkAwayAndNothingElse) {
  const auto port = MakeLoopPort(
      *loop_, [] { return absl::ResourceExhaustedError("only 3Mi are left; make room there"); });
  const auto post = [&](state::CommandClass command_class) {
    return port->Post(command_class, {}, [](const scheduler::Reply&) {});
  };
  const wire::Refusal refusal = wire::RefusalOf(post(state::CommandClass::kSubmissions));
  EXPECT_EQ(refusal.code, absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(refusal.reason, Reason::kDiskFull);
  EXPECT_EQ(refusal.message, "only 3Mi are left; make room there");
  EXPECT_EQ(refusal.retry_after_ms, 0);
  EXPECT_TRUE(post(state::CommandClass::kAgents).ok());
  EXPECT_TRUE(post(state::CommandClass::kOperators).ok());
}

}  // namespace
}  // namespace berth::api
