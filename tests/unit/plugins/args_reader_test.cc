#include "common/args_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/plugin_args_builder.h"
#include "tests/support/status_text.h"

namespace berth::plugins {
namespace {

using testing::Arg;
using testing::ArgList;
using testing::ArgMap;
using testing::Text;

// A reader with the arguments that it reads.
struct Opened {
  explicit Opened(PluginArgs given) : args(std::move(given)) {}

  const PluginArgs args;
  const ArgsReader reader = *ArgsReader::Open(args, "outer", {"a", "b"});
  const ArgsReader* operator->() const { return &reader; }
};

TEST(ArgsReaderTest, ReadsNullAsNoArguments) {
  EXPECT_EQ(Opened(PluginArgs{})->Find("a"), nullptr);
}

TEST(ArgsReaderTest, RefusesWhatIsNoMap) {
  EXPECT_EQ(Text(ArgsReader::Open(Arg(7), "outer", {"a"})),
            "INVALID_ARGUMENT: outer: must be a map, is the integer 7");
}

TEST(ArgsReaderTest, NamesAnUnknownArgumentAndTheAcceptedOnes) {
  EXPECT_EQ(Text(ArgsReader::Open(ArgMap({{"c", Arg(1)}}), "outer", {"a", "b"})),
            "INVALID_ARGUMENT: outer.c: unknown argument; accepted: a, b");
}

TEST(ArgsReaderTest, SaysWhenAPluginHasNoArgumentsAtAll) {
  EXPECT_EQ(Text(AcceptNoArguments(ArgMap({{"c", Arg(1)}}))),
            "INVALID_ARGUMENT: c: unknown argument; the plugin has none");
  EXPECT_TRUE(AcceptNoArguments(PluginArgs{}).ok());
}

TEST(ArgsReaderTest, TakesTheFirstChoiceWhenThereIsNone) {
  EXPECT_EQ(*Opened(PluginArgs{})->Choice("a", {"X", "Y"}), "X");
  EXPECT_EQ(*Opened(ArgMap({{"a", PluginArgs{}}}))->Choice("a", {"X", "Y"}), "X");
  EXPECT_EQ(*Opened(ArgMap({{"a", Arg("Y")}}))->Choice("a", {"X", "Y"}), "Y");
}

TEST(ArgsReaderTest, RefusesAChoiceThatIsNotOffered) {
  EXPECT_EQ(Text(Opened(ArgMap({{"a", Arg("Z")}}))->Choice("a", {"X", "Y"})),
            "INVALID_ARGUMENT: outer.a: must be one of X, Y, is \"Z\"");
  EXPECT_EQ(Text(Opened(ArgMap({{"a", Arg(true)}}))->Choice("a", {"X", "Y"})),
            "INVALID_ARGUMENT: outer.a: must be one of X, Y, is true");
}

TEST(ArgsReaderTest, HoldsIntegersToTheirBounds) {
  const Opened reader(ArgMap({{"a", Arg(100)}, {"b", Arg(2.5)}}));
  EXPECT_EQ(*reader->Integer("a", 0, 100), 100);
  EXPECT_EQ(Text(reader->Integer("a", 0, 99)),
            "INVALID_ARGUMENT: outer.a: must be an integer from 0 to 99, is the integer 100");
  EXPECT_EQ(Text(reader->Integer("b", 0, 99)),
            "INVALID_ARGUMENT: outer.b: must be an integer from 0 to 99, is the number 2.5");
}

TEST(ArgsReaderTest, MissesARequiredIntegerAndFillsInAnOptionalOne) {
  EXPECT_EQ(Text(Opened(PluginArgs{})->Integer("a", 0, 9)),
            "INVALID_ARGUMENT: outer.a: is missing");
  EXPECT_EQ(*Opened(PluginArgs{})->IntegerOr("a", 0, 9, 5), 5);
  EXPECT_FALSE(Opened(ArgMap({{"a", Arg(10)}}))->IntegerOr("a", 0, 9, 5).ok());
}

TEST(ArgsReaderTest, RefusesAnEmptyName) {
  EXPECT_EQ(Text(Opened(ArgMap({{"a", Arg("")}}))->Text("a")),
            "INVALID_ARGUMENT: outer.a: must be a name, is \"\"");
  EXPECT_EQ(Text(Opened(PluginArgs{})->Text("a")), "INVALID_ARGUMENT: outer.a: is missing");
}

TEST(ArgsReaderTest, HoldsListsToTheirLength) {
  const Opened reader(ArgMap({{"a", ArgList({Arg(1), Arg(2)})}, {"b", ArgList({})}}));
  EXPECT_EQ((*reader->List("a", 2))->size(), 2u);
  EXPECT_EQ(Text(reader->List("a", 1)),
            "INVALID_ARGUMENT: outer.a: must be a list of 1 to 1 entries, is one of 2");
  EXPECT_EQ(Text(reader->List("b", 1)),
            "INVALID_ARGUMENT: outer.b: must be a list of 1 to 1 entries, is one of 0");
  EXPECT_EQ(*Opened(PluginArgs{})->List("a", 2), nullptr);
}

}  // namespace
}  // namespace berth::plugins
