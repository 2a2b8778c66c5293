// Memory is bound by the segment and not by the song.
#include <gtest/gtest.h>

#include <cmath>

#include "audio/encode.h"
#include "tests/support/measured_process.h"
#include "tests/support/models/tiny_onnx.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

void WriteTone(const std::filesystem::path& path, int rate, int seconds) {
  AudioWriter writer(path, rate, 2);
  std::vector<float> block(static_cast<std::size_t>(rate) * 2);
  for (std::size_t i = 0; i < block.size(); ++i)
    block[i] = 0.3f * std::sin(0.03f * static_cast<float>(i));
  for (int s = 0; s < seconds; ++s) writer.Write(block.data(), static_cast<std::size_t>(rate));
  writer.Finish();
}

// The peaks for songs of one minute and of ten.
void ExpectEqualPeaks(const std::filesystem::path& model, int rate) {
  testing::TemporaryFolder folder;
  double peaks[2] = {};
  const int minutes[2] = {1, 10};
  for (int i = 0; i < 2; ++i) {
    WriteTone(folder / "song.wav", rate, 60 * minutes[i]);
    const auto process = testing::RunMeasured({STEMSMITH_BIN_DIR "/separate", model.string(),
                                               (folder / "song.wav").string(), "-o",
                                               (folder / "out").string(), "--quiet"});
    ASSERT_EQ(process.status, 0);
    peaks[i] = process.peak_memory_bytes;
  }
  EXPECT_LT(peaks[1], 1.1 * peaks[0])
      << peaks[0] / (1 << 20) << " MiB for one minute, " << peaks[1] / (1 << 20) << " MiB for ten";
}

TEST(SeparateMemory, OfTenMinutesIsThatOfOneWithOnnx) {
  testing::TemporaryFolder folder;
  Manifest manifest = testing::TinyManifest(3);
  manifest.segment_frames = 6 * 44100;
  manifest.song_normalization = SongNormalization::kMeanStd;
  testing::WriteGainOnnx(folder / "model.onnx", manifest, {1, 0.5f, 0.25f});
  ExpectEqualPeaks(folder / "model.onnx", 48000);
}

TEST(SeparateMemory, OfTenMinutesIsThatOfOneWithTorchScript) {
  testing::TemporaryFolder folder;
  ASSERT_EQ(testing::RunMeasured({STEMSMITH_BIN_DIR "/make_tiny_torchscript",
                                  (folder / "model.ts").string(), "0.5", "0.25"})
                .status,
            0);
  ExpectEqualPeaks(folder / "model.ts", 44100);
}

}  // namespace
}  // namespace stemsmith
