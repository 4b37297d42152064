#include "images/root_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/small_file.h"
#include "tests/support/file_tree.h"

namespace berth::images {
namespace {

namespace fs = std::filesystem;

class RootWriterTest : public ::testing::Test {
 protected:
  RootWriterTest() : own_{.mode = 0755, .uid = geteuid(), .gid = getegid()} {}

  static base::UniqueFd Open(const std::string& path) {
    fs::create_directories(path);
    return base::UniqueFd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  absl::Status File(const std::string& path, const std::string& content) {
    const auto file = writer_.MakeFile(path, own_);
    if (!file.ok()) return file.status();
    EXPECT_EQ(write(file->get(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
    return absl::OkStatus();
  }

  [[nodiscard]] std::string Read(const std::string& path) const {
    return base::ReadSmallFile(tree_.At("/root/" + path)).value_or("(nothing)");
  }
  [[nodiscard]] bool Exists(const std::string& path) const {
    return fs::exists(fs::symlink_status(tree_.At("/root/" + path)));
  }

  const RootWriter::Attributes own_;
  const berth::testing::FileTree tree_;
  RootWriter writer_{Open(tree_.At("/root"))};
};

TEST_F(RootWriterTest, MakesWhatIsAboveAFile) {
  EXPECT_TRUE(File("/a/./b//c", "1").ok());
  EXPECT_EQ(Read("a/b/c"), "1");
}

TEST_F(RootWriterTest, RefusesNamesThatLeadOut) {
  for (const char* name : {"..", "../x", "a/../../x", "/..", "a/.."}) {
    EXPECT_EQ(File(name, "x").code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(writer_.MakeDirectory(name, own_).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(writer_.MakeHardLink("x", name).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(File("/", "x").ok());
}

TEST_F(RootWriterTest, TakesLinksAsTheTaskWill) {
  tree_.Write("/outside/file", "untouched");
  ASSERT_TRUE(writer_.MakeSymlink("absolute", tree_.At("/outside"), own_).ok());
  ASSERT_TRUE(writer_.MakeSymlink("up", "../outside", own_).ok());
  // In there neither is a folder yet.
  EXPECT_FALSE(File("absolute/file", "x").ok());
  ASSERT_TRUE(writer_.MakeDirectory("outside", own_).ok());
  EXPECT_TRUE(File("up/file", "inside").ok());
  EXPECT_EQ(Read("outside/file"), "inside");
  EXPECT_EQ(*base::ReadSmallFile(tree_.At("/outside/file")), "untouched");
}

TEST_F(RootWriterTest, ReplacesALinkAndNotWhatItNames) {
  ASSERT_TRUE(File("target", "old").ok());
  ASSERT_TRUE(writer_.MakeSymlink("link", "target", own_).ok());
  ASSERT_TRUE(File("link", "new").ok());
  EXPECT_EQ(Read("target"), "old");
  EXPECT_EQ(Read("link"), "new");
  ASSERT_TRUE(writer_.MakeHardLink("hard", "target").ok());
  ASSERT_TRUE(File("hard", "its own").ok());
  EXPECT_EQ(Read("target"), "old");
}

TEST_F(RootWriterTest, ReplacesFoldersWithFilesAndFilesWithFolders) {
  ASSERT_TRUE(File("a/b/c", "1").ok());
  ASSERT_TRUE(File("a", "2").ok());
  EXPECT_EQ(Read("a"), "2");
  ASSERT_TRUE(writer_.MakeDirectory("a", own_).ok());
  ASSERT_TRUE(File("a/d", "3").ok());
  ASSERT_TRUE(writer_.MakeDirectory("a", own_).ok()) << "a folder that is there keeps what it has";
  EXPECT_EQ(Read("a/d"), "3");
}

TEST_F(RootWriterTest, GivesNobodyAnothersRights) {
  RootWriter::Attributes all = own_;
  all.mode = 06755;
  ASSERT_TRUE(writer_.MakeFile("program", all).ok());
  struct stat info = {};
  ASSERT_EQ(stat(tree_.At("/root/program").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0755u);
}

TEST_F(RootWriterTest, AWhiteoutRemovesWhatLayersBeforeLeft) {
  ASSERT_TRUE(File("a/one", "1").ok());
  ASSERT_TRUE(File("a/two/x", "2").ok());
  writer_.BeginLayer();
  ASSERT_TRUE(File("a/three", "3").ok());
  EXPECT_TRUE(RootWriter::IsWhiteout("a/.wh.one"));
  EXPECT_FALSE(RootWriter::IsWhiteout("a/one"));
  EXPECT_TRUE(writer_.ApplyWhiteout("a/.wh.one").ok());
  EXPECT_TRUE(writer_.ApplyWhiteout("a/.wh.three").ok());
  EXPECT_TRUE(writer_.ApplyWhiteout("none/.wh.at-all").ok());
  EXPECT_FALSE(Exists("a/one"));
  EXPECT_TRUE(Exists("a/three")) << "it is this layer's own";
  EXPECT_TRUE(writer_.ApplyWhiteout("a/.wh..wh..opq").ok());
  EXPECT_FALSE(Exists("a/two"));
  EXPECT_TRUE(Exists("a/three"));
}

TEST_F(RootWriterTest, AWhiteoutRemovesNothingOutside) {
  tree_.Write("/outside/file", "untouched");
  ASSERT_TRUE(writer_.MakeSymlink("out", tree_.At("/outside"), own_).ok());
  writer_.BeginLayer();
  EXPECT_TRUE(writer_.ApplyWhiteout("out/.wh.file").ok());
  EXPECT_TRUE(writer_.ApplyWhiteout("out/.wh..wh..opq").ok());
  EXPECT_FALSE(writer_.ApplyWhiteout(".wh...").ok());
  EXPECT_FALSE(writer_.ApplyWhiteout(".wh..").ok());
  EXPECT_TRUE(writer_.ApplyWhiteout(".wh.out").ok());
  EXPECT_EQ(*base::ReadSmallFile(tree_.At("/outside/file")), "untouched");
  EXPECT_FALSE(Exists("out"));
}

TEST_F(RootWriterTest, CountsTheFoldersThatNoEntryAsksFor) {
  int64_t spent = 0;
  RootWriter writer(Open(tree_.At("/counted")), {.spend = [&](int64_t bytes) {
                      spent += bytes;
                      return spent > 16384 ? absl::ResourceExhaustedError("") : absl::OkStatus();
                    }});
  ASSERT_TRUE(writer.MakeDirectory("own", own_).ok());
  EXPECT_EQ(spent, 0);
  ASSERT_TRUE(writer.MakeFile("own/a/b/c/file", own_).ok());
  EXPECT_EQ(spent, 3 * 4096);
  ASSERT_TRUE(writer.MakeFile("own/a/b/c/other", own_).ok());
  EXPECT_EQ(spent, 3 * 4096) << "they are there";
  EXPECT_EQ(writer.MakeFile("d/e/f/file", own_).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(fs::exists(tree_.At("/counted/d/e")));
}

TEST_F(RootWriterTest, ALayerHasNoMoreThanItMay) {
  RootWriter writer(Open(tree_.At("/bounded")), {.most_of_layer = 3});
  ASSERT_TRUE(writer.MakeFile("a/b/c", own_).ok());
  ASSERT_TRUE(writer.MakeFile("a/b/c", own_).ok()) << "it is one";
  const auto more = writer.MakeFile("d", own_).status();
  EXPECT_EQ(more.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(more.message()).find("more than 3 files and folders"), std::string::npos);
  writer.BeginLayer();
  EXPECT_TRUE(writer.MakeFile("d", own_).ok());
}

TEST_F(RootWriterTest, RefusesFoldersWithoutEnd) {
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "d/";
  EXPECT_EQ(File(deep + "x", "1").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace berth::images
