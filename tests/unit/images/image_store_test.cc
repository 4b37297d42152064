#include "images/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/small_file.h"
#include "tests/unit/images/layout_builder.h"

namespace berth::images {
namespace {

namespace fs = std::filesystem;
using berth::testing::FileTree;
using berth::testing::LayoutBuilder;
using berth::testing::Tar;
using berth::testing::TarEntry;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ImageStoreTest : public ::testing::Test {
 protected:
  ImageStoreTest() { options_.folder = tree_.At("/images"); }

  ImageStore& store() {
    if (store_ == nullptr) {
      store_ = std::make_unique<ImageStore>(options_, clock_,
                                            [this](std::function<void()> work) { Post(work); });
      EXPECT_TRUE(store_->Open().ok());
    }
    return *store_;
  }

  void Post(std::function<void()> work) {
    const base::MutexLock lock(mutex_);
    posted_.push_back(std::move(work));
    changed_.NotifyAll();
  }

  void Ask(const std::string& image) {
    store().Get({.image = image, .program = "", .user = {geteuid(), getegid(), {}}},
                [this](absl::StatusOr<Image> answer) { answers_.push_back(std::move(answer)); });
  }

  // Waits until `count` answers have come.
  const std::vector<absl::StatusOr<Image>>& Answers(size_t count) {
    while (answers_.size() < count) {
      std::vector<std::function<void()>> work;
      {
        const base::MutexLock lock(mutex_);
        while (posted_.empty()) changed_.Wait(mutex_);
        work.swap(posted_);
      }
      for (const auto& each : work) each();
    }
    return answers_;
  }

  absl::StatusOr<Image> Get(const std::string& image) {
    answers_.clear();
    Ask(image);
    return Answers(1)[0];
  }
  std::string Refusal(const std::string& image) {
    const auto answer = Get(image);
    return answer.ok() ? "there" : std::string(answer.status().message());
  }

  [[nodiscard]] std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(options_.folder)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  const FileTree tree_;
  base::SystemClock clock_;
  ImageStore::Options options_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::function<void()>> posted_;
  std::vector<absl::StatusOr<Image>> answers_;
  std::unique_ptr<ImageStore> store_;  // last: it posts
};

TEST_F(ImageStoreTest, ARootFileSystemIsUsedWhereItIs) {
  tree_.Folder("/root/usr");
  const auto image = Get(tree_.At("/root"));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->root, tree_.At("/root"));
  EXPECT_TRUE(image->named);
  tree_.Folder("/other/none");
  EXPECT_THAT(Refusal(tree_.At("/other")), HasSubstr("neither a root file system"));
  EXPECT_THAT(Refusal(tree_.At("/none")), HasSubstr("there is no such directory"));
  EXPECT_THAT(Refusal(tree_.At("/root:tag")), HasSubstr("is no OCI layout"));
}

TEST_F(ImageStoreTest, UnpacksAnImageOnceForAllWhoAsk) {
  const LayoutBuilder layout;
  const std::string digest = layout.Image(Tar({{"a", "1"}, {"b/c", "2"}}));
  for (int i = 0; i < 5; ++i) Ask(layout.path());
  for (const auto& image : Answers(5)) {
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_FALSE(image->named);
    EXPECT_THAT(image->root, HasSubstr(digest.substr(7)));
    EXPECT_EQ(*base::ReadSmallFile(image->root + "/b/c"), "2");
  }
  EXPECT_EQ(Names().size(), 1u);
}

TEST_F(ImageStoreTest, LeavesNothingOfWhatItCouldNotUnpack) {
  const LayoutBuilder layout;
  const std::string layer = Tar({{"a", "1"}});
  layout.Image(layer);
  const std::string blob = LayoutBuilder::BlobPath(layout.Blob(layer));
  layout.tree().Write(blob, layer + "more");
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("is not what its digest says"));
  layout.tree().Write(blob, layer.substr(0, 300));
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("is not what its digest says"));
  const LayoutBuilder rubbish;
  rubbish.Image(std::string(5000, 'x'));
  EXPECT_THAT(Refusal(rubbish.path()), HasSubstr("cannot be unpacked"));
  const LayoutBuilder climbing;
  climbing.Image(Tar({{"../a", "1"}}));
  EXPECT_THAT(Refusal(climbing.path()), HasSubstr("leads out of it"));
  EXPECT_THAT(Names(), IsEmpty());
  layout.tree().Write(blob, layer);
  EXPECT_TRUE(Get(layout.path()).ok()) << "made whole, it can be used";
}

TEST_F(ImageStoreTest, LeavesOutDeviceFiles) {
  const LayoutBuilder layout;
  layout.Image(Tar({{"disk", "", '4'}, {"null", "", '3'}, {"file", "1"}}));
  const auto image = Get(layout.path());
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_FALSE(fs::exists(image->root + "/disk"));
  EXPECT_FALSE(fs::exists(image->root + "/null"));
  EXPECT_TRUE(fs::exists(image->root + "/file"));
}

TEST_F(ImageStoreTest, RemovesThoseNotUsedForLongestAndNoneInUse) {
  options_.most_bytes = 5 << 20;
  std::set<std::string> used;
  options_.in_use = [&] { return used; };
  std::vector<LayoutBuilder> layouts(4);
  for (size_t i = 0; i < layouts.size(); ++i) {
    layouts[i].Image(Tar({{"big", std::string(2 << 20, static_cast<char>('a' + i))}}));
  }
  const auto held = Get(layouts[0].path());
  ASSERT_TRUE(held.ok());
  const std::string in_use = Get(layouts[1].path())->root;
  used = {in_use};
  const std::string idle = Get(layouts[2].path())->root;
  answers_.clear();
  const std::string last = Get(layouts[3].path())->root;
  store_->Stop();  // what is posted before, it does
  EXPECT_TRUE(fs::exists(held->root));
  EXPECT_TRUE(fs::exists(in_use));
  EXPECT_FALSE(fs::exists(idle));
}

TEST_F(ImageStoreTest, StopsAtItsBound) {
  options_.most_bytes = 1 << 20;
  const LayoutBuilder layout;
  layout.Image(Tar({{"big", std::string(2 << 20, 'x')}}));
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("imageStore"));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ImageStoreTest, StopsBeforeTheDiskIsFull) {
  options_.keep_free_bytes = int64_t{1} << 60;
  const LayoutBuilder layout;
  layout.Image(Tar({{"big", std::string(8 << 20, 'x')}}));
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("too full"));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ImageStoreTest, RemovesWhatAnAgentBeforeItWasUnpacking) {
  tree_.Write("/images/.unpacking-7/root/a", "1");
  store();
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ImageStoreTest, ARegistrysImageTakesPodman) {
  options_.podman = "/no/such/podman";
  EXPECT_THAT(Refusal("docker.io/library/debian:12"), HasSubstr("no podman"));
  EXPECT_THAT(Refusal("relative path"), HasSubstr("neither an absolute path"));
  EXPECT_THAT(Refusal("--help"), HasSubstr("neither an absolute path"));
}

}  // namespace
}  // namespace berth::images
