#include "plugin_dir/plugin_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/strings.h"
#include "berth/plugin_library.h"
#include "berth/score.h"
#include "pipeline/profile.h"
#include "pipeline/table_context.h"
#include "tests/support/status_text.h"
#include "tests/support/temp_dir.h"

namespace berth::plugin_dir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Text;

class PluginDirTest : public ::testing::Test {
 protected:
  // Puts a library of this test's into the directory, as `name`.
  void Put(const std::string& library, const std::string& name = "a.so") {
    const char* const build = std::getenv("BERTH_BUILD_DIR");
    std::filesystem::copy_file((build == nullptr ? std::string("build/release") : build) +
                                   "/tests/plugin_libraries/" + library + ".so",
                               Path(name));
  }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  absl::StatusOr<LoadedPlugins> Load() {
    return LoadPluginDir(
        {.directory = directory_.path(), .ignore_broken = ignore_broken_, .taken = {"Taken"}},
        registry_);
  }
  // What is wrong with the one library, without its path.
  std::string Refusal() {
    const std::string text = Text(Load());
    const std::string begin = "INVALID_ARGUMENT: pluginDir: " + Path("a.so") + ": ";
    EXPECT_TRUE(text.starts_with(begin)) << text;
    EXPECT_THAT(registry_.Names(), IsEmpty());
    return text.substr(std::min(begin.size(), text.size()));
  }
  absl::StatusOr<std::unique_ptr<Plugin>> Make(const std::string& name, PluginArgs args = {}) {
    return registry_.Make(name, args, context_);
  }

  const testing::TempDir directory_;
  bool ignore_broken_ = false;
  PluginRegistry registry_;
  state::Names names_;
  pipeline::TableContext context_{names_};
};

TEST_F(PluginDirTest, MayBeEmpty) {
  const auto loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->libraries, IsEmpty());
  EXPECT_THAT(registry_.Names(), IsEmpty());
}

TEST_F(PluginDirTest, RegistersWhatALibraryBrings) {
  Put("good");
  const auto loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->libraries.size(), 1u);
  EXPECT_EQ(loaded->libraries[0].path, Path("a.so"));
  EXPECT_THAT(loaded->libraries[0].plugins, ElementsAre("Even", "AlsoEven"));
  EXPECT_THAT(registry_.Names(), ElementsAre("Even", "AlsoEven"));
}

TEST_F(PluginDirTest, APluginOfALibraryIsOneLikeOthers) {
  Put("good");
  ASSERT_TRUE(Load().ok());
  const auto plugin = Make("Even");
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  EXPECT_EQ((*plugin)->name(), "Even");
  // Two objects that know each other's types by name alone.
  const auto* const score = dynamic_cast<const ScorePlugin*>(plugin->get());
  ASSERT_NE(score, nullptr);
  const state::NodeTable table(1);
  std::vector<int32_t> scores(3);
  ASSERT_TRUE(score->Score({TaskRequirements(), {}}, table, SlotSpan::All(3), scores).ok());
  EXPECT_THAT(scores, ElementsAre(kMaxScore, 0, kMaxScore));
  EXPECT_EQ(Text(Make("Even", PluginArgs{int64_t{1}})), "INVALID_ARGUMENT: odd: unknown argument");
}

TEST_F(PluginDirTest, WhatAFactoryThrowsNamesThePlaceInTheProfile) {
  Put("throws_in_factory");
  ASSERT_TRUE(Load().ok());
  pipeline::ProfileOptions options;
  options.scores = {.enabled = {{"Unlucky", 1}}, .disabled = {"*"}};
  EXPECT_EQ(Text(pipeline::CompileProfile(options, "profiles[0]", registry_, context_,
                                          pipeline::ProfileDefaults())),
            "INVALID_ARGUMENT: profiles[0].plugins.score.enabled[0]: \"Unlucky\" cannot be made: "
            "its factory threw: out of luck; mend the plugin");
}

TEST_F(PluginDirTest, LoadsInOrderOfNameAndNothingElse) {
  Put("throws_in_factory", "b.so");
  Put("good", "a.so");
  for (const char* other : {"README", "a.so.1", "so", ".hidden.so"}) {
    std::ofstream(Path(other)) << "text";
  }
  ASSERT_TRUE(Load().ok());
  EXPECT_THAT(registry_.Names(), ElementsAre("Even", "AlsoEven", "Unlucky"));
}

TEST_F(PluginDirTest, FollowsALink) {
  Put("good", "good.built");
  std::filesystem::create_symlink("good.built", Path("a.so"));
  EXPECT_TRUE(Load().ok());
  EXPECT_THAT(registry_.Names(), ElementsAre("Even", "AlsoEven"));
}

TEST_F(PluginDirTest, RefusesADirectoryThatIsNotThere) {
  const std::string missing = Path("missing");
  const std::string why =
      "pluginDir: " + missing +
      ": cannot be read: No such file or directory; make it, readable for berthd's user, or leave "
      "pluginDir out";
  EXPECT_EQ(Text(LoadPluginDir({.directory = missing}, registry_)), "INVALID_ARGUMENT: " + why);
  const auto ignored = LoadPluginDir({.directory = missing, .ignore_broken = true}, registry_);
  ASSERT_TRUE(ignored.ok()) << ignored.status();
  EXPECT_THAT(ignored->ignored, ElementsAre(why));
}

TEST_F(PluginDirTest, RefusesALinkThatLeadsNowhere) {
  std::filesystem::create_symlink("gone.so", Path("a.so"));
  EXPECT_EQ(Refusal(),
            "cannot be read: No such file or directory; make it readable for berthd's user, or "
            "take it out of the directory");
}

TEST_F(PluginDirTest, RefusesWhatIsNoSharedLibrary) {
  const std::string why = "is not a shared library; build one, or take it out of the directory";
  std::ofstream(Path("a.so")) << "";
  EXPECT_EQ(Refusal(), why);
  std::ofstream(Path("a.so")) << std::string(1000, 'x');
  EXPECT_EQ(Refusal(), why);
  std::filesystem::remove(Path("a.so"));
  std::filesystem::create_directory(Path("a.so"));
  EXPECT_EQ(Refusal(), why);
  std::filesystem::remove(Path("a.so"));
  ASSERT_EQ(mkfifo(Path("a.so").c_str(), 0600), 0);
  EXPECT_EQ(Refusal(), why);
}

TEST_F(PluginDirTest, RefusesAProgram) {
  std::filesystem::copy_file("/proc/self/exe", Path("a.so"));
  EXPECT_THAT(Refusal(), HasSubstr("cannot be loaded: "));
}

TEST_F(PluginDirTest, RefusesALibraryThatIsCutShort) {
  Put("good");
  std::filesystem::resize_file(Path("a.so"), 5000);
  EXPECT_THAT(Refusal(), HasSubstr("is cut short: it has 5000 bytes of "));
}

TEST_F(PluginDirTest, RefusesALibraryThatLacksAFunction) {
  Put("needs_more");
  const std::string why = Refusal();
  EXPECT_THAT(why, HasSubstr("cannot be loaded: undefined symbol: "));
  EXPECT_THAT(why, HasSubstr("HasBeenForgotten"));
  EXPECT_THAT(why, HasSubstr("; `ldd -r` shows what it needs"));
}

TEST_F(PluginDirTest, RefusesALibraryOfSomethingElse) {
  Put("no_entry");
  EXPECT_EQ(Refusal(),
            "is no Berth plugin: it has no berth_plugin_library; write BERTH_PLUGINS(...) in one "
            "of its files, or take it out of the directory");
}

TEST_F(PluginDirTest, RefusesAnEntryPointThatReturnsSomethingElse) {
  Put("other_object");
  EXPECT_THAT(Refusal(), HasSubstr("is no Berth plugin: what its berth_plugin_library returns is "
                                   "something else"));
}

TEST_F(PluginDirTest, RefusesAnotherVersionOfTheAbi) {
  Put("other_version");
  EXPECT_EQ(Refusal(),
            "has version 7 of the plugin ABI, and berthd has 0; build it anew, with berthd's "
            "compiler and against berthd's SDK");
}

TEST_F(PluginDirTest, RefusesAnotherFingerprintAndPrintsBoth) {
  Put("other_fingerprint");
  EXPECT_EQ(Refusal(),
            "was built otherwise than berthd: its fingerprint is \"g++ 2.95\", and "
            "berthd's \"" BERTH_PLUGIN_FINGERPRINT
            "\"; build it anew, with berthd's compiler and against berthd's SDK");
}

TEST_F(PluginDirTest, ReadsTheFingerprintBeforeAnythingRuns) {
  Put("ends_the_process");
  EXPECT_THAT(Refusal(), HasSubstr("its fingerprint is \"g++ 2.95\", and berthd's \"" +
                                   std::string(BERTH_PLUGIN_FINGERPRINT) + "\""));
}

TEST_F(PluginDirTest, RefusesARegistrationThatThrows) {
  Put("throws_at_registration");
  EXPECT_EQ(Refusal(),
            "threw when it was to register its plugins: no licence; mend it, or take it out of "
            "the directory");
}

TEST_F(PluginDirTest, RefusesALibraryWithoutPlugins) {
  Put("registers_nothing");
  EXPECT_EQ(Refusal(), "registers no plugin; register one, or take it out of the directory");
}

TEST_F(PluginDirTest, RefusesANameThatIsBerthdsOwn) {
  Put("same_name");
  EXPECT_EQ(Refusal(),
            "registers \"Taken\", a name that exists already: it is that of a plugin of berthd's "
            "own; name it otherwise, or take it out of the directory");
}

TEST_F(PluginDirTest, RefusesANameOfAnotherLibrary) {
  Put("good", "a.so");
  Put("good", "b.so");
  EXPECT_EQ(Text(Load()), "INVALID_ARGUMENT: pluginDir: " + Path("b.so") +
                              ": registers \"Even\", a name that exists already: it is that of " +
                              Path("a.so") +
                              "; name it otherwise, or take it out of the directory");
}

TEST_F(PluginDirTest, NamesAllThatAreBroken) {
  Put("no_entry", "a.so");
  Put("good", "b.so");
  Put("other_version", "c.so");
  const std::string text = Text(Load());
  EXPECT_THAT(text, HasSubstr(Path("a.so") + ": is no Berth plugin"));
  EXPECT_THAT(text, HasSubstr("\npluginDir: " + Path("c.so") + ": has version 7"));
}

TEST_F(PluginDirTest, GoesOnWithoutBrokenOnesWhenToldSo) {
  Put("no_entry", "a.so");
  Put("good", "b.so");
  Put("throws_at_registration", "c.so");
  ignore_broken_ = true;
  const auto loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(registry_.Names(), ElementsAre("Even", "AlsoEven"));
  EXPECT_THAT(loaded->ignored,
              ElementsAre(HasSubstr("pluginDir: " + Path("a.so") + ": is no Berth plugin"),
                          HasSubstr("pluginDir: " + Path("c.so") + ": threw when")));
}

TEST(PluginFingerprintTest, NamesWhatABinaryInterfaceDependsOn) {
  const std::string fingerprint = BERTH_PLUGIN_FINGERPRINT;
  for (const char* part : {" abi-", "; C++ 202", "lib", "; absl ", " std-", "; sanitizer ",
                           "; plugin ABI 0", "; sdk " BERTH_SDK_HASH}) {
    EXPECT_THAT(fingerprint, HasSubstr(part));
  }
  // Nothing was left as a macro's name.
  EXPECT_EQ(fingerprint.find("__"), std::string::npos) << fingerprint;
  EXPECT_EQ(fingerprint.find("ABSL"), std::string::npos) << fingerprint;
#if defined(__SANITIZE_ADDRESS__)
  EXPECT_THAT(fingerprint, HasSubstr("; sanitizer address;"));
#endif
}

}  // namespace
}  // namespace berth::plugin_dir
