#include "base/strings.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <unordered_map>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "base/strong_id.h"

namespace berth::base {
namespace {

TEST(StringsTest, ViewsCrossBothWaysWithoutACopy) {
  const std::string text = "node-a";
  const std::string_view view = text;
  EXPECT_EQ(A(view).data(), text.data());
  EXPECT_EQ(V(A(view)).data(), text.data());
  EXPECT_EQ(V(A(view)), view);
  EXPECT_EQ(S(A(view)), text);
  int parsed = 0;
  EXPECT_TRUE(absl::SimpleAtoi(A(std::string_view("123x").substr(0, 3)), &parsed));
  EXPECT_EQ(parsed, 123);
}

TEST(StringsTest, HashMapsOfStringsAnswerViews) {
  absl::flat_hash_map<std::string, int, StringHash, StringEq> map;
  map["node-a"] = 1;
  EXPECT_TRUE(map.contains(std::string_view("node-a-and-more").substr(0, 6)));
  EXPECT_FALSE(map.contains(std::string_view("node-b")));
}

using NodeId = StrongId<struct NodeTag>;
using ShortId = StrongId<struct ShortTag, std::uint32_t>;

template <typename A, typename B>
concept Comparable = requires(A a, B b) {
  a == b;
};

TEST(StrongIdTest, IsOfItsOwnType) {
  static_assert(!std::is_convertible_v<std::uint64_t, NodeId>);
  static_assert(!std::is_convertible_v<NodeId, std::uint64_t>);
  static_assert(Comparable<NodeId, NodeId> && !Comparable<NodeId, ShortId>);
  static_assert(sizeof(ShortId) == sizeof(std::uint32_t));
  EXPECT_EQ(NodeId().value(), 0u);
  EXPECT_EQ(NodeId(7).value(), 7u);
}

TEST(StrongIdTest, IsAKeyOfOrderedAndHashedContainers) {
  EXPECT_EQ(*std::set<NodeId>({NodeId(2), NodeId(1)}).begin(), NodeId(1));
  EXPECT_EQ((absl::flat_hash_map<NodeId, int>{{NodeId(3), 4}}.at(NodeId(3))), 4);
  EXPECT_EQ((std::unordered_map<ShortId, int>{{ShortId(3), 5}}.at(ShortId(3))), 5);
}

}  // namespace
}  // namespace berth::base
