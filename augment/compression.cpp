// compression: a feed-forward compressor with a soft knee over a stem, its channels linked
// (Giannoulis, Massberg, Reiss 2012, "Digital Dynamic Range Compressor Design": gain computed in
// decibels, then smoothed with one time for falling and one for rising gain).
#include <algorithm>
#include <span>

#include "augment/fast_math.h"
#include "augment/per_stem.h"

namespace stemsmith {
namespace {

struct CompressionOptions {
  double per_stem_probability = 0.5;
  DrawRange threshold_db{-35.0, -15.0};  // full scale is 0; lower compresses more of the stem
  DrawRange ratio{2.0, 6.0};             // dB in for one dB out, above the threshold
  DrawRange attack_ms{2.0, 30.0};        // shorter catches the starts of notes too
  DrawRange release_ms{50.0, 300.0};
  double knee_db = 6.0;  // width of the bend at the threshold
  // Gives the stem its loudness (RMS) back, so that only its dynamics change.
  bool keep_level = true;
};

constexpr float kSilence = 1e-6f;  // -120 dB: nothing is taken as softer
constexpr std::int64_t kBlock = 512;

class Compression : public PerStemAugmentation {
 public:
  explicit Compression(const CompressionOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    const double threshold_db = options_.threshold_db.Draw(random);
    const double slope = 1.0 / options_.ratio.DrawLog(random) - 1.0;
    const double attack = Smoothing(options_.attack_ms.DrawLog(random), stem.sample_rate_hz);
    const double release = Smoothing(options_.release_ms.DrawLog(random), stem.sample_rate_hz);
    const double before = options_.keep_level ? RootMeanSquare(stem) : 0.0;
    double gain_db = 0.0;
    // In blocks, step by step: only the smoothing has to go sample by sample.
    std::array<float, kBlock> values;
    for (std::int64_t begin = 0; begin < stem.frames; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, stem.frames - begin);
      const std::span block(values.data(), static_cast<std::size_t>(count));
      LinkedPeaks(stem, begin, block);
      WantedGains(static_cast<float>(threshold_db), static_cast<float>(slope), block);
      // Falling gain goes by the attack's time, rising gain by the release's. The shorter one of
      // these is ahead, whichever way the gain goes: with a shorter attack that is the lower gain.
      const auto smooth = [&](auto pick) {
        for (float& value : block) {
          const double wanted_db = static_cast<double>(value);
          gain_db = pick(attack * gain_db + (1.0 - attack) * wanted_db,
                         release * gain_db + (1.0 - release) * wanted_db);
          value = static_cast<float>(gain_db);
        }
      };
      if (attack <= release)
        smooth([](double attacked, double released) { return std::min(attacked, released); });
      else
        smooth([](double attacked, double released) { return std::max(attacked, released); });
      constexpr float kOctavesPerDb = 0.166096405f;  // log2(10) / 20
      constexpr float kLowest = -120.0f;  // far below what any audio asks for; FastExp2 takes it
      for (float& value : block) {
        const float octaves = kOctavesPerDb * value;
        value = FastExp2(octaves > kLowest ? octaves : kLowest);
      }
      for (int c = 0; c < stem.channels; ++c) {
        float* samples = stem.channel(0, c) + begin;
        for (std::size_t i = 0; i < block.size(); ++i) samples[i] *= block[i];
      }
    }
    if (!options_.keep_level) return;
    if (const double after = RootMeanSquare(stem); after > 0.0) Scale(stem, before / after);
  }

 private:
  static double Smoothing(double milliseconds, int sample_rate_hz) {
    return std::exp(-1000.0 / (milliseconds * sample_rate_hz));
  }
  // The largest magnitude of all channels, frame by frame.
  static void LinkedPeaks(const StemBlock& stem, std::int64_t begin, std::span<float> peaks) {
    std::fill(peaks.begin(), peaks.end(), kSilence);
    for (int c = 0; c < stem.channels; ++c) {
      const float* samples = stem.channel(0, c) + begin;
      for (std::size_t i = 0; i < peaks.size(); ++i) {
        const float magnitude = std::abs(samples[i]);
        peaks[i] = magnitude > peaks[i] ? magnitude : peaks[i];
      }
    }
  }

  // Peaks become the gains in dB that the curve asks for: slope times how far the level is above
  // the threshold, bent into 0 by a parabola inside the knee.
  void WantedGains(float threshold_db, float slope, std::span<float> values) const {
    const auto knee = static_cast<float>(options_.knee_db);
    const float bend = knee > 0.0f ? 0.5f / knee : 0.0f;
    constexpr float kDbPerOctave = 6.02059991f;  // 20 log10(2)
    for (float& value : values) {
      const float into = kDbPerOctave * FastLog2(value) - threshold_db + 0.5f * knee;
      const float past = Positive(into - knee), inside = Positive(into) - past;
      // At the knee's end the parabola has risen to half the knee.
      value = slope * (inside * inside * bend + past);
    }
  }

  CompressionOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeCompression(const Config& config) {
  CompressionOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.threshold_db = RangeIn(config, "threshold_db", options.threshold_db, {-100.0, 0.0});
  options.ratio = RangeIn(config, "ratio", options.ratio, {1.0, 100.0});
  options.attack_ms = RangeIn(config, "attack_ms", options.attack_ms, {0.01, 1000.0});
  options.release_ms = RangeIn(config, "release_ms", options.release_ms, {1.0, 10000.0});
  options.knee_db = config.NumberIn("knee_db", options.knee_db, 0.0, 40.0);
  options.keep_level = config.Bool("keep_level", options.keep_level);
  return std::make_unique<Compression>(options);
}

}  // namespace stemsmith
