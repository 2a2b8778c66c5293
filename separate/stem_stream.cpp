#include "separate/stem_stream.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include "core/error.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"
#include "separate/manifest.h"
#include "separate/msst_overlap_add.h"
#include "separate/song_overlap_add.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 16384;

// Samples beyond this, 80 dB above full scale, are no audio: their squares, in a model, are beyond
// what a float holds.
constexpr float kLoudest = 1e4f;

// Hands a reader on and counts what went through: the length of the input, known for certain at its
// end only.
class CountingReader : public AudioReader {
 public:
  CountingReader(std::unique_ptr<AudioReader> inner, std::int64_t& count)
      : inner_(std::move(inner)), count_(count) {}
  const AudioInfo& info() const override { return inner_->info(); }
  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t read = inner_->Read(out, frames);
    count_ += static_cast<std::int64_t>(read);
    return read;
  }
  void Rewind() override {
    inner_->Rewind();
    count_ = 0;
  }
  std::vector<Damage> damage() const override { return inner_->damage(); }

 private:
  std::unique_ptr<AudioReader> inner_;
  std::int64_t& count_;
};

// Separated audio of one stem at the model's rate that waits to be converted; asks for more when it
// runs dry.
class StemQueue : public AudioReader {
 public:
  // `more` separates another piece into all queues; false at the end, after which `tail_frames` of
  // silence follow, so that rounding in two conversions of rate never leaves the stem short.
  StemQueue(AudioInfo info, std::size_t tail_frames, std::function<bool()> more)
      : info_(std::move(info)), tail_frames_(tail_frames), more_(std::move(more)) {}

  const AudioInfo& info() const override { return info_; }

  // Appends channels [first, first + C) of planar audio, from the frame `from` on.
  void Append(const AudioBuffer& audio, int first, std::size_t from) {
    if (begin_ > 0) {
      samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
    const std::size_t old = samples_.size();
    samples_.resize(old + (audio.frames() - from) * channels());
    if (from == 0)
      return Interleave(audio.channel(first), info_.channels, audio.frames(),
                        samples_.data() + old);
    float* out = samples_.data() + old;
    for (std::size_t t = from; t < audio.frames(); ++t)
      for (int c = 0; c < info_.channels; ++c) *out++ = audio.channel(first + c)[t];
  }

  std::size_t Read(float* out, std::size_t frames) override {
    while (samples_.size() == begin_) {
      if (more_()) continue;
      const std::size_t count = std::min(frames, tail_frames_);
      std::fill_n(out, count * channels(), 0.0f);
      tail_frames_ -= count;
      return count;
    }
    const std::size_t count = std::min(frames, (samples_.size() - begin_) / channels());
    std::copy_n(samples_.data() + begin_, count * channels(), out);
    begin_ += count * channels();
    return count;
  }

  void Rewind() override { throw Error::Input("a stream of stems cannot be rewound", ""); }

 private:
  std::size_t channels() const { return static_cast<std::size_t>(info_.channels); }
  AudioInfo info_;
  std::size_t tail_frames_;
  std::function<bool()> more_;
  std::vector<float> samples_;  // interleaved; those before begin_ are used up
  std::size_t begin_ = 0;
};

OverlapChoice ChoiceOf(const StemStreamOptions& options) {
  return {.style = options.overlap_style,
          .window = options.window,
          .segment_seconds = options.segment_seconds,
          .segment_frames = options.segment_frames,
          .overlap = options.overlap};
}

// Channels of the input that go through the model together.
struct ChannelGroup {
  int first = 0, count = 0;
  // Whole-song normalisation: (x - mean) / deviation before the model, the reverse behind it.
  float mean = 0, deviation = 1;
};

}  // namespace

struct StemStream::Impl {
  Runtime& runtime;
  const Manifest& manifest;
  AudioInfo info;  // of the input
  std::string input_name;
  bool refuse_not_finite;
  std::vector<std::string> stems;
  std::vector<std::size_t> stem_indices;  // in the model's order
  std::vector<ChannelGroup> groups;

  std::int64_t input_frames = 0;       // read so far
  std::unique_ptr<AudioReader> input;  // at the model's rate, with the input's channels
  bool input_ended = false;
  std::size_t lead = 0, lead_left = 0;  // its frames, and those that are still to come out
  float peak = 0;             // of what was read so far; infinite where a sample is not finite
  std::unique_ptr<SegmentStream> overlap_add;
  std::int64_t segment_frames = 0;
  std::vector<StemQueue*> queues;                     // one per stem, owned by `outputs`
  std::vector<std::unique_ptr<AudioReader>> outputs;  // at the input's rate
  std::int64_t given_frames = 0;

  std::vector<float> interleaved;      // block read from the input
  std::vector<float> group_mix;        // [n, C_model, T] of one group
  std::vector<float> group_estimates;  // [n, S_model, C_model, T]; not used where is_straight
  bool is_straight = false;  // what the model gives lies as the result does: one group, all stems

  Impl(Runtime& the_runtime, std::unique_ptr<AudioReader> reader, const StemStreamOptions& options)
      : runtime(the_runtime),
        manifest(runtime.manifest()),
        info(reader->info()),
        input_name(options.input_name),
        refuse_not_finite(options.refuse_not_finite) {
    stems = options.stems.empty() ? runtime.stems() : options.stems;
    for (const std::string& stem : stems) stem_indices.push_back(FindStem(runtime.stems(), stem));
    for (int c = 0; c < info.channels; c += manifest.channels) {
      groups.push_back({c, std::min(manifest.channels, info.channels - c)});
    }
    is_straight = info.channels == manifest.channels && stems == runtime.stems();
    input = ConvertAudio(std::make_unique<CountingReader>(std::move(reader), input_frames),
                         manifest.sample_rate_hz, info.channels);
    if (manifest.song_normalization == SongNormalization::kMeanStd) MeasureSong();

    const std::int64_t frames = input->info().frames;
    OverlapAddOptions cut =
        SongOverlapAdd(manifest, frames < 0 ? frames : frames + options.lead_frames,
                       ChoiceOf(options));
    segment_frames = static_cast<std::int64_t>(cut.segment_frames);
    cut.batch = static_cast<std::size_t>(
        std::max(1, options.batch > 0 ? options.batch : runtime.segments_at_once()));
    const int stem_count = static_cast<int>(stems.size());
    cut.channels_in = info.channels;
    cut.channels_out = stem_count * info.channels;
    const auto separate = [this](const AudioBuffer& in, std::size_t, AudioBuffer& out) {
      Separate(in, out);
    };
    const auto give = [this](const AudioBuffer& out) { Give(out); };
    if (cut.num_overlap > 0)
      overlap_add = std::make_unique<MsstOverlapAdd>(cut, separate, give);
    else
      overlap_add = std::make_unique<OverlapAdd>(cut, separate, give);
    lead = lead_left = static_cast<std::size_t>(options.lead_frames);
    if (lead_left > 0) overlap_add->Push(AudioBuffer(info.channels, lead_left));

    AudioInfo stem_info = info;
    stem_info.sample_rate_hz = manifest.sample_rate_hz;
    stem_info.frames = stem_info.expected_frames = -1;
    const bool same_rate = manifest.sample_rate_hz == info.sample_rate_hz;
    const std::size_t tail =
        same_rate ? 0
                  : static_cast<std::size_t>(2 * manifest.sample_rate_hz / info.sample_rate_hz) + 2;
    for (int s = 0; s < stem_count; ++s) {
      auto queue = std::make_unique<StemQueue>(stem_info, tail, [this] { return More(); });
      queues.push_back(queue.get());
      outputs.push_back(ConvertAudio(std::move(queue), info.sample_rate_hz, info.channels));
    }
  }

  // Finished audio of all stems, without the lead.
  void Give(const AudioBuffer& out) {
    const std::size_t skipped = std::min(lead_left, out.frames());
    lead_left -= skipped;
    if (skipped == out.frames()) return;
    for (std::size_t s = 0; s < queues.size(); ++s)
      queues[s]->Append(out, static_cast<int>(s) * info.channels, skipped);
  }

  // Mean and deviation of each group's mono mix over the whole song, then back to the start.
  void MeasureSong() {
    std::vector<MonoMoments> moments(groups.size());
    while (const std::size_t count = ReadInput()) {
      for (std::size_t t = 0; t < count; ++t) {
        const float* frame = interleaved.data() + t * static_cast<std::size_t>(info.channels);
        for (std::size_t g = 0; g < groups.size(); ++g) {
          double mono = 0;
          for (int c = 0; c < groups[g].count; ++c) mono += frame[groups[g].first + c];
          moments[g].Add(mono / groups[g].count);
        }
      }
    }
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (moments[g].count() > 1)
        std::tie(groups[g].mean, groups[g].deviation) = moments[g].MeanAndDeviation();
    }
    input->Rewind();
  }

  std::size_t ReadInput() {
    interleaved.resize(kBlockFrames * static_cast<std::size_t>(info.channels));
    const std::size_t count = input->Read(interleaved.data(), kBlockFrames);
    for (std::size_t i = 0; i < count * static_cast<std::size_t>(info.channels); ++i) {
      const float size = std::abs(interleaved[i]);
      peak = size <= peak ? peak : std::isfinite(size) ? size : INFINITY;
    }
    return count;
  }

  // Feeds another block of the input; false when there is none.
  bool More() {
    if (input_ended) return false;
    const std::size_t count = ReadInput();
    if (count == 0) {
      input_ended = true;
      overlap_add->Finish();
      return true;
    }
    AudioBuffer block(info.channels, count);
    Deinterleave(interleaved.data(), info.channels, count, block.samples().data());
    Normalize(block);
    overlap_add->Push(block);
    return true;
  }

  // Before the overlap-add, so that the silence it pads with is the mean, as in Python demucs.
  void Normalize(AudioBuffer& block) const {
    for (const ChannelGroup& group : groups) {
      if (group.mean == 0 && group.deviation == 1) continue;
      for (int c = group.first; c < group.first + group.count; ++c) {
        float* samples = block.channel(c);
        for (std::size_t t = 0; t < block.frames(); ++t) {
          samples[t] = (samples[t] - group.mean) / group.deviation;
        }
      }
    }
  }

  // Segments one after the other: [n · C, T] → [n · S · C, T], group by group.
  void Separate(const AudioBuffer& in, AudioBuffer& out) {
    const std::size_t frames = in.frames();
    const int count = in.channels() / info.channels;
    const std::size_t size = static_cast<std::size_t>(manifest.channels) * frames;
    group_mix.resize(static_cast<std::size_t>(count) * size);
    if (!is_straight) group_estimates.resize(group_mix.size() * runtime.stems().size());
    float* const estimates = is_straight ? out.samples().data() : group_estimates.data();
    for (const ChannelGroup& group : groups) {
      for (int k = 0; k < count; ++k) {
        Spread(in, k * info.channels, group, group_mix.data() + static_cast<std::size_t>(k) * size);
      }
      runtime.Run(group_mix.data(), count, static_cast<std::int64_t>(frames), estimates);
      for (int k = 0; k < count; ++k) {
        for (std::size_t s = 0; s < stem_indices.size(); ++s) {
          const std::size_t stem = static_cast<std::size_t>(k) * runtime.stems().size();
          const int to = k * static_cast<int>(stem_indices.size()) + static_cast<int>(s);
          const bool finite = Collect(estimates + (stem + stem_indices[s]) * size, group,
                                      to * info.channels, out);
          if (!finite && refuse_not_finite)
            RefuseNotFinite(stems[s], static_cast<std::size_t>(k), to * info.channels, out);
        }
      }
    }
  }

  // A group's channels, of those from `first` on → the model's. Narrower groups: mono goes
  // everywhere, else the model's further channels stay silent (as RemixChannels does).
  void Spread(const AudioBuffer& in, int first, const ChannelGroup& group, float* mix) const {
    const std::size_t frames = in.frames();
    for (int c = 0; c < manifest.channels; ++c) {
      float* to = mix + static_cast<std::size_t>(c) * frames;
      if (c >= group.count && group.count > 1) {
        std::fill_n(to, frames, 0.0f);
        continue;
      }
      std::copy_n(in.channel(first + group.first + (group.count == 1 ? 0 : c)), frames, to);
    }
  }

  // One stem of the model [C_model, T] → the group's channels of `out`, from channel `first` on,
  // where it may lie already; false where a sample is not finite.
  bool Collect(const float* stem, const ChannelGroup& group, int first, AudioBuffer& out) const {
    const std::size_t frames = out.frames();
    const int width = manifest.channels;
    bool finite = true;
    for (int c = 0; c < group.count; ++c) {
      float* to = out.channel(first + group.first + c);
      const bool mix_down = group.count == 1 && width > 1;
      for (std::size_t t = 0; t < frames; ++t) {
        float value = stem[static_cast<std::size_t>(c) * frames + t];
        if (mix_down) {
          for (int k = 1; k < width; ++k) value += stem[static_cast<std::size_t>(k) * frames + t];
          value /= static_cast<float>(width);
        }
        finite &= std::isfinite(value);
        to[t] = value * group.deviation + group.mean;
      }
    }
    return finite;
  }

  // `out` has such samples in the channels of segment `k`, from `first` on.
  [[noreturn]] void RefuseNotFinite(const std::string& stem, std::size_t k, int first,
                                    const AudioBuffer& out) const {
    if (peak > kLoudest) {
      throw Error::Input("samples of " + Formatted("%.0e", peak) +
                             ", where 1 is full scale: the model cannot follow",
                         input_name, "is the song damaged? Otherwise scale it down");
    }
    std::size_t frame = out.frames();
    for (int c = first; c < first + info.channels; ++c)
      for (std::size_t t = 0; t < frame; ++t)
        if (!std::isfinite(out.channel(c)[t])) frame = t;
    const auto place = overlap_add->segment_begin(k) + static_cast<std::int64_t>(frame) -
                       static_cast<std::int64_t>(lead);
    throw Error::Input(
        "the model '" + manifest.model_name + "' gives values that are not finite for the stem '" +
            stem + "' at " +
            Formatted("%.1f s", static_cast<double>(std::max<std::int64_t>(place, 0)) /
                                    manifest.sample_rate_hz),
        input_name, "its training diverged, or the file is damaged");
  }
};

StemStream::StemStream(Runtime& runtime, std::unique_ptr<AudioReader> input,
                       const StemStreamOptions& options)
    : impl_(std::make_unique<Impl>(runtime, std::move(input), options)) {}

StemStream::~StemStream() = default;

const AudioInfo& StemStream::info() const { return impl_->info; }
const std::vector<std::string>& StemStream::stems() const { return impl_->stems; }
std::int64_t StemStream::segment_frames() const { return impl_->segment_frames; }
std::vector<Damage> StemStream::damage() const { return impl_->input->damage(); }

std::size_t StemStream::Read(std::size_t frames, std::vector<std::vector<float>>& blocks) {
  Impl& impl = *impl_;
  const std::size_t channels = static_cast<std::size_t>(impl.info.channels);
  blocks.resize(impl.outputs.size());
  std::size_t count = 0;
  for (std::size_t s = 0; s < blocks.size(); ++s) {
    blocks[s].resize(frames * channels);
    // A reader may give less than it is asked for; all stems must give the same.
    std::size_t got = 0;
    const std::size_t wanted = s == 0 ? frames : count;
    while (got < wanted) {
      const std::size_t more =
          impl.outputs[s]->Read(blocks[s].data() + got * channels, wanted - got);
      if (more == 0) break;
      got += more;
    }
    if (s == 0) count = got;
    std::fill(blocks[s].begin() + static_cast<std::ptrdiff_t>(got * channels), blocks[s].end(),
              0.0f);
  }
  if (impl.input_ended) {
    // The input's length is known now: cut or fill to the frame.
    const auto left =
        static_cast<std::size_t>(std::max<std::int64_t>(0, impl.input_frames - impl.given_frames));
    if (count < frames) count = std::min(left, frames);
    count = std::min(count, left);
  }
  impl.given_frames += static_cast<std::int64_t>(count);
  for (std::vector<float>& block : blocks) block.resize(count * channels);
  return count;
}

void StemStream::CheckOverlap(const Runtime& runtime, const StemStreamOptions& options) {
  SongOverlapAdd(runtime.manifest(), -1, ChoiceOf(options));
}

void StemStream::CheckLayout(int sample_rate_hz, int channels, const std::string& where) {
  if (sample_rate_hz < 1000 || sample_rate_hz > 768'000)
    throw Error::Usage("a sample rate of " + std::to_string(sample_rate_hz) + " Hz", where,
                       "give 1000 to 768000");
  if (channels < 1 || channels > 64)
    throw Error::Usage(std::to_string(channels) + " channels", where, "give 1 to 64");
}

std::size_t StemStream::FindStem(const std::vector<std::string>& names, const std::string& stem,
                                 const std::string& option) {
  return RequireName(stem, names, "there is no stem '" + stem + "'", Option(option));
}

}  // namespace stemsmith
