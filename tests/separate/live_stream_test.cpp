#include "separate/live_stream.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/separate/stream_fixture.h"

namespace stemsmith {
namespace {

using testing::FunctionRuntime;
using testing::LargestDifference;
using testing::MemoryReader;
using testing::Noise;
using testing::ReadStems;
using testing::ShortSegments;

constexpr std::size_t kBlock = 64;

void CopyTwice(const float* mix, std::int64_t frames, float* out) {
  std::copy_n(mix, 2 * frames, out);
}

// A song, interleaved, and behind it silence, through a stream block by block: all that was pulled,
// interleaved, of the first stem. `wait` is called between push and pull.
std::vector<float> Play(LiveStream& stream, const std::vector<float>& song, std::size_t frames,
                        const std::function<void(std::size_t pushed)>& wait) {
  const auto channels = static_cast<std::size_t>(stream.channels());
  std::vector<float> block(channels * kBlock), stem(channels * kBlock), played;
  std::vector<const float*> in;
  std::vector<float*> out(stream.stems().size() * channels, nullptr);
  for (std::size_t c = 0; c < channels; ++c) {
    in.push_back(block.data() + c * kBlock);
    out[c] = stem.data() + c * kBlock;
  }
  for (std::size_t first = 0; first < frames; first += kBlock) {
    for (std::size_t t = 0; t < kBlock; ++t) {
      for (std::size_t c = 0; c < channels; ++c) {
        const std::size_t i = (first + t) * channels + c;
        block[c * kBlock + t] = i < song.size() ? song[i] : 0.0f;
      }
    }
    stream.Push(in.data(), kBlock);
    wait(first + kBlock);
    stream.Pull(out.data(), kBlock);
    for (std::size_t t = 0; t < kBlock; ++t)
      for (std::size_t c = 0; c < channels; ++c) played.push_back(stem[c * kBlock + t]);
  }
  return played;
}

// As fast as a sound card `times` as fast as real ones.
std::function<void(std::size_t)> Clock(int rate, double times = 1) {
  return [=, start = std::chrono::steady_clock::now()](std::size_t pushed) {
    std::this_thread::sleep_until(
        start + std::chrono::duration_cast<std::chrono::nanoseconds>(
                    std::chrono::duration<double>(static_cast<double>(pushed) / rate / times)));
  };
}

// What came is the first stem of `song` as StemStream gives it, later by the latency to the frame.
void ExpectLater(Runtime& runtime, const LiveStream& stream, const std::vector<float>& song,
                 const std::vector<float>& played, float tolerance) {
  const auto channels = static_cast<std::size_t>(stream.channels());
  StemStream whole(
      runtime, std::make_unique<MemoryReader>(song, stream.channels(), stream.sample_rate_hz()));
  const std::vector<float> expected = ReadStems(whole)[0];
  const std::size_t latency = stream.latency_frames() * channels;
  ASSERT_GE(played.size(), latency + expected.size());
  for (std::size_t i = 0; i < latency; ++i) ASSERT_EQ(played[i], 0.0f) << i;
  const std::vector<float> later(played.begin() + static_cast<std::ptrdiff_t>(latency),
                                 played.end());
  EXPECT_LE(LargestDifference(later, expected, 1), tolerance);
}

// The song fades out to silence, so that what follows it, which conversion of rate looks at, is
// nothing new.
std::vector<float> FadingNoise(std::size_t frames, int channels) {
  std::vector<float> song = Noise(frames * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < song.size(); ++i) {
    const float left = static_cast<float>(song.size() - i);
    song[i] *= std::clamp((left - 6000.0f) / 4000.0f, 0.0f, 1.0f);
  }
  return song;
}

TEST(LiveStream, GivesTheStemsLaterByTheLatencyInRealTime) {
  Manifest manifest = testing::TinyManifest(2);
  manifest.segment_frames = 22050;  // 0.4 s to compute in: enough on any busy machine
  FunctionRuntime runtime(manifest, [](const float* mix, std::int64_t frames, float* out) {
    for (std::int64_t i = 0; i < 4 * frames; ++i) out[i] = 0.5f * mix[i % (2 * frames)];
  });
  const std::vector<float> song = FadingNoise(60000, 2);
  LiveStream stream(runtime);
  EXPECT_EQ(stream.stems().size(), 2u);
  EXPECT_EQ(stream.sample_rate_hz(), 44100);
  EXPECT_LT(stream.latency_frames(), 2 * 22050 + 300u);
  const auto played = Play(stream, song, 60000 + stream.latency_frames() + kBlock, Clock(44100));
  EXPECT_EQ(stream.underrun_frames(), 0u);
  EXPECT_EQ(stream.overrun_frames(), 0u);
  EXPECT_FALSE(stream.failure());
  ExpectLater(runtime, stream, song, played, 1e-6f);
}

TEST(LiveStream, ConvertsRatesAndChannelsAndKeepsTime) {
  for (const auto& [rate, channels] : {std::pair{48000, 2}, {22050, 1}, {96000, 3}}) {
    Manifest manifest = ShortSegments(1);
    manifest.segment_frames = 30000;
    FunctionRuntime runtime(manifest, CopyTwice);
    const std::vector<float> song = FadingNoise(static_cast<std::size_t>(rate) / 2, channels);
    LiveStream stream(runtime, {.sample_rate_hz = rate, .channels = channels});
    const auto played =
        Play(stream, song, static_cast<std::size_t>(rate) / 2 + stream.latency_frames() + kBlock,
             Clock(rate, 2));
    EXPECT_EQ(stream.underrun_frames(), 0u) << rate;
    ExpectLater(runtime, stream, song, played, 1e-4f);
  }
}

// A reader that gives as little as a sound card, and notes how far the stems lag behind.
class LagReader : public AudioReader {
 public:
  LagReader(int rate, std::int64_t frames) : frames_(frames) {
    info_.channels = 1;
    info_.sample_rate_hz = rate;
  }
  const AudioInfo& info() const override { return info_; }
  std::size_t Read(float* out, std::size_t frames) override {
    lag = std::max(lag, given_ - produced);
    if (given_ > frames_) return 0;
    const std::size_t count = std::min(frames, kBlock);
    std::fill_n(out, count, 0.0f);
    given_ += static_cast<std::int64_t>(count);
    return count;
  }
  void Rewind() override {}
  std::int64_t produced = 0, lag = 0;

 private:
  AudioInfo info_;
  std::int64_t given_ = 0, frames_;
};

// A model that takes no time shows what the segment and the conversions alone hold back. The rest
// of the latency, a stride, is the time to compute in.
TEST(LiveStream, LatencyLeavesAStrideToComputeInAtEveryRate) {
  Manifest plain = ShortSegments(1);
  plain.segment_frames = 30000;
  // A model that waits for what lies behind its segments, too.
  Manifest context = plain;
  context.length = {.dynamic = true, .offset_frames = 0, .multiple_frames = 3000};
  context.tail = Tail::kContext;
  context.kept_frames = 28000;
  for (const auto& [manifest, rate] :
       {std::pair{plain, 8000}, {plain, 16000}, {plain, 44100}, {plain, 48000}, {plain, 88200},
        {plain, 192000}, {context, 44100}, {context, 48000}}) {
    FunctionRuntime runtime(manifest, CopyTwice);
    auto reader = std::make_unique<LagReader>(rate, rate * 4);
    LagReader& lag = *reader;
    StemStream stream(runtime, std::move(reader));
    std::vector<std::vector<float>> blocks;
    while (const std::size_t count = stream.Read(256, blocks)) {
      lag.produced += static_cast<std::int64_t>(count);
      if (lag.produced > rate * 3) break;
    }
    const auto latency = static_cast<std::int64_t>(
        LiveStream(runtime, {.sample_rate_hz = rate, .channels = 1}).latency_frames());
    const std::int64_t stride = 30000 * 3 / 4 * std::int64_t{rate} / 44100;
    EXPECT_LE(lag.lag, latency - stride) << rate << " " << manifest.kept_frames;
    EXPECT_GE(lag.lag + rate, latency - stride) << rate << ": not longer than it needs to be";
  }
}

// A model that can be held up.
class Gate {
 public:
  void Close() { Set(false); }
  void Open() { Set(true); }
  void Pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  void Set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

TEST(LiveStream, LateStemsAreSilenceThenLeftOutSoThatTimeIsKept) {
  Manifest manifest = ShortSegments(1);
  manifest.segment_frames = 22050;
  Gate gate;
  FunctionRuntime runtime(manifest, [&](const float* mix, std::int64_t frames, float* out) {
    gate.Pass();
    CopyTwice(mix, frames, out);
  });
  const std::vector<float> song = Noise(2 * 100000);
  LiveStream stream(runtime);
  const auto latency = stream.latency_frames();
  gate.Close();
  const auto clock = Clock(44100, 2);
  const auto played = Play(stream, song, 100000, [&](std::size_t pushed) {
    clock(pushed);
    if (pushed >= 60000 + kBlock) gate.Open();  // the block pulled next may hold stems
  });
  EXPECT_GE(stream.underrun_frames(), 60000 - latency);
  EXPECT_LT(stream.underrun_frames(), 90000 - latency);
  EXPECT_EQ(stream.overrun_frames(), 0u);
  for (std::size_t t = 0; t < 60000; ++t) ASSERT_EQ(played[2 * t], 0.0f);
  for (std::size_t t = 95000; t < 99900; ++t)
    ASSERT_NEAR(played[2 * t], song[2 * (t - latency)], 1e-6) << t;
}

TEST(LiveStream, InputWithoutRoomIsCountedAndKeepsItsPlaceAsSilence) {
  Gate gate;
  Manifest manifest = ShortSegments(1);
  FunctionRuntime runtime(manifest, [&](const float* mix, std::int64_t frames, float* out) {
    gate.Pass();
    CopyTwice(mix, frames, out);
  });
  LiveStream stream(runtime);
  const auto latency = stream.latency_frames();
  gate.Close();
  const std::vector<float> song(2 * 160000, 0.25f);
  const auto played = Play(stream, song, 160000, [&](std::size_t pushed) {
    if (pushed < 100000) return;  // far more than there is room for
    gate.Open();
    std::this_thread::sleep_for(std::chrono::microseconds(700));  // about twice as fast as it plays
  });
  const std::uint64_t lost = stream.overrun_frames();
  EXPECT_GT(lost, 20000u);
  EXPECT_FALSE(stream.failure());
  // By the end it is in time again: what is played is sound again.
  EXPECT_NEAR(played[2 * 159000], 0.25f, 1e-5);
  EXPECT_GT(latency, 4410u);
}

TEST(LiveStream, SegmentsAreNormalisedByThemselvesWhereTheModelWantsTheSongs) {
  Manifest manifest = ShortSegments(1);
  manifest.song_normalization = SongNormalization::kMeanStd;
  manifest.segment_frames = 11025;
  std::vector<double> deviations;
  FunctionRuntime runtime(manifest, [&](const float* mix, std::int64_t frames, float* out) {
    double sum = 0, squares = 0;
    for (std::int64_t t = 0; t < frames; ++t) {
      const double mono = (mix[t] + mix[frames + t]) / 2.0;
      sum += mono, squares += mono * mono;
    }
    deviations.push_back(std::sqrt(squares / static_cast<double>(frames)));
    CopyTwice(mix, frames, out);
  });
  std::vector<float> song = Noise(2 * 40000);
  for (std::size_t i = 0; i < song.size(); ++i) song[i] *= i < 40000 ? 0.01f : 1.0f;
  std::vector<float> played;
  std::size_t latency = 0;
  {
    LiveStream stream(runtime);
    latency = stream.latency_frames();
    played = Play(stream, song, 40000 + latency + kBlock, Clock(44100, 2));
    EXPECT_EQ(stream.underrun_frames(), 0u);
  }
  ASSERT_GT(deviations.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(deviations[i], 1, 1e-3);
  for (std::size_t i = 0; i < song.size(); ++i)
    ASSERT_NEAR(played[i + 2 * latency], song[i], 1e-5) << i;
}

TEST(LiveStream, AFailureOfTheModelIsToldAndTheRestIsSilence) {
  FunctionRuntime runtime(ShortSegments(1), [](const float*, std::int64_t, float*) {
    throw Error::Input("the model fails", "model");
  });
  LiveStream stream(runtime);
  const auto played = Play(stream, Noise(2 * 30000), 30000, Clock(44100, 4));
  ASSERT_TRUE(stream.failure());
  EXPECT_EQ(stream.failure()->problem(), "the model fails");
  for (const float sample : played) ASSERT_EQ(sample, 0.0f);
}

TEST(LiveStream, SamplesThatAreNoNumbersAreSilence) {
  FunctionRuntime runtime(ShortSegments(1), CopyTwice);
  std::vector<float> song(2 * 20000, 0.5f);
  song[20000] = std::nanf("");
  song[20001] = INFINITY;
  LiveStream stream(runtime);
  const auto latency = stream.latency_frames();
  const auto played = Play(stream, song, 20000 + latency, Clock(44100, 2));
  EXPECT_FALSE(stream.failure());
  EXPECT_EQ(played[20000 + 2 * latency], 0.0f);
  EXPECT_NEAR(played[20002 + 2 * latency], 0.5f, 1e-6);
}

TEST(LiveStream, RefusesWhatMakesNoSense) {
  FunctionRuntime runtime(ShortSegments(2), CopyTwice);
  const auto refused = [&](const LiveStreamOptions& options) {
    try {
      LiveStream stream(runtime, options);
    } catch (const Error& error) {
      return error.code() == ExitCode::kWrongUse;
    }
    return false;
  };
  EXPECT_TRUE(refused({.sample_rate_hz = 10}));
  EXPECT_TRUE(refused({.channels = -1}));
  EXPECT_TRUE(refused({.stems = {"drumz"}}));
  EXPECT_TRUE(refused({.overlap = 1}));
}

}  // namespace
}  // namespace stemsmith
