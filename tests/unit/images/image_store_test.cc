#include "images/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <sstream>
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Stands still, or goes on by a step whenever somebody looks.
class SteppingClock final : public base::Clock {
 public:
  [[nodiscard]] int64_t MonotonicMs() const override { return now_ms_ += step_ms_; }
  [[nodiscard]] int64_t WallMs() const override { return 0; }
  void Advance(int64_t ms) { now_ms_ += ms; }
  void StepBy(int64_t ms) { step_ms_ = ms; }

 private:
  mutable std::atomic<int64_t> now_ms_ = 1'000'000;
  std::atomic<int64_t> step_ms_ = 0;
};

constexpr int64_t kMinuteMs = 60'000;

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
  SteppingClock clock_;
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
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("the layout is damaged"));
  layout.tree().Write(blob, layer.substr(0, 300));
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("the layout is damaged"));
  layout.tree().Write(blob, std::string(layer.size(), 'x'));
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

TEST_F(ImageStoreTest, GivesAnImageThatIsThereToWhoHasWhatItIsMadeOf) {
  const LayoutBuilder whole;
  const std::string layer = Tar({{"a", "1"}});
  whole.Image(layer);
  ASSERT_TRUE(Get(whole.path()).ok());
  store_.reset();  // and with it who has shown what
  const LayoutBuilder hollow;
  hollow.Image(layer);
  hollow.tree().Write(LayoutBuilder::BlobPath(hollow.Blob(layer)), std::string(layer.size(), 'x'));
  EXPECT_THAT(Refusal(hollow.path()), HasSubstr("is not what its digest says"));
  EXPECT_THAT(Refusal(hollow.path()), HasSubstr("is not what its digest says"));
  const auto image = Get(whole.path());
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(*base::ReadSmallFile(image->root + "/a"), "1");
}

TEST_F(ImageStoreTest, RefusesAWhiteoutWithContent) {
  const LayoutBuilder layout;
  layout.Image(Tar({{".wh.a", "x"}}));
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("whiteout \".wh.a\" with content"));
  EXPECT_THAT(Names(), IsEmpty());
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
  options_.most_bytes = (1 << 20) + 8192;
  const LayoutBuilder long_one;
  long_one.Image(Tar({{"big", std::string(2 << 20, 'x')}}));
  EXPECT_THAT(Refusal(long_one.path()), HasSubstr("imageStore"));
  const LayoutBuilder of_two;
  const std::string half = Tar({{"half", std::string(600 << 10, 'x')}});
  of_two.Index({{of_two.Manifest({half, half}), ""}});
  EXPECT_THAT(Refusal(of_two.path()), HasSubstr("imageStore"));
  const LayoutBuilder many;
  std::vector<TarEntry> entries;
  for (int i = 0; i < 100; ++i) entries.push_back({.name = "f" + std::to_string(i), .content = ""});
  many.Image(Tar(entries));
  EXPECT_THAT(Refusal(many.path()), HasSubstr("imageStore")) << "files cost without content, too";
  const LayoutBuilder left_out;
  left_out.Image(Tar({{"folder", std::string(1 << 20, 'x'), 'D'}}));
  EXPECT_THAT(Refusal(left_out.path()), HasSubstr("imageStore")) << "and so does what is left out";
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ImageStoreTest, StopsWhenItTakesTooLong) {
  clock_.StepBy(10 * kMinuteMs);
  const LayoutBuilder layout;
  layout.Image(Tar({{"big", std::string(2 << 20, 'x')}}));
  EXPECT_THAT(Refusal(layout.path()), HasSubstr("longer than 30 minutes"));
  EXPECT_THAT(Names(), IsEmpty());
  clock_.StepBy(0);
  EXPECT_TRUE(Get(layout.path()).ok());
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
  EXPECT_THAT(Refusal("dir:/etc"), HasSubstr("always a registry's"));
}

constexpr char kPodman[] = R"sh( || exit 1
echo "$*" >> calls
case "$1" in
  images) cat images 2> /dev/null; exit 0 ;;
  manifest) [ ! -e odd ] || { cat odd >&2; exit 125; }; cat manifest ;;
  pull) [ ! -e slow ] || exec sleep 1000; cat pull ;;
  save)
    while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
    cp -r "$(cat layout)" "$out" ;;
esac
)sh";

// With a program in podman's place. It notes how it is called, and has what a test writes for it.
class RegistryImagesTest : public ImageStoreTest {
 protected:
  RegistryImagesTest() {
    options_.podman = tree_.At("/podman/podman");
    tree_.Write("/podman/podman", "#!/bin/sh\ncd " + tree_.At("/podman") + kPodman);
    fs::permissions(options_.podman, fs::perms::owner_all);
    Has(one_, "1", kIdOne);
  }

  void Has(const LayoutBuilder& layout, const std::string& content, const std::string& id) {
    layout.Image(Tar({{"content", content}}));
    tree_.Write("/podman/layout", layout.path());
    tree_.Write("/podman/pull", "a warning\n" + id + "\n");
  }

  // The first words of how podman was called since the last time, the id after "save" and "rmi".
  std::vector<std::string> Calls() {
    std::istringstream lines(base::ReadSmallFile(tree_.At("/podman/calls")).value_or(""));
    tree_.Remove("/podman/calls");
    std::vector<std::string> calls;
    for (std::string line; std::getline(lines, line);) {
      const std::string last = line.substr(line.rfind(' ') + 1);
      const std::string first = line.substr(0, line.find(' '));
      calls.push_back(first == "images" ? first : first + " " + last);
    }
    return calls;
  }

  std::string Content(const std::string& reference) {
    const auto image = Get(reference);
    return image.ok() ? *base::ReadSmallFile(image->root + "/content")
                      : std::string(image.status().message());
  }

  const std::string kIdOne = std::string(64, '1');
  const std::string kIdTwo = std::string(64, '2');
  const LayoutBuilder one_;
  const LayoutBuilder two_;
};

TEST_F(RegistryImagesTest, AreFetchedFromARegistryAndNotLeftInPodman) {
  EXPECT_EQ(Content("registry.example/a:1"), "1");
  EXPECT_THAT(Calls(),
              ElementsAre("manifest docker://registry.example/a:1", "images",
                          "pull docker://registry.example/a:1", "save " + kIdOne, "rmi " + kIdOne));
  EXPECT_THAT(Names(), ElementsAre(StartsWith("sha256-")));
}

TEST_F(RegistryImagesTest, LeavesInPodmanWhatWasThere) {
  tree_.Write("/podman/images", "sha256:" + kIdTwo + "\nsha256:" + kIdOne + "\n");
  EXPECT_EQ(Content("a:1"), "1");
  EXPECT_THAT(Calls(), ElementsAre("manifest docker://a:1", "images", "pull docker://a:1",
                                   "save " + kIdOne));
}

TEST_F(RegistryImagesTest, AreAskedForAgainAfterAWhile) {
  EXPECT_EQ(Content("a:1"), "1");
  Calls();
  Has(two_, "2", kIdTwo);
  EXPECT_EQ(Content("a:1"), "1");
  EXPECT_THAT(Calls(), IsEmpty());
  clock_.Advance(11 * kMinuteMs);
  EXPECT_EQ(Content("a:1"), "2");
  EXPECT_THAT(Calls(), ElementsAre("manifest docker://a:1", "images", "pull docker://a:1",
                                   "save " + kIdTwo, "rmi " + kIdTwo));
}

TEST_F(RegistryImagesTest, AreNotSavedAgainWhenTheyAreTheSame) {
  EXPECT_EQ(Content("a:1"), "1");
  Calls();
  clock_.Advance(11 * kMinuteMs);
  EXPECT_EQ(Content("a:1"), "1");
  EXPECT_THAT(Calls(),
              ElementsAre("manifest docker://a:1", "images", "pull docker://a:1", "rmi " + kIdOne));
  EXPECT_EQ(Content("a:1"), "1");
  EXPECT_THAT(Calls(), IsEmpty()) << "that is known again for a while";
}

TEST_F(RegistryImagesTest, AreNotFetchedAgainWhenTheRegistrySaysTheSame) {
  tree_.Write("/podman/manifest", "{1}");
  EXPECT_EQ(Content("a:1"), "1");
  Calls();
  clock_.Advance(11 * kMinuteMs);
  EXPECT_EQ(Content("a:1"), "1");
  EXPECT_THAT(Calls(), ElementsAre("manifest docker://a:1"));
  clock_.Advance(11 * kMinuteMs);
  tree_.Write("/podman/manifest", "{2}");
  Has(two_, "2", kIdTwo);
  EXPECT_EQ(Content("a:1"), "2");
}

TEST_F(RegistryImagesTest, AreNotFetchedAgainWhenPodmanSaysTheSameOfAManifestItCannotRead) {
  const std::string error = "Error: parsing manifest blob \"{\\\"digest\\\": \\\"sha256:";
  tree_.Write("/podman/odd", error + "1\n");
  EXPECT_EQ(Content("a:1"), "1");
  Calls();
  Has(two_, "2", kIdTwo);
  clock_.Advance(11 * kMinuteMs);
  EXPECT_EQ(Content("a:1"), "1");
  EXPECT_THAT(Calls(), ElementsAre("manifest docker://a:1"));
  clock_.Advance(11 * kMinuteMs);
  tree_.Write("/podman/odd", error + "2\n");
  EXPECT_EQ(Content("a:1"), "2");
}

TEST_F(RegistryImagesTest, WithADigestAreNeverAskedForAgain) {
  const std::string reference = "a@sha256:" + std::string(64, 'f');
  EXPECT_EQ(Content(reference), "1");
  Calls();
  clock_.Advance(1000 * kMinuteMs);
  EXPECT_EQ(Content(reference), "1");
  EXPECT_THAT(Calls(), IsEmpty());
}

TEST_F(RegistryImagesTest, AreFetchedAgainWhenTheyAreGone) {
  EXPECT_EQ(Content("a:1"), "1");
  answers_.clear();
  tree_.Remove("/images/" + Names()[0]);
  EXPECT_EQ(Content("a:1"), "1");
}

TEST_F(RegistryImagesTest, AreFetchedOnceForAllWhoAsk) {
  for (int i = 0; i < 5; ++i) Ask("a:1");
  for (const auto& image : Answers(5)) EXPECT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(Calls().size(), 5u);
}

TEST_F(RegistryImagesTest, AreKnownWhileAnotherOneIsSlowToCome) {
  EXPECT_EQ(Content("a:1"), "1");
  tree_.Write("/podman/slow", "");
  Ask("b:1");
  EXPECT_EQ(Content("a:1"), "1");
  store_->Stop();  // the other one, too
}

TEST_F(RegistryImagesTest, HaveToComeInTime) {
  options_.most_pull = std::chrono::seconds(0);
  tree_.Write("/podman/slow", "");
  EXPECT_THAT(Refusal("a:1"), HasSubstr("`podman pull` took longer than 0 s"));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(RegistryImagesTest, AreRefusedWhenPodmanDoesNotSayWhichItFetched) {
  tree_.Write("/podman/pull", "done\n");
  EXPECT_THAT(Refusal("a:1"), HasSubstr("did not say"));
  tree_.Remove("/podman/pull");
  EXPECT_THAT(Refusal("a:1"), HasSubstr("podman failed: cat: pull"));
}

}  // namespace
}  // namespace berth::images
