// pitch_tempo: all stems of a sample change pitch and tempo alike and stay in step, by Rubber Band
// (the module libstemsmith_rubberband.so).
//
// A faster tempo uses up more of the song than the sample is long: the plan asks for as much more,
// and the audio comes back at the length that it had before. A slower one uses a part of what was
// read.
#include <algorithm>
#include <vector>

#include "augment/per_stem.h"
#include "augment/stretch.h"
#include "core/module.h"

namespace stemsmith {
namespace {

struct PitchTempoOptions {
  double max_semitones = 2.0;       // to either side, uniform; 0 keeps the pitch
  bool whole_semitones = true;      // keeps songs in the tuning they were recorded in
  double max_tempo_percent = 12.0;  // to either side; 0 keeps the tempo
  // Standard deviation of the tempo's change, cut at the maximum; 0 draws it uniformly.
  double tempo_std_percent = 5.0;
};

struct Change {
  double pitch_scale = 1.0;
  double speed = 1.0;  // 1.1 is 10 % faster
};

// Fed beyond what a slower tempo uses up, so that the sample does not end with the input.
constexpr std::int64_t kMarginFrames = 4096;

class PitchTempo : public Augmentation {
 public:
  PitchTempo(const PitchTempoOptions& options, StretchFunction stretch)
      : options_(options), stretch_(stretch) {}

  void Plan(ReadPlan& plan, const TrackTable& tracks, RandomStream& random) const override {
    const std::int64_t frames = FramesToRead(plan.frames, DrawChange(random).speed);
    if (frames == plan.frames) return;
    // What ended inside its track goes on doing so, where the track is long enough.
    const auto keep_inside = [&](ReadPlan::Piece& piece) {
      if (piece.start_frame <= tracks.LastStart(piece.track, plan.frames))
        piece.start_frame = std::min(piece.start_frame, tracks.LastStart(piece.track, frames));
    };
    for (ReadPlan::Piece& piece : plan.stems) keep_inside(piece);
    for (ReadPlan::Extra& extra : plan.extras) keep_inside(extra.piece);
    plan.frames = frames;
  }

  void Apply(StemBlock& block, RandomStream& random) const override {
    const Change change = DrawChange(random);
    if ((change.pitch_scale == 1.0 && change.speed == 1.0) || block.frames == 0) return;
    const std::int64_t frames_out = std::min(
        block.frames, static_cast<std::int64_t>(static_cast<double>(block.frames) / change.speed));
    const auto used =
        static_cast<std::int64_t>(std::ceil(static_cast<double>(frames_out) * change.speed));
    const std::int64_t frames_in = std::min(block.frames, used + kMarginFrames);
    if (frames_out == 0) return;
    const auto rows = static_cast<std::size_t>(block.stems * block.channels);
    const std::vector<float> before(block.data,
                                    block.data + static_cast<std::int64_t>(rows) * block.frames);
    std::vector<const float*> in(rows);
    std::vector<float*> out(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      in[row] = before.data() + static_cast<std::int64_t>(row) * block.frames;
      out[row] = block.data + static_cast<std::int64_t>(row) * frames_out;
    }
    stretch_({.sample_rate_hz = block.sample_rate_hz,
              .channels = static_cast<int>(rows),
              .time_ratio = 1.0 / change.speed,
              .pitch_scale = change.pitch_scale,
              .in = in.data(),
              .frames_in = frames_in,
              .out = out.data(),
              .frames_out = frames_out});
    block.frames = frames_out;
  }

 private:
  static std::int64_t FramesToRead(std::int64_t frames, double speed) {
    if (speed <= 1.0) return frames;
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(frames) * speed)) + 1;
  }

  // The same in the plan and for the audio: both are given the same stream.
  Change DrawChange(RandomStream& random) const {
    double semitones = random.Uniform(-options_.max_semitones, options_.max_semitones);
    if (options_.whole_semitones) {
      const auto steps = static_cast<std::int64_t>(options_.max_semitones);
      semitones = static_cast<double>(
          static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(2 * steps + 1))) -
          steps);
    }
    const double most = options_.max_tempo_percent;
    const double percent =
        options_.tempo_std_percent > 0.0
            ? std::clamp(options_.tempo_std_percent * random.Normal(), -most, most)
            : random.Uniform(-most, most);
    return {.pitch_scale = std::exp2(semitones / 12.0), .speed = 1.0 + percent / 100.0};
  }

  PitchTempoOptions options_;
  StretchFunction stretch_;
};

}  // namespace

std::unique_ptr<Augmentation> MakePitchTempo(const Config& config) {
  PitchTempoOptions options;
  options.max_semitones = config.NumberIn("max_semitones", options.max_semitones, 0.0, 24.0);
  options.whole_semitones = config.Bool("whole_semitones", options.whole_semitones);
  options.max_tempo_percent =
      config.NumberIn("max_tempo_percent", options.max_tempo_percent, 0.0, 50.0);
  options.tempo_std_percent =
      config.NumberIn("tempo_std_percent", options.tempo_std_percent, 0.0, 50.0);
  const auto stretch = reinterpret_cast<StretchFunction>(
      LoadModuleSymbol("rubberband", "stemsmith_stretch", "the augmentation pitch_tempo"));
  return std::make_unique<PitchTempo>(options, stretch);
}

}  // namespace stemsmith
