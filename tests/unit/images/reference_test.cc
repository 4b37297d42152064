#include "images/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace berth::images {
namespace {

using ::testing::HasSubstr;

std::string RefusalOfReference(const std::string& text) {
  return std::string(CheckReference(text).message());
}

const std::string kDigest = "@sha256:" + std::string(64, 'a');

TEST(ReferenceTest, TakesImagesOfRegistries) {
  for (const std::string& text :
       {std::string("debian"), std::string("debian:12"), std::string("docker:dind"),
        std::string("library/debian"), std::string("docker.io/library/debian:12"),
        std::string("registry.example:5000/a/b_c/d-e:v1.0_rc-1"), std::string("localhost/x"),
        "debian" + kDigest, "host:443/x:tag" + kDigest}) {
    EXPECT_TRUE(CheckReference(text).ok()) << text;
  }
}

TEST(ReferenceTest, TakesNothingThatIsNoRegistrys) {
  for (const char* text : {"docker-archive:/x", "oci-archive:x", "oci-archive:x/y:tag",
                           "dir:/root/img", "dir:img", "oci:/layout:tag", "containers-storage:x",
                           "containers-storage:[overlay@/var/x]y", "docker-daemon:x:latest",
                           "docker://debian", "https://registry.example/x", "sif:x", "other:/x"}) {
    EXPECT_THAT(RefusalOfReference(text), HasSubstr("always a registry's")) << text;
  }
  EXPECT_THAT(RefusalOfReference("dir:/root/img"), HasSubstr("it begins with \"dir:\""));
}

TEST(ReferenceTest, RefusesWhatHasNoSense) {
  for (const std::string& text : {std::string(""),
                                  std::string("--help"),
                                  std::string("-x"),
                                  std::string("./x"),
                                  std::string("a b"),
                                  std::string("x;y"),
                                  std::string("a//b"),
                                  std::string("a/"),
                                  std::string("a/../b"),
                                  std::string("a:"),
                                  std::string("a:b:c"),
                                  std::string("h:1x/a"),
                                  std::string("h:123456/a"),
                                  std::string("h/a:1/b"),
                                  std::string("a:-x"),
                                  std::string("a@sha256:12"),
                                  std::string("a@md5:12"),
                                  "a" + kDigest + kDigest,
                                  "a:" + std::string(129, 'x'),
                                  std::string("a\n"),
                                  std::string("a\0b", 3)}) {
    EXPECT_THAT(RefusalOfReference(text), HasSubstr("neither an absolute path")) << text;
  }
}

}  // namespace
}  // namespace berth::images
