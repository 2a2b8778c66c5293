// `stemsmith probe` as a user types it, on good files and on everything else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/files.h"
#include "tests/support/made_files.h"
#include "tests/support/measured_process.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith {
namespace {

namespace probe_program_tests {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::ProgramResult;

const std::string kStemsmith = STEMSMITH_BIN_DIR "/stemsmith";

class ProbeProgram : public ::testing::Test {
 protected:
  // Two channels, of which one begins to sound when the other ends, half way.
  ProbeProgram() {
    AudioBuffer audio(2, 44100);
    for (std::size_t t = 0; t < audio.frames(); ++t)
      audio.channel(t < 22050 ? 0 : 1)[t] =
          static_cast<float>((t < 22050 ? 0.25 : 0.5) * std::sin(0.1 * static_cast<double>(t)));
    WriteAudio(folder_ / "song.wav", audio, 44100,
               {.sample_format = SampleFormat::kInt24,
                .tags = {{"title", "A \"Söng\""}, {"artist", "Someone"}}});
  }
  ProgramResult Probe(const std::string& arguments) {
    return testing::RunProgram("cd '" + folder_.path().string() + "' && " + kStemsmith +
                               " probe " + arguments);
  }
  void ExpectBadInput(const std::string& arguments, const std::string& says) {
    const ProgramResult result = Probe(arguments);
    EXPECT_EQ(result.status, 1) << arguments;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, AllOf(HasSubstr("error: "), HasSubstr(says))) << arguments;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  nlohmann::json Peaks() { return nlohmann::json::parse(ReadFile(folder_ / "p.json")); }

  testing::TemporaryFolder folder_;
};

TEST_F(ProbeProgram, SaysWhatAFileHoldsWhateverItsName) {
  fs::rename(folder_ / "song.wav", folder_ / "song.txt");
  const ProgramResult json = Probe("song.txt --json");
  ASSERT_EQ(json.status, 0) << json.err;
  EXPECT_EQ(std::count(json.out.begin(), json.out.end(), '\n'), 1);
  const auto fields = nlohmann::json::parse(json.out);
  EXPECT_EQ(fields["format"], "wav");
  EXPECT_EQ(fields["sample_rate_hz"], 44100);
  EXPECT_EQ(fields["channels"], 2);
  EXPECT_EQ(fields["bits"], 24);
  EXPECT_EQ(fields["frames"], 44100);
  EXPECT_EQ(fields["seconds"], 1.0);
  EXPECT_EQ(fields["streams"].size(), 1u);
  EXPECT_EQ(fields["tags"],
            (nlohmann::json{{"title", "A \"Söng\""}, {"artist", "Someone"}}));
  const ProgramResult text = Probe("song.txt");
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("song.txt: wav, 44100 Hz, 2 channels, 24 bits, 1.00 s\n"),
                    HasSubstr("  artist: Someone\n")));
}

TEST_F(ProbeProgram, DrawsWaveformAndSpectrogram) {
  ASSERT_EQ(Probe("song.wav --peaks p.json --spectrogram new/p.png").status, 0);
  const auto peaks = Peaks();
  EXPECT_EQ(peaks["seconds"], 1.0);
  ASSERT_EQ(peaks["peaks"].size(), 4000u);
  for (std::size_t i = 0; i < 4000; ++i) {
    const double value = peaks["peaks"][i];
    EXPECT_EQ(value, std::round(value * 1e4) / 1e4);
    EXPECT_LE(std::abs(value), i < 2000 ? 0.25 : 0.5);
  }
  EXPECT_NEAR(*std::max_element(peaks["peaks"].begin(), peaks["peaks"].begin() + 2000), 0.25, 1e-3);
  EXPECT_NEAR(*std::max_element(peaks["peaks"].begin(), peaks["peaks"].end()), 0.5, 1e-3);
  const std::string png = ReadFile(folder_ / "new/p.png");
  // Width and height of the IHDR chunk.
  EXPECT_EQ(png.substr(16, 8), std::string("\0\0\x04\xb0\0\0\0\xa0", 8));
}

TEST_F(ProbeProgram, ShortSongsHaveAPartPerFrame) {
  WriteAudio(folder_ / "short.wav", AudioBuffer(1, 3), 8000);
  ASSERT_EQ(Probe("short.wav --peaks p.json --spectrogram p.png").status, 0);
  EXPECT_EQ(Peaks()["peaks"].size(), 6u);
}

// What no header tells is decoded to its end; drawings are the same.
TEST_F(ProbeProgram, FindsTheLengthThatNoHeaderTells) {
  std::string bytes = ReadFile(folder_ / "song.wav");
  WriteFileAtomically(folder_ / "piped.wav",
                      testing::Patched(bytes, testing::Find(bytes, "data") + 4,
                                       "\xff\xff\xff\xff"));
  ASSERT_EQ(Probe("song.wav --peaks p.json --spectrogram a.png").status, 0);
  const auto known = Peaks();
  const ProgramResult result = Probe("piped.wav --json --peaks p.json --spectrogram b.png");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out)["seconds"], 1.0);
  EXPECT_EQ(Peaks(), known);
  EXPECT_TRUE(ReadFile(folder_ / "a.png") == ReadFile(folder_ / "b.png"));
  ExpectBadInput("piped.wav --max-seconds 0.5", "is longer than 0.5 s");
  EXPECT_EQ(Probe("piped.wav --max-seconds 1").status, 0);
}

TEST_F(ProbeProgram, RefusesLongSongsByTheirHeaders) {
  // Two hours of silence in a small file.
  WriteAudio(folder_ / "bomb.flac", AudioBuffer(1, 7'200'000), 1000, {.format = "flac"});
  EXPECT_LT(fs::file_size(folder_ / "bomb.flac"), 100'000u);
  ExpectBadInput("bomb.flac --max-seconds 3600 --peaks p.json",
                 "is longer than 3600 s (bomb.flac); cut it, or allow more: --max-seconds");
  EXPECT_FALSE(fs::exists(folder_ / "p.json"));
}

TEST_F(ProbeProgram, LongSongsTakeNoMoreMemory) {
  const auto memory = [&](int minutes) {
    const auto frames = static_cast<std::size_t>(minutes * 24000 * 60);
    WriteAudio(folder_ / "long.flac", AudioBuffer(1, frames), 24000, {.format = "flac"});
    const auto process =
        testing::RunMeasured({kStemsmith, "probe", folder_ / "long.flac", "--peaks",
                              folder_ / "p.json", "--spectrogram", folder_ / "p.png"});
    EXPECT_EQ(process.status, 0);
    return process.peak_memory_bytes;
  };
  EXPECT_LT(memory(8), memory(1) + 8e6 * testing::kHeldPerUsed);
}

TEST_F(ProbeProgram, BadInputIsOneErrorThatHelps) {
  const std::string song = ReadFile(folder_ / "song.wav");
  WriteFileAtomically(folder_ / "empty.wav", "");
  WriteFileAtomically(folder_ / "text.wav", "This is what a song sounds like.\n");
  WriteFileAtomically(folder_ / "noise.mp3", testing::Damaged(std::string(5000, '\x01'), 100));
  WriteFileAtomically(folder_ / "cut.wav", song.substr(0, song.size() / 2));
  WriteFileAtomically(folder_ / "head.wav", song.substr(0, 44));
  fs::create_directory(folder_ / "folder");
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  ExpectBadInput("missing.wav", "no such file (missing.wav)");
  ExpectBadInput("empty.wav", "the file is empty (empty.wav)");
  ExpectBadInput("text.wav", "a text file, not audio (text.wav)");
  ExpectBadInput("noise.mp3", "(noise.mp3)");
  ExpectBadInput("cut.wav", "truncated: ");
  ExpectBadInput("head.wav", "(head.wav)");
  ExpectBadInput("folder", "a folder, not an audio file (folder)");
  ExpectBadInput("fifo", "this is a pipe, not a file (fifo)");
  ExpectBadInput("/dev/zero", "not a file (/dev/zero)");
  ExpectBadInput("song.wav --peaks folder", "folder");
  EXPECT_EQ(Probe("song.wav --peaks song.wav").status, 2);
  EXPECT_EQ(Probe("song.wav --max-seconds nan").status, 2);
  EXPECT_EQ(Probe("song.wav --peaks ''").status, 2);
  EXPECT_TRUE(ReadFile(folder_ / "song.wav") == song);
}

TEST_F(ProbeProgram, FilesOfVideoAndDamagedOnes) {
  if (!testing::HasFfmpeg() || !testing::HasLibavModule()) GTEST_SKIP() << "needs ffmpeg";
  testing::MadeFiles files;
  files.Run("-f lavfi -i testsrc=d=1:s=64x64 -f lavfi -i sine=d=1:r=44100 -c:a aac both.mp4");
  files.Run("-i both.mp4 -map 0:v -c copy picture.mp4");
  files.Run("-f lavfi -i sine=d=20:r=44100 -b:a 64k a.mp3");
  const auto path = [&](const std::string& name) { return (files / name).string(); };
  const ProgramResult both = Probe(path("both.mp4") + " --json");
  ASSERT_EQ(both.status, 0) << both.err;
  EXPECT_EQ(nlohmann::json::parse(both.out)["channels"], 1);
  ExpectBadInput(path("picture.mp4"), "holds no audio stream");
  const std::string mp3 = files.Bytes("a.mp3");
  files.Write("cut.mp3", mp3.substr(0, mp3.size() / 2));
  ExpectBadInput(path("cut.mp3"), "truncated: ");
  files.Write("bad.mp3", testing::Damaged(mp3, 100000));
  // Found where all is decoded.
  if (const ProgramResult bad = Probe(path("bad.mp3") + " --peaks p.json"); bad.status != 0) {
    EXPECT_THAT(bad.err, AllOf(HasSubstr("damaged at "), ::testing::Not(HasSubstr("conceal"))));
  }
}

}  // namespace probe_program_tests

}  // namespace
}  // namespace stemsmith
