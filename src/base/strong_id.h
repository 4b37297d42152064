#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace berth::base {

// An integer that names one kind of thing, and cannot be taken for another kind's:
//   using SessionId = StrongId<struct SessionTag>;
//
// Ordered by value; usable as a key of ordered and of std's hash containers. The default
// is 0, which names nothing wherever counting starts at 1.
template <typename Tag, typename Rep = std::uint64_t>
class StrongId {
 public:
  using rep = Rep;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Rep value) : value_(value) {}

  [[nodiscard]] constexpr Rep value() const { return value_; }

  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  Rep value_ = 0;
};

}  // namespace berth::base

template <typename Tag, typename Rep>
struct std::hash<berth::base::StrongId<Tag, Rep>> {
  std::size_t operator()(berth::base::StrongId<Tag, Rep> id) const noexcept {
    return std::hash<Rep>()(id.value());
  }
};
