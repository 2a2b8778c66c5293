// Memory is bound by the segment and not by the song.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

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

// The peaks for songs of one minute and of more, which stand behind these arguments.
void ExpectEqualPeaks(const std::vector<std::string>& arguments, int rate, int many_minutes = 10) {
  testing::TemporaryFolder folder;
  double peaks[2] = {};
  const int minutes[2] = {1, many_minutes};
  for (int i = 0; i < 2; ++i) {
    WriteTone(folder / "song.wav", rate, 60 * minutes[i]);
    std::vector<std::string> command = {STEMSMITH_BIN_DIR "/separate"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    for (const auto& word : {(folder / "song.wav").string(), std::string("-o"),
                             (folder / "out").string(), std::string("--quiet")})
      command.push_back(word);
    const auto process = testing::RunMeasured(command);
    ASSERT_EQ(process.status, 0);
    peaks[i] = process.peak_memory_bytes;
  }
  EXPECT_LT(peaks[1], 1.1 * peaks[0])
      << peaks[0] / (1 << 20) << " MiB for one minute, " << peaks[1] / (1 << 20) << " MiB for "
      << many_minutes;
}

TEST(SeparateMemory, OfTenMinutesIsThatOfOneWithOnnx) {
  testing::TemporaryFolder folder;
  Manifest manifest = testing::TinyManifest(3);
  manifest.segment_frames = 6 * 44100;
  manifest.song_normalization = SongNormalization::kMeanStd;
  testing::WriteGainOnnx(folder / "model.onnx", manifest, {1, 0.5f, 0.25f});
  ExpectEqualPeaks({folder / "model.onnx"}, 48000);
}

TEST(SeparateMemory, OfTenMinutesIsThatOfOneWithTorchScript) {
  testing::TemporaryFolder folder;
  ASSERT_EQ(testing::RunMeasured({STEMSMITH_BIN_DIR "/make_tiny_torchscript",
                                  (folder / "model.ts").string(), "0.5", "0.25"})
                .status,
            0);
  ExpectEqualPeaks({folder / "model.ts"}, 44100);
}

// An ensemble by spectra behind a Wiener filter, and stems that several take, one of them a model
// that measures whole songs.
TEST(SeparateMemory, OfAnHourIsThatOfAMinuteWithSeveralModels) {
  constexpr int kRate = 8000;
  testing::TemporaryFolder folder;
  Manifest manifest = testing::TinyManifest(3);
  manifest.sample_rate_hz = kRate;
  testing::WriteGainOnnx(folder / "first.onnx", manifest, {1, 0.5f, 0.25f});
  manifest.song_normalization = SongNormalization::kMeanStd;
  testing::WriteGainOnnx(folder / "second.onnx", manifest, {0.25f, 1, 0.5f});
  ExpectEqualPeaks({"--model", folder / "first.onnx", "--model", folder / "second.onnx",
                    "--combine", "median_fft", "--wiener", "1", "--overlap-style", "msst"},
                   kRate, 60);
  std::ofstream(folder / "chain.yaml")
      << "steps:\n"
         "  - model: first.onnx\n"
         "  - {model: first.onnx, input: drums, stems: {bass: a}}\n"
         "  - {mix: b=mixture-drums+a}\n"
         "  - {model: second.onnx, input: b, stems: {drums: c}}\n"
         "files: [drums, bass, a, b, c]\n";
  ExpectEqualPeaks({"--chain", folder / "chain.yaml"}, kRate, 60);
}

}  // namespace
}  // namespace stemsmith
