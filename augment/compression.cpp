// compression: a feed-forward compressor with a soft knee over a stem, its channels linked
// (Giannoulis, Massberg, Reiss 2012, "Digital Dynamic Range Compressor Design": gain computed in
// decibels, then smoothed with one time for falling and one for rising gain).
#include <algorithm>

#include "augment/per_stem.h"

namespace stemsmith {
namespace {

struct CompressionOptions {
  double per_stem_probability = 0.5;
  Range threshold_db{-35.0, -15.0};  // full scale is 0; lower compresses more of the stem
  Range ratio{2.0, 6.0};             // dB in for one dB out, above the threshold
  Range attack_ms{2.0, 30.0};        // shorter catches the starts of notes too
  Range release_ms{50.0, 300.0};
  double knee_db = 6.0;  // width of the bend at the threshold
  // Gives the stem its loudness (RMS) back, so that only its dynamics change.
  bool keep_level = true;
};

constexpr double kSilenceDb = -120.0;

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
    for (std::int64_t i = 0; i < stem.frames; ++i) {
      float peak = 0.0f;
      for (int c = 0; c < stem.channels; ++c)
        peak = std::max(peak, std::abs(stem.channel(0, c)[i]));
      const double level_db =
          std::max(kSilenceDb, 20.0 * std::log10(std::max(static_cast<double>(peak), 1e-6)));
      const double wanted_db = slope * Excess(level_db - threshold_db);
      const double keep = wanted_db < gain_db ? attack : release;
      gain_db = keep * gain_db + (1.0 - keep) * wanted_db;
      const auto factor = static_cast<float>(FromDecibel(gain_db));
      for (int c = 0; c < stem.channels; ++c) stem.channel(0, c)[i] *= factor;
    }
    if (const double after = RootMeanSquare(stem); options_.keep_level && after > 0.0)
      Scale(stem, before / after);
  }

 private:
  static double Smoothing(double milliseconds, int sample_rate_hz) {
    return std::exp(-1000.0 / (milliseconds * sample_rate_hz));
  }
  // How far a level is above the threshold, bent into 0 by a parabola inside the knee.
  double Excess(double over_db) const {
    const double knee = options_.knee_db;
    if (2.0 * over_db <= -knee) return 0.0;
    if (2.0 * over_db >= knee) return over_db;
    const double into = over_db + knee / 2.0;
    return into * into / (2.0 * knee);
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
