#include "berth/plugin_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builtin.h"
#include "pipeline/table_context.h"
#include "tests/support/status_text.h"

namespace berth::pipeline {
namespace {

using ::testing::ElementsAre;
using testing::Text;

class Named final : public Plugin {
 public:
  explicit Named(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }

 private:
  std::string_view name_;
};

PluginFactory Makes(std::string_view name) {
  return [name](const PluginArgs&, PluginContext&) -> absl::StatusOr<std::unique_ptr<Plugin>> {
    return std::make_unique<Named>(name);
  };
}

class PluginRegistryTest : public ::testing::Test {
 protected:
  state::Names names_;
  TableContext context_{names_};
  PluginRegistry registry_;
};

TEST_F(PluginRegistryTest, MakesWhatWasRegistered) {
  registry_.Register("A", Makes("a"));
  registry_.Register("B", Makes("b"));
  EXPECT_EQ((*registry_.Make("B", {}, context_))->name(), "b");
}

TEST_F(PluginRegistryTest, KeepsNamesInTheOrderOfRegistration) {
  for (const char* name : {"C", "A", "B"}) registry_.Register(name, Makes(name));
  EXPECT_THAT(registry_.Names(), ElementsAre("C", "A", "B"));
}

TEST_F(PluginRegistryTest, ReplacesAPluginOfTheSameName) {
  registry_.Register("A", Makes("old"));
  registry_.Register("A", Makes("new"));
  EXPECT_EQ((*registry_.Make("A", {}, context_))->name(), "new");
  EXPECT_THAT(registry_.Names(), ElementsAre("A"));
}

TEST_F(PluginRegistryTest, NamesTheNearestForAnUnknownPlugin) {
  plugins::RegisterBuiltinPlugins(registry_);
  EXPECT_EQ(Text(registry_.Make("NodeResourceFit", {}, context_)),
            "NOT_FOUND: no plugin is named \"NodeResourceFit\" (did you mean "
            "\"NodeResourcesFit\"?)");
  EXPECT_EQ(Text(registry_.Make("Zzz", {}, context_)), "NOT_FOUND: no plugin is named \"Zzz\"");
}

}  // namespace
}  // namespace berth::pipeline
