#include "images/oci_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/support/status_text.h"
#include "tests/unit/images/layout_builder.h"

namespace berth::images {
namespace {

using berth::testing::LayoutBuilder;
using berth::testing::Tar;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Refusal(const LayoutBuilder& layout, const std::string& tag = "") {
  const auto image = ReadLayout(layout.path(), tag);
  return image.ok() ? "read" : std::string(image.status().message());
}

TEST(OciLayoutTest, ReadsAnImage) {
  const LayoutBuilder layout;
  EXPECT_TRUE(IsLayout(layout.path()));
  EXPECT_FALSE(IsLayout("/"));
  const std::string digest = layout.Manifest(
      {Tar({{"a", "1"}}), Tar({{"b", "2"}})},
      R"({"config": {"Entrypoint": ["/e"], "Cmd": ["c", "d"], "Env": ["A=b"], "WorkingDir": "/w"}})");
  layout.Index({{digest, ""}});
  const auto image = ReadLayout(layout.path(), "");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->digest, digest);
  EXPECT_EQ(image->layers.size(), 2u);
  EXPECT_THAT(image->config.entrypoint, ElementsAre("/e"));
  EXPECT_THAT(image->config.command, ElementsAre("c", "d"));
  EXPECT_THAT(image->config.environment, ElementsAre("A=b"));
  EXPECT_EQ(image->config.working_directory, "/w");
}

TEST(OciLayoutTest, FindsAnImageByItsName) {
  const LayoutBuilder layout;
  const std::string one = layout.Manifest({Tar({{"a", "1"}})});
  const std::string two = layout.Manifest({Tar({{"a", "2"}})});
  layout.Index({{one, "one"}, {two, "two"}});
  EXPECT_EQ(ReadLayout(layout.path(), "two")->digest, two);
  EXPECT_THAT(Refusal(layout), HasSubstr("\"one\", \"two\"; name one, as " + layout.path()));
  EXPECT_THAT(Refusal(layout, "three"), HasSubstr("it has no image \"three\"; it has \"one\""));
}

TEST(OciLayoutTest, RefusesWhatIsForAnotherMachine) {
  const LayoutBuilder layout;
  layout.Index({{layout.Manifest({Tar({})}, R"({"os": "plan9", "architecture": "mips"})"), ""}});
  EXPECT_THAT(Refusal(layout), HasSubstr("it is for plan9/mips, and this node is linux/"));
}

TEST(OciLayoutTest, RefusesWhatIsNotWhatItsDigestSays) {
  const LayoutBuilder layout;
  const std::string digest = layout.Image(Tar({{"a", "1"}}));
  layout.tree().Write(LayoutBuilder::BlobPath(digest), "{}");
  EXPECT_THAT(Refusal(layout), HasSubstr("is not what its digest says"));
}

TEST(OciLayoutTest, RefusesDocumentsThatSayNothingOfUse) {
  const LayoutBuilder layout;
  EXPECT_THAT(Refusal(layout), HasSubstr("cannot open"));
  const std::pair<const char*, const char*> cases[] = {
      {"", "no JSON object"},
      {"[1]", "no JSON object"},
      {"{}", "names no image"},
      {R"({"manifests": []})", "names no image"},
      {R"({"manifests": 7})", "no sha256 digest"},
      {R"({"manifests": [7]})", "no sha256 digest"},
      {R"({"manifests": [{"digest": "sha256:../../../../etc/passwd"}]})", "no sha256 digest"},
  };
  for (const auto& [text, words] : cases) {
    layout.tree().Write("/index.json", text);
    EXPECT_THAT(Refusal(layout), HasSubstr(words)) << text;
  }
  for (const char* manifest : {"{}", R"({"config": 1, "layers": {}})"}) {
    layout.Index({{layout.Blob(manifest), ""}});
    EXPECT_THAT(Refusal(layout), HasSubstr("no sha256 digest")) << manifest;
  }
  std::string deep(100'000, '[');
  layout.tree().Write("/index.json", "{\"manifests\": " + deep);
  EXPECT_THAT(Refusal(layout), HasSubstr("no JSON object"));
}

TEST(OciLayoutTest, RefusesALayerThatIsNotAsLongAsItsManifestSays) {
  const LayoutBuilder layout;
  const std::string layer = Tar({{"a", "1"}});
  layout.Image(layer);
  const std::string digest = layout.Blob(layer);
  layout.tree().Write(LayoutBuilder::BlobPath(digest), layer + "more");
  EXPECT_THAT(Refusal(layout),
              HasSubstr("bytes, and its manifest says " + std::to_string(layer.size())));
  layout.Blob(layer);
  EXPECT_EQ(Refusal(layout), "read");
  layout.Index(
      {{layout.Blob(R"({"config": {"digest": ")" + layout.Blob("{}") +
                    R"("}, "layers": [{"mediaType": "tar", "digest": ")" + digest + R"("}]})"),
        ""}});
  EXPECT_THAT(Refusal(layout), HasSubstr("its manifest says no size"));
}

TEST(OciLayoutTest, WaitsForNoFifo) {
  const LayoutBuilder layout;
  ASSERT_EQ(mkfifo((layout.path() + "/index.json").c_str(), 0600), 0);
  EXPECT_THAT(Refusal(layout), HasSubstr("no regular file"));
}

}  // namespace
}  // namespace berth::images
