#include "core/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace stemsmith {
namespace {

TEST(ForEachSong, DoesEachOnce) {
  for (const int threads : {0, 1, 3, 20}) {
    std::vector<std::atomic<int>> done(7);
    ForEachSong(done.size(), threads, {}, [&](std::size_t song) { ++done[song]; });
    for (const auto& count : done) EXPECT_EQ(count, 1);
  }
  ForEachSong(0, 2, {}, [](std::size_t) { FAIL(); });
}

TEST(ForEachSong, EndsWhenAsked) {
  std::atomic<int> done = 0;
  ForEachSong(
      100, 2, [&] { return done >= 5; }, [&](std::size_t) { ++done; });
  EXPECT_GE(done, 5);
  EXPECT_LE(done, 6);
}

TEST(ForEachSong, EndsWithTheFirstException) {
  std::atomic<int> done = 0;
  EXPECT_THROW(ForEachSong(100, 1, {},
                           [&](std::size_t song) {
                             if (song == 3) throw std::runtime_error("third");
                             ++done;
                           }),
               std::runtime_error);
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace stemsmith
