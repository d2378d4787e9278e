// Memory of the system for tensors.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "narae/core/pages.h"

namespace narae {
namespace {

constexpr std::size_t megabyte = std::size_t{1} << 20U;

TEST(Pages, BlocksAreApartAlignedAndWritable) {
  Pages pages;
  std::vector<std::pair<std::byte*, std::size_t>> blocks;
  // Small ones, some that fill several regions, and some with a region for themselves.
  for (std::size_t i = 0; i < 40; ++i)
    for (const std::size_t bytes : {std::size_t{64}, 100 + 64 * i, 3 * megabyte + 7, i < 2 ? 9 * megabyte : megabyte})
      blocks.emplace_back(pages.take(bytes), bytes);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [memory, bytes] = blocks[i];
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0);
    std::memset(memory, static_cast<int>(i % 251), bytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [memory, bytes] = blocks[i];
    EXPECT_EQ(memory[0], static_cast<std::byte>(i % 251));
    EXPECT_EQ(memory[bytes - 1], static_cast<std::byte>(i % 251));
  }
  // Every second one goes; the others keep their numbers.
  for (std::size_t i = 0; i < blocks.size(); i += 2) pages.give_back(blocks[i].first, blocks[i].second);
  for (std::size_t i = 1; i < blocks.size(); i += 2) {
    const auto [memory, bytes] = blocks[i];
    for (std::size_t k = 0; k < bytes; k += 4096) ASSERT_EQ(memory[k], static_cast<std::byte>(i % 251));
    EXPECT_EQ(memory[bytes - 1], static_cast<std::byte>(i % 251));
    pages.give_back(memory, bytes);
  }
}

TEST(Pages, WhatIsGivenBackLastIsTakenAgain) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "blocks come from the allocator under AddressSanitizer";
#else
  Pages pages;
  std::byte* const lasting = pages.take(256);
  std::byte* const first = pages.take(megabyte);
  pages.give_back(first, megabyte);
  std::byte* const second = pages.take(megabyte);
  EXPECT_EQ(second, first);
  pages.give_back(second, megabyte);
  pages.give_back(lasting, 256);
#endif
}

TEST(Pages, TooMuchIsANullPointer) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer ends the program for an allocation of this size";
#else
  Pages pages;
  EXPECT_EQ(pages.take(std::size_t{1} << 60U), nullptr);
#endif
}

}  // namespace
}  // namespace narae
