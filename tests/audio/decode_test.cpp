#include "audio/decode.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>

#include "core/error.h"
#include "tests/audio/audio_fixtures.h"
#include "tests/support/error_of.h"

namespace stemsmith::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string OpenAndReadError(const std::filesystem::path& path, const DecodeOptions& options = {}) {
  return MessageOf([&] { Drain(*OpenAudio(path, options)); }, ExitCode::kInputFailed);
}

class Decode : public ::testing::Test {
 protected:
  // 0.8 s of stereo that is no whole number of any codec's packets.
  static constexpr std::size_t kFrames = 35281;
  TemporaryFolder folder_;
  std::filesystem::path source_ = folder_ / "source.wav";

  void SetUp() override { WriteAudio(source_, TestTones(2, kFrames, 44100), 44100); }

  // Energy of the source over that of the difference from it: falls to 0 dB and below when it is
  // shifted.
  static double SourceRatioDb(const std::vector<float>& interleaved) {
    const AudioBuffer source = TestTones(2, kFrames, 44100);
    double energy = 0, error = 0;
    for (std::size_t t = 0; t < kFrames; ++t) {
      for (int c = 0; c < 2; ++c) {
        const double expected = source.channel(c)[t];
        const double difference = interleaved.at(2 * t + static_cast<std::size_t>(c)) - expected;
        energy += expected * expected;
        error += difference * difference;
      }
    }
    return 10.0 * std::log10(energy / error);
  }
};

// The samples are those of ffmpeg. The tolerance is that of two decoders: libsndfile's (mpg123,
// libvorbis, libopus) against libav's own.
struct CodecCase {
  std::string name, arguments;
  double tolerance;
  bool says_length;    // info().frames is known
  std::size_t frames;  // 0: as many as ffmpeg gives
  bool in_place;       // compared with the source: encoder delay must be gone
};

void PrintTo(const CodecCase& codec, std::ostream* out) { *out << codec.name; }

class DecodeCodec : public Decode, public ::testing::WithParamInterface<CodecCase> {};

TEST_P(DecodeCodec, GivesTheSamplesOfFfmpegToTheFrame) {
  if (!HasFfmpeg()) GTEST_SKIP() << "needs ffmpeg";
  const CodecCase& codec = GetParam();
  const std::string extension = std::filesystem::path(codec.name).extension();
  const bool for_libav =
      std::set<std::string>{".m4a", ".mp4", ".aac", ".mka"}.contains(extension) ||
      codec.name == "untagged.mp3";
  if (for_libav && !HasLibavModule()) {
    GTEST_SKIP() << "needs the libav module";
  }
  const auto path = folder_ / codec.name;
  Ffmpeg("-i " + Quoted(source_) + " " + codec.arguments + " " + Quoted(path));
  std::vector<float> expected = FfmpegDecode(path);
  const auto reader = OpenAudio(path);
  const std::vector<float> samples = Drain(*reader);
  const auto channels = static_cast<std::size_t>(reader->info().channels);
  if (codec.frames > 0) {
    EXPECT_EQ(samples.size() / channels, codec.frames);
  }
  // For short vorbis files ffmpeg 5.1 forgets to cut the last packet.
  if (codec.name == "a.ogg") expected.resize(std::min(expected.size(), samples.size()));
  ASSERT_EQ(samples.size(), expected.size());
  EXPECT_LE(LargestDifference(samples, expected), codec.tolerance);
  if (codec.in_place) {
    EXPECT_GT(SourceRatioDb(samples), 12.0);
  }
  EXPECT_EQ(reader->info().frames,
            codec.says_length ? static_cast<std::int64_t>(samples.size() / channels) : -1);
  EXPECT_GT(reader->info().expected_frames, 0);

  reader->Rewind();
  EXPECT_EQ(LargestDifference(Drain(*reader, 777), samples), 0.0);
}

INSTANTIATE_TEST_SUITE_P(
    All, DecodeCodec,
    ::testing::Values(
        CodecCase{"a.flac", "-c:a flac", 0.0, true, 35281, true},
        CodecCase{"a.aiff", "", 0.0, true, 35281, true}, CodecCase{"a.w64", "", 0.0, true, 0, true},
        CodecCase{"a.ogg", "-c:a libvorbis", 1e-6, false, 35281, true},
        CodecCase{"a.opus", "-c:a libopus", 1e-5, false, 0, false},
        CodecCase{"a.mp3", "-c:a libmp3lame", 1e-5, false, 35281, true},
        CodecCase{"vbr.mp3", "-c:a libmp3lame -q:a 4", 1e-5, false, 35281, true},
        CodecCase{"mono.mp3", "-ac 1 -ar 22050 -c:a libmp3lame", 1e-5, false, 0, false},
        CodecCase{"untagged.mp3", "-c:a libmp3lame -write_xing 0", 1e-5, false, 0, false},
        CodecCase{"a.m4a", "-c:a aac", 0.0, false, 0, true},
        CodecCase{"a.mp4", "-c:a aac -movflags +faststart", 0.0, false, 0, true},
        CodecCase{"alac.m4a", "-c:a alac", 0.0, false, 35281, true},
        CodecCase{"a.aac", "-c:a aac", 0.0, false, 0, false},
        CodecCase{"a.mka", "-c:a ac3", 0.0, false, 0, false}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::replace(name.begin(), name.end(), '.', '_');
      return name;
    });

// libsndfile alone would stop at the length that the first frame's bit rate suggests.
TEST_F(Decode, ReadsAVariableRateMp3WithoutLengthTagToItsEnd) {
  if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  AudioBuffer audio(1, 44100 * 6);  // loud noise, then silence: the rate falls
  RandomStream random({3});
  for (int t = 0; t < 44100; ++t)
    audio.channel(0)[t] = static_cast<float>(random.Uniform(-0.9, 0.9));
  const auto wav = folder_ / "falling.wav", mp3 = folder_ / "falling.mp3";
  WriteAudio(wav, audio, 44100);
  Ffmpeg("-i " + Quoted(wav) + " -c:a libmp3lame -q:a 2 -write_xing 0 " + Quoted(mp3));
  const auto reader = OpenAudio(mp3);
  EXPECT_EQ(Drain(*reader).size(), FfmpegDecode(mp3).size());
}

TEST_F(Decode, StemFileGivesEveryStreamInOnePass) {
  if (!HasFfmpeg() || !HasLibavModule()) GTEST_SKIP() << "needs ffmpeg and the libav module";
  const auto path = folder_ / "song.stem.mp4";
  std::string inputs, maps;
  for (int s = 0; s < 5; ++s) {
    const auto wav = folder_ / ("stem" + std::to_string(s) + ".wav");
    WriteAudio(wav, TestTones(2, kFrames, 44100, 10 + static_cast<std::uint64_t>(s)), 44100);
    inputs += " -i " + Quoted(wav);
    maps += " -map " + std::to_string(s);
  }
  Ffmpeg(inputs + maps + " -c:a aac " + Quoted(path));

  const auto all = OpenAudio(path, {.all_streams = true});
  EXPECT_EQ(all->info().streams.size(), 5);
  EXPECT_EQ(all->info().channels, 10);
  EXPECT_EQ(all->info().format, "mp4");
  const std::vector<float> samples = Drain(*all);
  const std::size_t frames = samples.size() / 10;
  ASSERT_GE(frames, kFrames);
  for (int s = 0; s < 5; ++s) {
    const std::vector<float> expected = FfmpegDecode(path, "0:a:" + std::to_string(s));
    std::vector<float> stacked;
    for (std::size_t t = 0; t < frames; ++t) {
      stacked.push_back(samples[t * 10 + static_cast<std::size_t>(2 * s)]);
      stacked.push_back(samples[t * 10 + static_cast<std::size_t>(2 * s) + 1]);
    }
    EXPECT_EQ(LargestDifference(stacked, expected), 0.0) << "stream " << s;
    const auto one = OpenAudio(path, {.stream = s});
    EXPECT_EQ(one->info().channels, 2);
    EXPECT_EQ(LargestDifference(Drain(*one), expected), 0.0) << "stream " << s;
  }
  EXPECT_THAT(OpenAndReadError(path, {.stream = 5}),
              AllOf(HasSubstr("holds 5 audio streams"), HasSubstr("no stream 5")));
  EXPECT_THAT(OpenAndReadError(path, {.stream = -2}), HasSubstr("no stream -2"));
}

TEST_F(Decode, WavHasOneStream) {
  EXPECT_THAT(OpenAndReadError(source_, {.stream = 1}), HasSubstr("no stream 1"));
  const auto reader = OpenAudio(source_, {.all_streams = true});
  EXPECT_EQ(reader->info().channels, 2);
  EXPECT_EQ(reader->info().streams.size(), 1);
}

TEST_F(Decode, EightChannelsAndEightKilohertz) {
  const auto path = folder_ / "eight.wav";
  const AudioBuffer audio = TestTones(8, 8000, 8000);
  WriteAudio(path, audio, 8000, {.sample_format = SampleFormat::kFloat32});
  const auto reader = OpenAudio(path);
  EXPECT_EQ(reader->info().channels, 8);
  EXPECT_EQ(reader->info().sample_rate_hz, 8000);
  EXPECT_EQ(reader->info().bits, 32);
  const AudioBuffer back = ReadAll(*reader);
  ASSERT_EQ(back.frames(), audio.frames());
  for (std::size_t i = 0; i < audio.samples().size(); ++i) {
    ASSERT_EQ(back.samples()[i], audio.samples()[i]) << i;
  }
}

TEST_F(Decode, NotANumberIsAnErrorThatNamesTheSecond) {
  // The writer refuses such samples: put them into the finished file.
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const auto path = folder_ / "bad.wav";
    WriteAudio(path, TestTones(2, 44100, 44100), 44100, {.sample_format = SampleFormat::kFloat32});
    std::string bytes = ReadFile(path);
    std::memcpy(bytes.data() + bytes.size() - 44100 * 4, &bad, 4);  // in the middle: 0.5 s
    WriteFileAtomically(path, bytes);
    EXPECT_THAT(OpenAndReadError(path), AllOf(HasSubstr("0.50 s"), HasSubstr("bad.wav"),
                                              HasSubstr(bad != bad ? "not a number" : "infinite")));
  }
}

TEST_F(Decode, UnusableFilesAreErrors) {
  EXPECT_THAT(OpenAndReadError(folder_ / "missing.wav"), HasSubstr("no such file"));
  EXPECT_THAT(OpenAndReadError(folder_.path()), HasSubstr("a folder"));

  const auto empty = folder_ / "empty.wav";
  std::ofstream(empty).close();
  EXPECT_THAT(OpenAndReadError(empty), HasSubstr("empty"));

  for (const char* name : {"text.wav", "text.mp3", "text.m4a", "text.au"}) {
    WriteFileAtomically(folder_ / name, "This is no audio, but text.\nTwo lines of it.\n");
    EXPECT_THAT(OpenAndReadError(folder_ / name), HasSubstr("a text file, not audio")) << name;
  }

  const auto noise = folder_ / "noise.m4a";
  std::string bytes(5000, '\0');
  RandomStream random({9});
  for (char& byte : bytes) byte = static_cast<char>(random.Bits());
  WriteFileAtomically(noise, bytes);
  if (HasLibavModule()) {
    EXPECT_THAT(OpenAndReadError(noise), HasSubstr("not an audio file"));
  }

  const auto nothing = folder_ / "nothing.wav";
  WriteAudio(nothing, AudioBuffer(2, 0), 44100);
  EXPECT_THAT(OpenAndReadError(nothing), HasSubstr("holds no audio"));

  CutFile(source_, folder_ / "header.wav", 40);
  EXPECT_THAT(OpenAndReadError(folder_ / "header.wav"), HasSubstr("damaged"));
}

TEST_F(Decode, TruncatedFilesAreErrorsThatSayHowFarTheyGo) {
  const std::size_t wav_bytes = ReadFile(source_).size();
  CutFile(source_, folder_ / "cut.wav", wav_bytes - kFrames * 2);  // half of the audio is gone
  EXPECT_THAT(OpenAndReadError(folder_ / "cut.wav"),
              AllOf(HasSubstr("truncated"), HasSubstr("0.40 s")));
  CutFile(source_, folder_ / "one.wav", wav_bytes - 4);  // a single frame is gone
  EXPECT_THAT(OpenAndReadError(folder_ / "one.wav"), HasSubstr("truncated"));
  CutFile(source_, folder_ / "none.wav", wav_bytes - kFrames * 4);
  EXPECT_THAT(OpenAndReadError(folder_ / "none.wav"), HasSubstr("truncated"));

  const auto flac = folder_ / "whole.flac";
  WriteAudio(flac, TestTones(2, 44100 * 4, 44100), 44100, {.format = "flac"});
  CutFile(flac, folder_ / "cut.flac", ReadFile(flac).size() / 2);
  EXPECT_THAT(OpenAndReadError(folder_ / "cut.flac"), HasSubstr(" s"));

  if (!HasFfmpeg() || !HasLibavModule())
    GTEST_SKIP() << "the rest needs ffmpeg and the libav module";
  for (const std::string name : {"a.mp3", "a.m4a", "a.aiff"}) {
    const auto whole = folder_ / name, cut = folder_ / ("cut-" + name);
    Ffmpeg("-i " + Quoted(flac) + " -movflags +faststart " + Quoted(whole));
    CutFile(whole, cut, ReadFile(whole).size() / 2);
    EXPECT_THAT(OpenAndReadError(cut), AllOf(HasSubstr(" s"), Not(HasSubstr("no such")))) << name;
    EXPECT_NO_THROW(Drain(*OpenAudio(whole))) << name;
  }
  // The index lies at the end and is gone.
  Ffmpeg("-i " + Quoted(flac) + " " + Quoted(folder_ / "late.m4a"));
  CutFile(folder_ / "late.m4a", folder_ / "cut-late.m4a", 20000);
  EXPECT_THAT(OpenAndReadError(folder_ / "cut-late.m4a"), HasSubstr("damaged"));
}

// Programs that write to a pipe cannot go back to fill in the length.
TEST_F(Decode, StreamedFilesWithoutALengthAreReadToTheEnd) {
  if (!HasFfmpeg()) GTEST_SKIP() << "needs ffmpeg";
  for (const std::string format : {"wav", "flac"}) {
    const auto path = folder_ / ("piped." + format);
    const ProgramResult result = RunProgram("ffmpeg -nostdin -v error -i " + Quoted(source_) +
                                            " -f " + format + " - | cat > " + Quoted(path));
    ASSERT_EQ(result.status, 0) << result.err;
    const auto reader = OpenAudio(path);
    EXPECT_EQ(Drain(*reader).size(), kFrames * 2) << format;
  }
}

TEST_F(Decode, MissingModuleIsAClearError) {
  if (!HasFfmpeg()) GTEST_SKIP() << "needs ffmpeg";
  const auto path = folder_ / "a.m4a";
  Ffmpeg("-i " + Quoted(source_) + " " + Quoted(path));
  setenv("STEMSMITH_MODULE_DIR", folder_.path().c_str(), 1);
  std::string message;
  try {
    OpenAudio(path);
  } catch (const Error& error) {
    message = error.what();
  }
  unsetenv("STEMSMITH_MODULE_DIR");
  if (message.empty()) GTEST_SKIP() << "an earlier test of this process has loaded the module";
  EXPECT_THAT(message, HasSubstr("needs the module libstemsmith_libav.so"));
}

}  // namespace
}  // namespace stemsmith::testing
