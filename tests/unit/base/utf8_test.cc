#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace berth::base {
namespace {

TEST(Utf8Test, DecodesEachLengthAtItsBounds) {
  const auto decode = [](std::string_view text) {
    const Utf8Character c = DecodeUtf8(text);
    EXPECT_TRUE(c.valid) << text;
    EXPECT_EQ(c.bytes, text.size());
    return c.code_point;
  };
  EXPECT_EQ(decode(std::string_view("\0", 1)), 0u);
  EXPECT_EQ(decode("\x7f"), 0x7Fu);
  EXPECT_EQ(decode("\xc2\x80"), 0x80u);
  EXPECT_EQ(decode("\xdf\xbf"), 0x7FFu);
  EXPECT_EQ(decode("\xe0\xa0\x80"), 0x800u);
  EXPECT_EQ(decode("\xef\xbf\xbf"), 0xFFFFu);
  EXPECT_EQ(decode("\xf0\x90\x80\x80"), 0x10000u);
  EXPECT_EQ(decode("\xf4\x8f\xbf\xbf"), 0x10FFFFu);
}

TEST(Utf8Test, RefusesWhatIsNotUtf8) {
  for (const std::string_view bad :
       {"\x80", "\xbf", "\xfe", "\xff", "\xf8\x88\x80\x80\x80",  // no character starts so
        "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf",          // overlong
        "\xed\xa0\x80", "\xed\xbf\xbf",                          // surrogates
        "\xf4\x90\x80\x80",                                      // above U+10FFFF
        "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3(", "\xe2(\xa1"}) {
    const Utf8Character c = DecodeUtf8(bad);
    EXPECT_FALSE(c.valid) << ::testing::PrintToString(bad);
    EXPECT_EQ(c.bytes, 1u);
    EXPECT_FALSE(IsValidUtf8(bad)) << ::testing::PrintToString(bad);
  }
}

TEST(Utf8Test, FindsTheFirstInvalidByte) {
  EXPECT_EQ(FindInvalidUtf8("größe → 日本"), std::string_view::npos);
  EXPECT_EQ(FindInvalidUtf8(""), std::string_view::npos);
  EXPECT_EQ(FindInvalidUtf8("gr\xc3\xb6\xffx"), 4u);
}

TEST(Utf8Test, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("größe", 7), "größe");
  EXPECT_EQ(CutUtf8("größe", 6), "größ");
  EXPECT_EQ(CutUtf8("größe", 5), "grö");
  EXPECT_EQ(CutUtf8("größe", 3), "gr");
  EXPECT_EQ(CutUtf8("日本", 5), "日");
  EXPECT_EQ(CutUtf8("日本", 2), "");
  EXPECT_EQ(CutUtf8("\xf0\x9f\x98\x80", 3), "");
  EXPECT_EQ(CutUtf8("plain", 3), "pla");
  EXPECT_EQ(CutUtf8("plain", 0), "");
}

TEST(Utf8Test, ReplacesWhatIsNotValid) {
  EXPECT_EQ(ToValidUtf8("a\u20ac"), "a\u20ac");
  EXPECT_EQ(ToValidUtf8("\xff"
                        "a\xe2\x82"
                        "b\xc3"),
            "\uFFFDa\uFFFD\uFFFDb\uFFFD");
  EXPECT_EQ(ToValidUtf8(""), "");
}

}  // namespace
}  // namespace berth::base
