#include "api/page_token.h"

#include <gtest/gtest.h>

namespace berth::api {
namespace {

const PageToken kToken = {.first_epoch = 77,
                          .after = {.job = JobId{20'000'000'001}, .group = 3, .position = 99'999},
                          .after_name = "n7.rack-2",
                          .after_attempt = 4'000'000'000};

TEST(PageTokenTest, GoesThereAndBack) {
  const auto token = DecodePageToken(EncodePageToken(kToken, "list"), "list");
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token->first_epoch, kToken.first_epoch);
  EXPECT_EQ(token->after, kToken.after);
  EXPECT_EQ(token->after_name, kToken.after_name);
  EXPECT_EQ(token->after_attempt, kToken.after_attempt);
}

TEST(PageTokenTest, IsOfOneRequestOnly) {
  const std::string text = EncodePageToken(kToken, "ListJobs namespace=a");
  EXPECT_TRUE(DecodePageToken(text, "ListJobs namespace=a").ok());
  EXPECT_FALSE(DecodePageToken(text, "ListJobs namespace=b").ok());
}

TEST(PageTokenTest, EveryAlteredByteIsNoticed) {
  const std::string text = EncodePageToken(kToken, "list");
  for (size_t i = 0; i < text.size(); ++i) {
    std::string altered = text;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    const auto token = DecodePageToken(altered, "list");
    // The last character of base64 may have bits that mean nothing.
    if (i + 1 == text.size() && token.ok()) continue;
    EXPECT_FALSE(token.ok()) << "byte " << i;
    EXPECT_FALSE(DecodePageToken(text.substr(0, i), "list").ok()) << "cut at " << i;
  }
}

TEST(PageTokenTest, RefusesWhatIsNoToken) {
  for (const std::string& text : {std::string("x"), std::string("!!!"), std::string("////"),
                                  std::string(1 << 20, 'A'), std::string("\xff\xfe")}) {
    EXPECT_EQ(DecodePageToken(text, "list").status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace berth::api
