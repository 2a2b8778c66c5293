#include "separate/live_stream.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "audio/audio.h"
#include "audio/decode.h"
#include "core/current_error.h"
#include "separate/frame_ring.h"
#include "separate/manifest.h"
#include "separate/stem_stream.h"

namespace stemsmith {
namespace {

// What the stream's thread hands on at once: as much is held back at its end.
constexpr std::size_t kBlockFrames = 256;
// The least time to compute a segment, where large overlaps leave none.
constexpr double kLeastComputingSeconds = 0.02;
// What the rings hold beyond the latency: a stall of this length loses no input.
constexpr double kSpareSeconds = 1;

// Thrown out of the stream's own thread when it is to end.
struct Ended {};

// The thread sleeps until the caller has done something. A count, not a condition: raising it needs
// no lock. (An int is what a futex takes as it is.)
class Signal {
 public:
  int Seen() const { return count_.load(std::memory_order_acquire); }
  void WaitBeyond(int seen) const { count_.wait(seen, std::memory_order_acquire); }
  void Raise() noexcept {
    count_.fetch_add(1, std::memory_order_release);
    count_.notify_one();
  }

 private:
  std::atomic<int> count_{0};
};

// The input ring as a song without an end.
class RingReader : public AudioReader {
 public:
  RingReader(AudioInfo info, FrameRing& ring, const Signal& signal, const std::atomic<bool>& ends)
      : info_(std::move(info)), ring_(ring), signal_(signal), ends_(ends) {}

  const AudioInfo& info() const override { return info_; }

  std::size_t Read(float* out, std::size_t frames) override {
    std::size_t count = 0;
    for (;;) {
      const int seen = signal_.Seen();
      if (ends_) throw Ended{};
      count = std::min(frames, ring_.Waiting());
      if (count > 0) break;
      signal_.WaitBeyond(seen);
    }
    const auto channels = static_cast<std::size_t>(info_.channels);
    planar_.resize(channels * count);
    pointers_.resize(channels);
    for (std::size_t c = 0; c < channels; ++c) pointers_[c] = planar_.data() + c * count;
    ring_.Read(pointers_.data(), 0, count);
    // One sample that is none would end the stream.
    for (float& sample : planar_) sample = std::isfinite(sample) ? sample : 0.0f;
    Interleave(planar_.data(), info_.channels, count, out);
    return count;
  }

  void Rewind() override { throw Error::Input("a live stream cannot be rewound", ""); }

 private:
  AudioInfo info_;
  FrameRing& ring_;
  const Signal& signal_;
  const std::atomic<bool>& ends_;
  std::vector<float> planar_;
  std::vector<float*> pointers_;
};

// The model with each segment's own mean and deviation in the place of the song's.
class SegmentNormalization : public Runtime {
 public:
  explicit SegmentNormalization(Runtime& inner) : inner_(inner), manifest_(inner.manifest()) {
    normalizes_ = manifest_.song_normalization != SongNormalization::kNone;
    manifest_.song_normalization = SongNormalization::kNone;
  }
  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::string>& stems() const override { return inner_.stems(); }
  std::string description() const override { return inner_.description(); }

  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    if (!normalizes_) return inner_.Run(mix, batch, frames, estimates);
    const auto in = static_cast<std::size_t>(manifest_.channels * frames);
    const std::size_t out = in * stems().size();
    for (std::int64_t b = 0; b < batch; ++b, mix += in, estimates += out) {
      const auto [mean, deviation] = Measure(mix, static_cast<std::size_t>(frames));
      normalized_.resize(in);
      for (std::size_t i = 0; i < in; ++i) normalized_[i] = (mix[i] - mean) / deviation;
      inner_.Run(normalized_.data(), 1, frames, estimates);
      for (std::size_t i = 0; i < out; ++i) estimates[i] = estimates[i] * deviation + mean;
    }
  }

 private:
  // Of the mono mix of [C, T], as StemStream takes them of the song.
  std::pair<float, float> Measure(const float* mix, std::size_t frames) const {
    MonoMoments moments;
    for (std::size_t t = 0; t < frames; ++t) {
      double mono = 0;
      for (int c = 0; c < manifest_.channels; ++c)
        mono += mix[static_cast<std::size_t>(c) * frames + t];
      moments.Add(mono / manifest_.channels);
    }
    return moments.MeanAndDeviation();
  }

  Runtime& inner_;
  Manifest manifest_;
  bool normalizes_ = false;
  std::vector<float> normalized_;
};

AudioInfo LiveInfo(const LiveStreamOptions& options, const ModelInfo& model) {
  AudioInfo info;
  info.sample_rate_hz = options.sample_rate_hz == 0 ? model.sample_rate_hz : options.sample_rate_hz;
  info.channels = options.channels == 0 ? model.channels : options.channels;
  StemStream::CheckLayout(info.sample_rate_hz, info.channels);
  return info;
}

std::size_t LatencyFrames(const Manifest& manifest, double overlap, std::int64_t segment,
                          int rate) {
  const int model_rate = manifest.sample_rate_hz;
  const double share = overlap < 0 ? manifest.overlap : overlap;
  const double stride = std::max(1.0, std::ceil(static_cast<double>(segment) * (1 - share)));
  double seconds = static_cast<double>(segment) / model_rate +
                   std::max(stride / model_rate, kLeastComputingSeconds);
  if (rate != model_rate) {
    // The converter before the model gives blocks of 16384 frames (audio/convert.cpp); both hold
    // back less than 4096 frames of the lower rate inside.
    seconds += 16384.0 / model_rate + 2 * 4096.0 / std::min(rate, model_rate);
  }
  return static_cast<std::size_t>(std::ceil(seconds * rate)) + kBlockFrames;
}

}  // namespace

struct LiveStream::Impl {
  AudioInfo info;
  SegmentNormalization runtime;
  Signal signal;
  std::atomic<bool> ends{false};
  std::unique_ptr<FrameRing> input;
  std::unique_ptr<StemStream> stream;  // used by the thread alone once it runs
  std::size_t latency = 0;
  std::unique_ptr<FrameRing> output;

  std::uint64_t gap = 0;     // of Push(): frames of silence that the ring is still to be given
  std::uint64_t pulled = 0;  // of Pull(): frames so far
  std::atomic<std::uint64_t> underruns{0}, overruns{0};

  std::optional<Error> failure;  // set before `failed`
  std::atomic<bool> failed{false};
  std::thread thread;

  Impl(Runtime& model, const LiveStreamOptions& options)
      : info(LiveInfo(options, model.info())), runtime(model) {
    const std::int64_t segment = model.info().segment_frames;
    latency = LatencyFrames(runtime.manifest(), options.overlap, segment, info.sample_rate_hz);
    const std::size_t capacity =
        latency + kBlockFrames + static_cast<std::size_t>(kSpareSeconds * info.sample_rate_hz);
    input = std::make_unique<FrameRing>(info.channels, capacity);
    stream = std::make_unique<StemStream>(
        runtime, std::make_unique<RingReader>(info, *input, signal, ends),
        StemStreamOptions{
            .stems = options.stems, .overlap = options.overlap, .input_name = "live"});
    output = std::make_unique<FrameRing>(static_cast<int>(stream->stems().size()) * info.channels,
                                         capacity);
    thread = std::thread([this] { Work(); });
  }

  ~Impl() {
    ends = true;
    signal.Raise();
    thread.join();
  }

  void Work() {
    const auto channels = static_cast<std::size_t>(info.channels);
    std::vector<std::vector<float>> blocks;
    std::vector<float> planar(static_cast<std::size_t>(output->channels()) * kBlockFrames);
    std::vector<const float*> pointers(static_cast<std::size_t>(output->channels()));
    try {
      while (const std::size_t count = stream->Read(kBlockFrames, blocks)) {
        for (std::size_t s = 0; s < blocks.size(); ++s) {
          float* stem = planar.data() + s * channels * kBlockFrames;
          Deinterleave(blocks[s].data(), info.channels, count, stem);
          for (std::size_t c = 0; c < channels; ++c) pointers[s * channels + c] = stem + c * count;
        }
        for (;;) {
          const int seen = signal.Seen();
          if (ends) return;
          if (output->Room() >= count) break;
          signal.WaitBeyond(seen);
        }
        output->Write(pointers.data(), 0, count);
      }
    } catch (const Ended&) {
    } catch (...) {
      failure = CurrentError("live");
      failed.store(true, std::memory_order_release);
    }
  }
};

LiveStream::LiveStream(Runtime& runtime, const LiveStreamOptions& options)
    : impl_(std::make_unique<Impl>(runtime, options)) {}
LiveStream::~LiveStream() = default;

const std::vector<std::string>& LiveStream::stems() const { return impl_->stream->stems(); }
int LiveStream::sample_rate_hz() const { return impl_->info.sample_rate_hz; }
int LiveStream::channels() const { return impl_->info.channels; }
std::size_t LiveStream::latency_frames() const { return impl_->latency; }

void LiveStream::Push(const float* const* in, std::size_t frames) noexcept {
  Impl& impl = *impl_;
  // Silence for what was lost comes first, so that everything behind it keeps its place in time.
  const auto filled =
      static_cast<std::size_t>(std::min<std::uint64_t>(impl.gap, impl.input->Room()));
  impl.input->Write(nullptr, 0, filled);
  impl.gap -= filled;
  const std::size_t taken = impl.gap > 0 ? 0 : std::min(frames, impl.input->Room());
  impl.input->Write(in, 0, taken);
  impl.gap += frames - taken;
  impl.overruns.fetch_add(frames - taken, std::memory_order_relaxed);
  impl.signal.Raise();
}

void LiveStream::Pull(float* const* out, std::size_t frames) noexcept {
  Impl& impl = *impl_;
  FrameRing& ring = *impl.output;
  const auto silence = [&](std::size_t begin, std::size_t end) {
    for (int c = 0; c < ring.channels(); ++c)
      if (out[c] != nullptr) std::fill(out[c] + begin, out[c] + end, 0.0f);
  };
  const std::uint64_t first = impl.pulled;
  impl.pulled += frames;
  const std::size_t before =
      first < impl.latency ? std::min<std::size_t>(frames, impl.latency - first) : 0;
  silence(0, before);
  if (before == frames) return;

  // The stems' frame that is due now; those before it were not there in time.
  const std::uint64_t due = first + before - impl.latency;
  ring.Read(
      nullptr, 0,
      static_cast<std::size_t>(std::min<std::uint64_t>(due - ring.Position(), ring.Waiting())));
  std::size_t count = 0;
  if (ring.Position() == due) count = std::min(frames - before, ring.Waiting());
  ring.Read(out, before, count);
  silence(before + count, frames);
  impl.underruns.fetch_add(frames - before - count, std::memory_order_relaxed);
  impl.signal.Raise();
}

std::uint64_t LiveStream::underrun_frames() const noexcept { return impl_->underruns; }
std::uint64_t LiveStream::overrun_frames() const noexcept { return impl_->overruns; }

std::optional<Error> LiveStream::failure() const {
  if (!impl_->failed.load(std::memory_order_acquire)) return std::nullopt;
  return impl_->failure;
}

}  // namespace stemsmith
