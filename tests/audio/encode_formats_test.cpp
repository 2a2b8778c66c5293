// Every row of the table of formats: what was written comes back.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "audio/encode.h"
#include "audio/resampler.h"
#include "core/error.h"
#include "tests/audio/audio_fixtures.h"

namespace stemsmith {
void PrintTo(const FormatRow& row, std::ostream* out) { *out << row.name; }
}  // namespace stemsmith

namespace stemsmith::testing {
namespace {
namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Lower where surround formats have their bass channel, which lossy ones cut off.
constexpr double kFrequencies[] = {440, 550, 660, 60, 770, 880, 990, 1100};

AudioBuffer PureTones(int channels, std::size_t frames, int sample_rate_hz) {
  AudioBuffer audio(channels, frames);
  for (int c = 0; c < channels; ++c)
    for (std::size_t t = frames / 10; t < frames; ++t)
      audio.channel(c)[t] = static_cast<float>(
          0.4 * std::sin(2 * M_PI * kFrequencies[c % 8] * static_cast<double>(t) / sample_rate_hz));
  return audio;
}

AudioBuffer WhiteNoise(int channels, std::size_t frames) {
  AudioBuffer audio(channels, frames);
  RandomStream random({7});
  for (float& sample : audio.samples()) sample = static_cast<float>(random.Uniform(-0.3, 0.3));
  return audio;
}

double ErrorDb(const float* got, const float* wanted, std::size_t frames) {
  double error = 0, energy = 0;
  for (std::size_t t = 0; t < frames; ++t) {
    error += std::pow(static_cast<double>(got[t]) - wanted[t], 2);
    energy += std::pow(static_cast<double>(wanted[t]), 2);
  }
  return 10 * std::log10(error / energy + 1e-20);
}

class Formats : public ::testing::TestWithParam<FormatRow> {
 protected:
  void SetUp() override {
    const std::string ending = row().ending;
    by_libav_ = ending == ".m4a" || row().many_streams;
    if (by_libav_ && !HasLibavModule()) GTEST_SKIP() << "needs the libav module";
  }
  const FormatRow& row() const { return GetParam(); }
  fs::path path() const { return folder_ / ("a" + std::string(row().ending)); }

  EncodeOptions Options() const {
    EncodeOptions options{.format = row().name};
    if (row().many_streams) options.streams = {"only"};
    return options;
  }
  // AAC in mp4 comes back with its last block whole (up to ffmpeg 8.1).
  void ExpectFrames(std::size_t got, std::size_t wanted) const {
    // Of Vorbis whose audio lies in one page (about a second) libav gives up to 128 frames less.
    const bool one_page = row().name == std::string("ogg") && wanted < 100000;
    EXPECT_GE(got + (one_page ? 128 : 0), wanted);
    EXPECT_LT(got, wanted + (by_libav_ && row().lossy() ? 1024 : 1));
  }

  TemporaryFolder folder_;
  bool by_libav_ = false;
};

INSTANTIATE_TEST_SUITE_P(All, Formats, ::testing::ValuesIn(FormatTable()), [](const auto& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

TEST_P(Formats, EveryChannelComesBackInItsPlaceAndTime) {
  constexpr int kRate = 48000;  // all have it
  constexpr std::size_t kFrames = 16011;
  for (int channels = 1; channels <= std::min(8, row().highest_channels); ++channels) {
    SCOPED_TRACE(channels);
    const AudioBuffer audio = PureTones(channels, kFrames, kRate);
    WriteAudio(path(), audio, kRate, Options());
    const auto reader = OpenAudio(path());
    ASSERT_EQ(reader->info().channels, channels);
    EXPECT_EQ(reader->info().sample_rate_hz, kRate);
    const AudioBuffer back = ReadAll(*reader);
    ExpectFrames(back.frames(), kFrames);
    ASSERT_GE(back.frames(), kFrames - 128);
    for (int c = 0; c < channels; ++c) {
      // Another channel's tone would leave 3 dB.
      EXPECT_LT(ErrorDb(back.channel(c), audio.channel(c), kFrames - 200),
                row().lossy() ? -10 : -70)
          << "channel " << c;
    }
    // Too early or too late by one sample is worse.
    const double right = ErrorDb(back.channel(0) + 1, audio.channel(0) + 1, kFrames - 200);
    EXPECT_LT(right, ErrorDb(back.channel(0), audio.channel(0) + 1, kFrames - 200));
    EXPECT_LT(right, ErrorDb(back.channel(0) + 2, audio.channel(0) + 1, kFrames - 200));
  }
}

TEST_P(Formats, LosslessOnesAreExactToHalfAStep) {
  for (const SampleFormat format : row().sample_formats) {
    SCOPED_TRACE(SampleFormatName(format));
    const AudioBuffer audio = TestTones(2, 20011, 44100);
    EncodeOptions options = Options();
    options.sample_format = format;
    WriteAudio(path(), audio, 44100, options);
    const auto reader = OpenAudio(path());
    EXPECT_EQ(reader->info().sample_rate_hz, 44100);
    const double step = format == SampleFormat::kInt16   ? 0x1p-15
                        : format == SampleFormat::kInt24 ? 0x1p-23
                                                         : 0;
    EXPECT_EQ(reader->info().bits, format == SampleFormat::kInt16   ? 16
                                   : format == SampleFormat::kInt24 ? 24
                                                                    : 32);
    const AudioBuffer back = ReadAll(*reader);
    ASSERT_EQ(back.frames(), audio.frames());
    double largest = 0;
    for (std::size_t i = 0; i < audio.samples().size(); ++i)
      largest =
          std::max(largest, std::abs(static_cast<double>(back.samples()[i]) - audio.samples()[i]));
    EXPECT_LE(largest, step / 2);
  }
}

TEST_P(Formats, RatesThatItLacksAreResampledToTheNext) {
  for (const int rate : {8000, 12345, 22050, 44100, 96000, 192000}) {
    SCOPED_TRACE(rate);
    const auto frames = static_cast<std::size_t>(rate / 2 + 1);
    const AudioBuffer audio = PureTones(1, frames, rate);
    WriteAudio(path(), audio, rate, Options());
    const auto reader = OpenAudio(path());
    const int written = row().RateFor(rate);
    ASSERT_EQ(reader->info().sample_rate_hz, written);
    const AudioBuffer back = ReadAll(*reader);
    ExpectFrames(back.frames(), static_cast<std::size_t>(ResampledFrames(
                                    static_cast<std::int64_t>(frames), rate, written)));
    // As it would sound at its own rate, but for the onset, where the resampler rings.
    const AudioBuffer wanted = PureTones(1, back.frames(), written);
    const std::size_t begin = back.frames() / 5, count = back.frames() / 2;
    EXPECT_LT(ErrorDb(back.channel(0) + begin, wanted.channel(0) + begin, count), -25);
  }
}

TEST_P(Formats, BitRatesAreHeld) {
  if (!row().lossy()) return;
  const AudioBuffer noise = WhiteNoise(2, 3 * 48000);
  double before = 0;
  for (const int bit_rate : {96000, 192000, 320000}) {
    EncodeOptions options = Options();
    options.bit_rate = bit_rate;
    WriteAudio(path(), noise, 48000, options);
    const double got = static_cast<double>(fs::file_size(path())) * 8 / 3;
    EXPECT_GT(got, std::max(before, 0.6 * bit_rate)) << bit_rate;
    EXPECT_LT(got, 1.3 * bit_rate) << bit_rate;
    before = got;
  }
}

TEST_P(Formats, NothingIsLeftWithoutFinish) {
  {
    AudioWriter writer(path(), 44100, 1, Options());
    const std::vector<float> samples(5000, 0.5f);
    writer.Write(samples.data(), samples.size());
    EXPECT_FALSE(fs::exists(path()));
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

// A file-size limit stands in for a full disk: write() fails in the same way, with another errno.
TEST_P(Formats, AFullDiskIsAnErrorAndLeavesNothing) {
  const AudioBuffer noise = WhiteNoise(2, 5 * 48000);
  WriteFileAtomically(path(), "older");
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{40000, 40000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(3);
    try {
      WriteAudio(path(), noise, 48000, Options());
    } catch (const Error& error) {
      const std::string what = error.what();
      _exit(what.find("cannot write") != std::string::npos &&
                    what.find(path().string()) != std::string::npos
                ? 0
                : 2);
    }
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: no error, 2: another error, 3: no limit";
  EXPECT_EQ(ReadFile(path()), "older");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1);
}

TEST_P(Formats, TooManyChannelsAreRefusedWithOthersNamed) {
  if (row().highest_channels > 8) return;
  try {
    AudioWriter(path(), 44100, row().highest_channels + 1, Options());
    ADD_FAILURE() << "taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.problem(), HasSubstr("holds at most"));
    EXPECT_THAT(error.advice(), HasSubstr("wav"));
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

std::string Refusal(const EncodeOptions& options) {
  try {
    CheckEncodeOptions(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

TEST(FormatTable, RefusalsNameTheFormatsThatCan) {
  EXPECT_THAT(Refusal({.format = "flac", .sample_format = SampleFormat::kFloat32}),
              AllOf(HasSubstr("flac holds no samples of 32f"), HasSubstr("wav, rf64, w64")));
  EXPECT_THAT(Refusal({.format = "mp3", .sample_format = SampleFormat::kInt24}),
              AllOf(HasSubstr("mp3 is lossy"), HasSubstr("wav, rf64, w64, flac, alac")));
  EXPECT_THAT(Refusal({.format = "flac", .bit_rate = 128000}),
              AllOf(HasSubstr("flac is lossless"), HasSubstr("mp3, ogg, opus, m4a, stem.mp4")));
  EXPECT_THAT(Refusal({.format = "mp3", .bit_rate = 500000}),
              AllOf(HasSubstr("500 kbit/s"), HasSubstr("from 64 to 320")));
  EXPECT_THAT(Refusal({.format = "wav", .streams = {"a", "b"}}), HasSubstr("stem.mp4"));
  EXPECT_THAT(Refusal({.format = "flacc"}), HasSubstr("did you mean 'flac'"));
  for (const FormatRow& row : FormatTable()) {
    EXPECT_EQ(Refusal({.format = row.name}), "taken");
    for (const SampleFormat format : row.sample_formats)
      EXPECT_EQ(Refusal({.format = row.name, .sample_format = format}), "taken");
  }
}

TEST(FormatTable, TheWavFamilyKeepsTheChannelMask) {
  const TemporaryFolder folder;
  constexpr std::uint32_t kSides = 0x60f;  // 5.1 with the surround channels at the sides
  for (const char* name : {"wav", "rf64", "w64"}) {
    WriteAudio(folder / "a", TestTones(6, 3000, 44100), 44100,
               {.format = name, .channel_mask = kSides});
    EXPECT_EQ(OpenAudio(folder / "a")->info().channel_mask, kSides) << name;
  }
}

// Whatever a codec does to the level at some of its rates is undone: stems that are 5 % quieter no
// longer add up to their song.
TEST(FormatTable, LevelsStayAtEveryBitRate) {
  const TemporaryFolder folder;
  const auto level = [](const AudioBuffer& audio) {
    double sum = 0;
    const std::size_t quarter = audio.frames() / 4;
    for (std::size_t t = quarter; t < 3 * quarter; ++t)
      sum += static_cast<double>(audio.channel(0)[t]) * audio.channel(0)[t];
    return std::sqrt(sum / static_cast<double>(2 * quarter));
  };
  for (const FormatRow& row : FormatTable()) {
    if (!row.lossy() || row.many_streams) continue;
    if (std::string(row.name) == "m4a" && !HasLibavModule()) continue;
    for (const int rate_hz : {16000, 44100}) {
      for (const int kbps : {0, 64, 128, 160, 176, 177, 192, 208, 209, 240, 241, 256, 320}) {
        if (kbps != 0 && (kbps * 1000 < row.bit_rates.lowest || kbps * 1000 > row.bit_rates.highest))
          continue;
        const AudioBuffer tone = PureTones(1, static_cast<std::size_t>(rate_hz), rate_hz);
        WriteAudio(folder / "a", tone, rate_hz, {.format = row.name, .bit_rate = kbps * 1000});
        const AudioBuffer back = ReadAll(*OpenAudio(folder / "a"));
        EXPECT_NEAR(level(back) / level(tone), 1, 0.015)
            << row.name << " " << rate_hz << " Hz " << kbps << " kbit/s";
      }
    }
  }
}

TEST(FormatTable, Rf64SaysItsLengthsIn64Bits) {
  const TemporaryFolder folder;
  WriteAudio(folder / "a.rf64", TestTones(1, 3000, 44100), 44100, {.format = "rf64"});
  EXPECT_EQ(ReadFile(folder / "a.rf64").substr(0, 4), "RF64");
  EXPECT_EQ(OpenAudio(folder / "a.rf64")->info().frames, 3000);
}

// Through a resampler the cuts of the blocks must not show, either.
TEST(FormatTable, SameAudioSameBytesHoweverItIsCut) {
  const TemporaryFolder folder;
  const AudioBuffer audio = TestTones(1, 60000, 96000);
  std::vector<std::string> files;
  for (const std::size_t block : {std::size_t{97}, std::size_t{5000}, audio.frames()}) {
    AudioWriter writer(folder / "a.mp3", 96000, 1, {.format = "mp3"});
    EXPECT_EQ(writer.written_rate_hz(), 48000);
    for (std::size_t t = 0; t < audio.frames(); t += block)
      writer.Write(audio.channel(0) + t, std::min(block, audio.frames() - t));
    writer.Finish();
    files.push_back(ReadFile(folder / "a.mp3"));
  }
  EXPECT_TRUE(files[0] == files[1] && files[1] == files[2]);
}

TEST(FormatTable, StemFilesSayTheirStemsInAnAtom) {
  if (!HasLibavModule()) GTEST_SKIP() << "needs the libav module";
  const TemporaryFolder folder;
  AudioWriter writer(folder / "a.stem.mp4", 44100, 1,
                     {.format = "stem.mp4", .streams = {"mixture", "drums", "voice \"x\""}});
  const std::vector<float> samples(3 * 5000, 0.1f);
  writer.Write(samples.data(), 5000);
  writer.Finish();
  const std::string bytes = ReadFile(folder / "a.stem.mp4");
  // A box is its length, its type, and what is in it: moov holds udta, udta holds stem.
  std::size_t begin = 0, end = bytes.size();
  for (const std::string type : {"moov", "udta", "stem"}) {
    std::size_t size = 0;
    for (;; begin += size) {
      ASSERT_LE(begin + 8, end) << type;
      size = 0;
      for (int i = 0; i < 4; ++i)
        size = size << 8 | static_cast<unsigned char>(bytes[begin + static_cast<std::size_t>(i)]);
      ASSERT_TRUE(size >= 8 && size <= end - begin) << type;
      if (bytes.compare(begin + 4, 4, type) == 0) break;
    }
    end = begin + size;
    begin += 8;
    EXPECT_EQ(end, bytes.size()) << type;
  }
  const auto json = nlohmann::json::parse(bytes.substr(begin, end - begin));
  EXPECT_EQ(json["version"], 1);
  ASSERT_EQ(json["stems"].size(), 2u);
  EXPECT_EQ(json["stems"][0]["name"], "drums");
  EXPECT_EQ(json["stems"][1]["name"], "voice \"x\"");
  EXPECT_TRUE(json["stems"][0].contains("color"));
  EXPECT_TRUE(json["mastering_dsp"].contains("limiter"));
}

// What players and other tools decode is as long as the song, where the format can say it.
TEST_P(Formats, FfmpegGivesTheExactLengthBack) {
  if (!HasFfmpeg()) GTEST_SKIP() << "needs ffmpeg";
  for (const std::size_t frames : {44100u, 100003u}) {
    WriteAudio(path(), PureTones(2, frames, 44100), 44100, Options());
    const auto wanted = static_cast<std::size_t>(
        ResampledFrames(static_cast<std::int64_t>(frames), 44100, row().RateFor(44100)));
    ExpectFrames(FfmpegDecode(path()).size() / 2, wanted);
  }
}

}  // namespace
}  // namespace stemsmith::testing
