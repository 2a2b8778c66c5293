// Streams need the same memory for songs of any length, methods that look at the whole song at most
// 1 GiB.
#include <gtest/gtest.h>

#include "audio/encode.h"
#include "core/random.h"
#include "tests/support/measured_process.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

// Of a song of noise in stereo at 44.1 kHz.
double PeakMiB(const std::string& method, int minutes, const std::string& setting) {
  const testing::TemporaryFolder folder;
  AudioWriter writer(folder / "song.wav", 44100, 2);
  RandomStream random({1});
  std::vector<float> block(2 * 44100);
  for (int s = 0; s < 60 * minutes; ++s) {
    for (float& sample : block) sample = static_cast<float>(random.Uniform(-0.3, 0.3));
    writer.Write(block.data(), 44100);
  }
  writer.Finish();
  const auto process = testing::RunMeasured(
      {STEMSMITH_BIN_DIR "/stemsmith", "baseline", method, (folder / "song.wav").string(), "-o",
       (folder / "out").string(), "--quiet", "--set", setting});
  EXPECT_EQ(process.status, 0);
  return process.peak_memory_bytes / (1 << 20);
}

TEST(BaselineMemory, OfWholeSongsIsAtMostAGibibyte) {
  EXPECT_LT(PeakMiB("hpss_repet", 10, "neighbours=100"), 1024);
  EXPECT_LT(PeakMiB("nmf_ranges", 10, "iterations=1"), 1024);
}

TEST(BaselineMemory, OfLongerSongsIsThatOfTheirParts) {
  EXPECT_LT(PeakMiB("nmf", 15, "iterations=1"), 1024);
}

TEST(BaselineMemory, OfStreamsDoesNotGrow) {
  EXPECT_LT(PeakMiB("bands", 5, "order=4"), 1.2 * PeakMiB("bands", 1, "order=4"));
}

}  // namespace
}  // namespace stemsmith
