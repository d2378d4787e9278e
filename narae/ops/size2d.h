#pragma once

#include <cstdint>

namespace narae {

/// Height and width; one number stands for both: `.stride = 2`, `.kernel = {3, 5}`.
struct Size2d {
  std::int64_t height;
  std::int64_t width;

  constexpr Size2d(std::int64_t both) : height(both), width(both) {}  // NOLINT(google-explicit-constructor)
  constexpr Size2d(std::int64_t h, std::int64_t w) : height(h), width(w) {}
  friend constexpr bool operator==(const Size2d&, const Size2d&) = default;
};

}  // namespace narae
