#include "separate/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace stemsmith {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kSpare = 32 * kMiB;  // that may be held beyond what was in use at once

TEST(BlockPool, WhatWasFreedBecomesPartOfLargerAndSmallerBlocks) {
  BlockPool pool;
  std::vector<void*> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(pool.Allocate(20 * kMiB));
  EXPECT_EQ(pool.figures().used, 80 * kMiB);
  for (void* block : blocks) pool.Free(block);
  EXPECT_EQ(pool.figures().used, 0u);
  EXPECT_EQ(pool.figures().kept, 80 * kMiB);

  void* const large = pool.Allocate(78 * kMiB);
  EXPECT_EQ(pool.figures().kept, 2 * kMiB);
  pool.Free(large);
  void* const small = pool.Allocate(2 * kMiB);
  EXPECT_EQ(pool.figures().used + pool.figures().kept, 80 * kMiB);
  pool.Free(small);
}

// Blocks of every size, in an order without a pattern; each holds a number of its own everywhere.
void Exercise(BlockPool& pool, unsigned seed, std::size_t& most) {
  std::mt19937 random(seed);
  std::vector<std::pair<std::uint64_t*, std::size_t>> blocks;
  std::size_t used = 0;
  const auto check = [](const std::pair<std::uint64_t*, std::size_t>& block) {
    const auto [begin, count] = block;
    EXPECT_EQ(std::count(begin, begin + count, *begin), static_cast<std::ptrdiff_t>(count));
  };
  for (std::uint64_t step = 0; step < 400; ++step) {
    if (blocks.size() < 8 && random() % 3 != 0) {
      const std::size_t bytes = random() % 4 == 0 ? random() % 4096 : random() % (24 * kMiB);
      const std::size_t count = std::max<std::size_t>(bytes / 8, 1);
      auto* const begin = static_cast<std::uint64_t*>(pool.Allocate(count * 8));
      ASSERT_NE(begin, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(begin) % 64, 0u);
      std::fill_n(begin, count, step << 32 | seed);
      blocks.emplace_back(begin, count);
      used += count * 8 + kMiB / 4;  // and what sizes are rounded up by
      most = std::max(most, used);
    } else if (!blocks.empty()) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      check(blocks.back());
      used -= blocks.back().second * 8 + kMiB / 4;
      pool.Free(blocks.back().first);
      blocks.pop_back();
    }
  }
  for (const auto& block : blocks) {
    check(block);
    pool.Free(block.first);
  }
}

TEST(BlockPool, BlocksKeepTheirBytesAndLittleMoreIsHeldThanWasInUseAtOnce) {
  BlockPool pool;
  std::size_t most = 0;
  for (unsigned seed = 1; seed < 6; ++seed) Exercise(pool, seed, most);
  EXPECT_EQ(pool.figures().used, 0u);
  EXPECT_GT(pool.figures().kept, 0u);
  EXPECT_LE(pool.figures().kept, most + kSpare);
}

TEST(BlockPool, ThreadsShareIt) {
  BlockPool pool;
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed < 5; ++seed)
    threads.emplace_back([&pool, seed] {
      std::size_t most = 0;
      Exercise(pool, seed, most);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.figures().used, 0u);
}

TEST(BlockPool, NothingIsFreedAsNothing) {
  BlockPool pool;
  pool.Free(nullptr);
  pool.Free(pool.Allocate(0));
  EXPECT_EQ(pool.Allocate(std::size_t{1} << 60), nullptr);
}

}  // namespace
}  // namespace stemsmith
