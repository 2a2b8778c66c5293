#include "core/for_each_song.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace stemsmith {
namespace {

TEST(ForEachSong, DoesEachOnce) {
  for (const int threads : {0, 1, 3, 20}) {
    std::vector<std::atomic<int>> done(7);
    ForEachSong(done.size(), threads, {},
                [&](std::size_t song, const StopQuestion&) { ++done[song]; });
    for (const auto& count : done) EXPECT_EQ(count, 1);
  }
  ForEachSong(0, 2, {}, [](std::size_t, const StopQuestion&) { FAIL(); });
}

TEST(ForEachSong, EndsWhenAsked) {
  std::atomic<int> done = 0;
  // Once is enough, and the first signal is the one that counts.
  std::atomic<int> asked = 0;
  const Host host{.stop = [&] { return done >= 5 ? 15 - asked++ % 16 : 0; }};
  EXPECT_EQ(ForEachSong(100, 2, host, [&](std::size_t, const StopQuestion&) { ++done; }), 15);
  EXPECT_GE(done, 5);
  EXPECT_LE(done, 6);
}

TEST(ForEachSong, EndsWithTheFirstException) {
  std::atomic<int> done = 0;
  EXPECT_THROW(ForEachSong(100, 1, {},
                           [&](std::size_t song, const StopQuestion&) {
                             if (song == 3) throw std::runtime_error("third");
                             ++done;
                           }),
               std::runtime_error);
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace stemsmith
