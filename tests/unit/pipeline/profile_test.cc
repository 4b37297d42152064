#include "pipeline/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "berth/bind.h"
#include "berth/permit.h"
#include "berth/post_filter.h"
#include "builtin.h"
#include "config/berthd_loader.h"
#include "pipeline/table_context.h"
#include "tests/support/fake_plugins.h"
#include "tests/support/plugin_args_builder.h"
#include "tests/support/status_text.h"

namespace berth::pipeline {
namespace {

using testing::Arg;
using testing::ArgMap;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Text;

class ProfileTest : public ::testing::Test {
 protected:
  ProfileTest() { plugins::RegisterBuiltinPlugins(registry_); }

  absl::StatusOr<Profile> Compile() {
    TableContext context(names_);
    return CompileProfile(options_, "profiles[0]", registry_, context);
  }
  std::string Error() { return Text(Compile()); }

  std::vector<std::string> Filters() {
    std::vector<std::string> names;
    const auto profile = Compile();
    EXPECT_TRUE(profile.ok()) << Text(profile);
    for (const FilterPlugin* filter : profile->filters()) names.emplace_back(filter->name());
    return names;
  }
  // "NodeResourcesFit 2".
  std::vector<std::string> Scores() {
    std::vector<std::string> names;
    const auto profile = Compile();
    EXPECT_TRUE(profile.ok()) << Text(profile);
    for (const engine::WeightedScore& score : profile->scores()) {
      names.push_back(std::string(score.name()) + " " + std::to_string(score.weight));
    }
    return names;
  }

  state::Names names_;
  PluginRegistry registry_;
  ProfileOptions options_;
};

TEST_F(ProfileTest, IsTheDefaultOneWhereNothingIsSaid) {
  EXPECT_THAT(Filters(),
              ElementsAre("NodeReadiness", "TaintToleration", "NodeAffinity", "NodeResourcesFit",
                          "DeviceFit", "ClusterResources", "TopologySpread", "TaskAffinity"));
  EXPECT_THAT(Scores(), ElementsAre("NodeResourcesFit 2", "BalancedAllocation 1",
                                    "FragmentationGradient 2", "NodeAffinity 2",
                                    "TaintToleration 3", "TopologySpread 2", "TaskAffinity 2",
                                    "LiveUtilisation 1", "NetworkLatency 2", "NetworkBandwidth 1",
                                    "TaskInterference 1", "ClassLoad 1", "DataLocality 2"));
}

TEST_F(ProfileTest, IsTheDefaultOneAsItIsWrittenOutInConfig) {
  const std::vector<std::string> filters = Filters(), scores = Scores();
  const auto loaded = config::LoadBerthdConfig("config/profiles/default.yaml");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const config::ProfileConfig& written = loaded->config.profiles.at(0);
  options_.filters.disabled = written.filter.disabled;
  for (const auto& filter : written.filter.enabled) options_.filters.enabled.push_back(filter.name);
  options_.scores.disabled = written.score.disabled;
  for (const auto& score : written.score.enabled) {
    options_.scores.enabled.push_back({score.name, score.weight});
  }
  EXPECT_EQ(Filters(), filters);
  EXPECT_EQ(Scores(), scores);
}

TEST_F(ProfileTest, ReservesWithFiltersThatCan) {
  const auto profile = Compile();
  ASSERT_EQ(profile->reserves().size(), 1u);
  EXPECT_EQ(profile->reserves()[0]->name(), "DeviceFit");
  EXPECT_EQ(profile->queue_sort().name(), "PrioritySort");
}

TEST_F(ProfileTest, TakesOutByName) {
  options_.filters.disabled = {"TaintToleration"};
  options_.scores.disabled = {"TaintToleration", "BalancedAllocation"};
  EXPECT_THAT(Filters(),
              ElementsAre("NodeReadiness", "NodeAffinity", "NodeResourcesFit", "DeviceFit",
                          "ClusterResources", "TopologySpread", "TaskAffinity"));
  EXPECT_THAT(Scores(), ElementsAre("NodeResourcesFit 2", "FragmentationGradient 2",
                                    "NodeAffinity 2", "TopologySpread 2", "TaskAffinity 2",
                                    "LiveUtilisation 1", "NetworkLatency 2", "NetworkBandwidth 1",
                                    "TaskInterference 1", "ClassLoad 1", "DataLocality 2"));
}

TEST_F(ProfileTest, TakesOutAllDefaultsByAStar) {
  options_.scores.disabled = {"*"};
  options_.scores.enabled = {{"DeviceFit", 5}};
  EXPECT_THAT(Scores(), ElementsAre("DeviceFit 5"));
}

TEST_F(ProfileTest, MayScoreWithNothing) {
  options_.scores.disabled = {"*"};
  EXPECT_THAT(Scores(), IsEmpty());
}

TEST_F(ProfileTest, AddsBehindTheDefaults) {
  options_.scores.enabled = {{"DeviceFit", 5}};
  EXPECT_EQ(Scores().back(), "DeviceFit 5");
}

TEST_F(ProfileTest, GivesADefaultANewWeightInItsPlace) {
  options_.scores.enabled = {{"BalancedAllocation", 7}};
  EXPECT_THAT(Scores(), ElementsAre("NodeResourcesFit 2", "BalancedAllocation 7",
                                    "FragmentationGradient 2", "NodeAffinity 2",
                                    "TaintToleration 3", "TopologySpread 2", "TaskAffinity 2",
                                    "LiveUtilisation 1", "NetworkLatency 2", "NetworkBandwidth 1",
                                    "TaskInterference 1", "ClassLoad 1", "DataLocality 2"));
}

TEST_F(ProfileTest, MovesToTheBackWhatIsDisabledAndEnabled) {
  options_.scores.disabled = {"NodeResourcesFit"};
  options_.scores.enabled = {{"NodeResourcesFit", 4}};
  EXPECT_THAT(Scores(), ElementsAre("BalancedAllocation 1", "FragmentationGradient 2",
                                    "NodeAffinity 2", "TaintToleration 3", "TopologySpread 2",
                                    "TaskAffinity 2", "LiveUtilisation 1", "NetworkLatency 2",
                                    "NetworkBandwidth 1", "TaskInterference 1", "ClassLoad 1",
                                    "DataLocality 2", "NodeResourcesFit 4"));
}

TEST_F(ProfileTest, MakesAPluginOfTwoPointsOnce) {
  const auto profile = Compile();
  EXPECT_EQ(dynamic_cast<const Plugin*>(profile->filters()[3]),
            dynamic_cast<const Plugin*>(profile->scores()[0].plugin));
}

TEST_F(ProfileTest, RefusesAnUnknownPluginByItsPath) {
  options_.scores.enabled = {{"DeviceFit", 1}, {"NodeResourceFit", 1}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[1]: no plugin is named "
            "\"NodeResourceFit\" (did you mean \"NodeResourcesFit\"?)");
}

TEST_F(ProfileTest, RefusesAnUnknownPluginToDisable) {
  options_.filters.disabled = {"*", "TaintTolerations"};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.filter.disabled[1]: no plugin is named "
            "\"TaintTolerations\" (did you mean \"TaintToleration\"?)");
}

TEST_F(ProfileTest, RefusesAPluginWithoutThatPoint) {
  options_.filters.enabled = {"BalancedAllocation"};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.filter.enabled[0]: \"BalancedAllocation\" has "
            "no filter; it can be enabled at plugins.score");
  options_.filters.enabled = {};
  options_.scores.enabled = {{"NodeReadiness", 1}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[0]: \"NodeReadiness\" has no "
            "score; it can be enabled at plugins.filter");
  options_.scores.enabled = {{"PrioritySort", 1}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[0]: \"PrioritySort\" has no "
            "score; it can be enabled at neither filter nor score");
}

TEST_F(ProfileTest, RefusesToEnableTwice) {
  options_.scores.enabled = {{"DeviceFit", 1}, {"DeviceFit", 2}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[1]: \"DeviceFit\" is enabled "
            "above already");
}

TEST_F(ProfileTest, HoldsWeightsToTheirRange) {
  options_.scores.enabled = {{"DeviceFit", 100}};
  EXPECT_TRUE(Compile().ok());
  for (int64_t weight : {int64_t{0}, int64_t{101}, int64_t{-1}, int64_t{1} << 40}) {
    options_.scores.enabled = {{"DeviceFit", weight}};
    EXPECT_EQ(Error(),
              "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[0].weight: must be "
              "from 1 to 100, is " +
                  std::to_string(weight) +
                  "; to switch a score off, put it in "
                  "profiles[0].plugins.score.disabled");
  }
}

TEST_F(ProfileTest, KeepsTheFiltersThatKeepTheBooks) {
  options_.filters.disabled = {"*"};
  options_.filters.enabled = {"NodeResourcesFit"};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.filter.disabled: \"DeviceFit\" cannot be left "
            "out: without it the same resources would be given to several tasks; put it in "
            "profiles[0].plugins.filter.enabled");
  options_.filters.enabled = {"NodeResourcesFit", "DeviceFit", "ClusterResources"};
  EXPECT_THAT(Filters(), ElementsAre("NodeResourcesFit", "DeviceFit", "ClusterResources"));
}

TEST_F(ProfileTest, HandsAPluginItsArguments) {
  options_.plugin_config = {
      {"NodeResourcesFit",
       ArgMap({{"scoringStrategy", ArgMap({{"type", Arg("MostAllocated")}})}})}};
  EXPECT_TRUE(Compile().ok());
}

TEST_F(ProfileTest, RefusesAWrongArgumentByItsPath) {
  options_.plugin_config = {
      {"BalancedAllocation", PluginArgs{}},
      {"NodeResourcesFit", ArgMap({{"scoringStrategy", ArgMap({{"typ", Arg("Most")}})}})}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].pluginConfig[1].args.scoringStrategy.typ: unknown "
            "argument; accepted: type, resources, devices, idleDevices, "
            "requestedToCapacityRatio");
}

TEST_F(ProfileTest, RefusesArgumentsThatAreNoMap) {
  options_.plugin_config = {{"NodeResourcesFit", Arg("MostAllocated")}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].pluginConfig[0].args: must be a map of the plugin's "
            "arguments");
}

TEST_F(ProfileTest, RefusesArgumentsOfAnUnknownPlugin) {
  options_.plugin_config = {{"NodeAfinity", PluginArgs{}}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].pluginConfig[0].name: no plugin is named "
            "\"NodeAfinity\" (did you mean \"NodeAffinity\"?)");
}

TEST_F(ProfileTest, RefusesArgumentsGivenTwice) {
  options_.plugin_config = {{"NodeAffinity", PluginArgs{}}, {"NodeAffinity", PluginArgs{}}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].pluginConfig[1].name: \"NodeAffinity\" has its "
            "arguments above already");
}

TEST_F(ProfileTest, JudgesArgumentsOfAPluginThatIsSwitchedOff) {
  options_.scores.disabled = {"BalancedAllocation"};
  options_.plugin_config = {{"BalancedAllocation", ArgMap({{"x", Arg(1)}})}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].pluginConfig[0].args.x: unknown argument; accepted: "
            "resources");
}

TEST_F(ProfileTest, OutlivesAFactoryThatThrowsOrMakesNothing) {
  registry_.Register(
      "Throws", [](const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
        throw std::runtime_error("out of luck");
      });
  registry_.Register("Nothing",
                     [](const PluginArgs&, PluginContext&) { return std::unique_ptr<Plugin>(); });
  options_.scores.enabled = {{"Throws", 1}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[0]: \"Throws\" cannot be made: "
            "its factory threw: out of luck; mend the plugin");
  options_.scores.enabled = {{"Nothing", 1}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[0]: \"Nothing\" cannot be made: "
            "its factory made nothing; mend the plugin");
  options_.plugin_config = {{"Throws", PluginArgs{}}};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].pluginConfig[0].args: \"Throws\" cannot be made: its "
            "factory threw: out of luck; mend the plugin");
}

// Its contract is in the SDK, and nobody would call it.
template <typename Point>
class OfALaterVersion final : public testing::FakePlugin, public Point {
 public:
  using FakePlugin::FakePlugin;
  absl::Status Permit(const TaskView&, const NodeColumns&, Slot, const Reservation&,
                      Permission&) const {
    return absl::OkStatus();
  }
  absl::Status PostFilter(const TaskView&, const NodeColumns&, const NodeMask&, Nomination&) const {
    return absl::OkStatus();
  }
  absl::Status PreBind(const TaskView&, const NodeColumns&, const Binding&) const {
    return absl::OkStatus();
  }
  bool Skips(const TaskRequirements&) const override { return false; }
  absl::Status Bind(const TaskView&, const NodeColumns&, const Binding&) const {
    return absl::OkStatus();
  }
  void PostBind(const TaskView&, const Binding&) const {}
};

TEST_F(ProfileTest, RefusesExtensionPointsThatNobodyCallsYet) {
  testing::Behaviour behaviour;
  const auto refused = [&]<typename Point>(const char* point, Point*) {
    registry_.Register("Later", [&](const PluginArgs&, PluginContext&) {
      return std::make_unique<OfALaterVersion<Point>>("Later", behaviour);
    });
    options_.filters.enabled = {"Later"};
    EXPECT_EQ(Error(),
              "INVALID_ARGUMENT: profiles[0].plugins.filter.enabled[0]: \"Later\" cannot be made: "
              "it is a " +
                  std::string(point) +
                  ", which this version of berthd does not call; mend the plugin");
  };
  refused("PostFilterPlugin", static_cast<PostFilterPlugin*>(nullptr));
  refused("PermitPlugin", static_cast<PermitPlugin*>(nullptr));
  refused("PreBindPlugin", static_cast<PreBindPlugin*>(nullptr));
  refused("BindPlugin", static_cast<BindPlugin*>(nullptr));
  refused("PostBindPlugin", static_cast<PostBindPlugin*>(nullptr));
}

TEST_F(ProfileTest, RefusesAPluginOfAnotherName) {
  testing::Behaviour behaviour;
  registry_.Register("Odd", testing::FakeFactory("Even", behaviour));
  options_.filters.enabled = {"Odd"};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.filter.enabled[0]: \"Odd\" cannot be made: it "
            "calls itself \"Even\"; mend the plugin");
}

TEST_F(ProfileTest, RefusesAPluginThatCannotSayWhatItsScopeNeeds) {
  testing::Behaviour behaviour;
  registry_.Register("Odd", testing::FakeFactory("Odd", behaviour));
  options_.filters.enabled = {"Odd"};
  behaviour.scope = Scope::kDomain;
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.filter.enabled[0]: \"Odd\" is of scope kDomain "
            "and no DomainPlugin; mend the plugin");
  behaviour.scope = Scope::kSparse;
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.filter.enabled[0]: \"Odd\" is of scope kSparse "
            "and no SparsePlugin; mend the plugin");
}

TEST_F(ProfileTest, RefusesAFilterThatReadsScoresFromOutside) {
  testing::Behaviour behaviour;
  behaviour.reads = kReadsOutside;
  registry_.Register("Odd", testing::FakeFactory("Odd", behaviour));
  options_.scores.enabled = {{"Odd", 1}};
  EXPECT_EQ(Error(), "OK");
  options_.filters.enabled = {"Odd"};
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.filter.enabled[0]: \"Odd\" reads kReadsOutside, "
            "which is for scores; mend the plugin");
}

TEST_F(ProfileTest, BreaksTiesByRankOrInTurn) {
  EXPECT_FALSE(Compile()->placing().rotates_ties);
  options_.tie = "rotate";
  EXPECT_TRUE(Compile()->placing().rotates_ties);
  options_.tie = "random";
  EXPECT_EQ(Error(), "INVALID_ARGUMENT: profiles[0].tie: must be fixed or rotate, is \"random\"");
}

TEST_F(ProfileTest, RefusesAQueueOrderThatIsNone) {
  options_.queue_sort = "NodeAffinity";
  EXPECT_EQ(Error(),
            "INVALID_ARGUMENT: profiles[0].plugins.queueSort: \"NodeAffinity\" is no queue order");
}

class ProfilesTest : public ProfileTest {
 protected:
  absl::StatusOr<std::vector<Profile>> CompileAll(const std::vector<ProfileOptions>& options) {
    TableContext context(names_);
    return CompileProfiles(options, registry_, context);
  }
};

TEST_F(ProfilesTest, KeepTheirOrder) {
  ProfileOptions second;
  second.name = "packing";
  const auto profiles = CompileAll({options_, second});
  ASSERT_EQ(profiles->size(), 2u);
  EXPECT_EQ((*profiles)[0].name(), "default");
  EXPECT_EQ((*profiles)[1].name(), "packing");
}

TEST_F(ProfilesTest, NeedAtLeastOne) {
  EXPECT_EQ(Text(CompileAll({})), "INVALID_ARGUMENT: profiles: there must be at least one");
}

TEST_F(ProfilesTest, MayNotShareAName) {
  EXPECT_EQ(Text(CompileAll({options_, options_})),
            "INVALID_ARGUMENT: profiles[1].name: \"default\" is the name of another profile");
}

TEST_F(ProfilesTest, NameTheProfileThatIsWrong) {
  ProfileOptions second;
  second.name = "packing";
  second.filters.enabled = {"Nothing"};
  EXPECT_EQ(Text(CompileAll({options_, second})),
            "INVALID_ARGUMENT: profiles[1].plugins.filter.enabled[0]: no plugin is named "
            "\"Nothing\"");
}

}  // namespace
}  // namespace berth::pipeline
