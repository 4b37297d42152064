#include "node_readiness/node_readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_probe.h"

namespace berth::plugins {
namespace {

using ::testing::ElementsAre;
using testing::NodeBuilder;
using testing::PluginProbe;
using testing::SeenRejection;
using testing::TaskBuilder;

class NodeReadinessTest : public ::testing::Test {
 protected:
  NodeReadinessTest() {
    for (const char* name : {"open", "silent", "closed", "both"}) {
      probe_.cluster.Add(NodeBuilder(name));
    }
    state::NodeTable& table = probe_.cluster.table();
    for (const char* name : {"silent", "both"}) table.SetReady(table.Find(name), false);
    for (const char* name : {"closed", "both"}) table.SetCordoned(table.Find(name), true);
  }

  PluginProbe probe_{kNodeReadiness};
};

TEST_F(NodeReadinessTest, KeepsReadyNodesThatAreNotCordoned) {
  EXPECT_THAT(probe_.Passing(TaskBuilder()), ElementsAre("open"));
}

TEST_F(NodeReadinessTest, TakesANodeBackThatIsOpenedAgain) {
  probe_.cluster.table().SetCordoned(probe_.cluster.At("closed"), false);
  probe_.cluster.table().SetReady(probe_.cluster.At("silent"), true);
  EXPECT_THAT(probe_.Passing(TaskBuilder()), ElementsAre("open", "silent", "closed"));
}

TEST_F(NodeReadinessTest, TellsCordonedFromNotReadyAndNeitherForGood) {
  EXPECT_THAT(probe_.Rejections(TaskBuilder()),
              ElementsAre(SeenRejection{"silent", Reason::kNodeNotReady, 0, 0, 0, 0, false},
                          SeenRejection{"closed", Reason::kNodeCordoned, 0, 0, 0, 0, false},
                          SeenRejection{"both", Reason::kNodeCordoned, 0, 0, 0, 0, false}));
}

}  // namespace
}  // namespace berth::plugins
