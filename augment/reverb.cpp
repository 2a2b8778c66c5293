// reverb: a synthetic room over a stem: the direct sound as it is, a few early reflections, and a
// tail of noise that decays exponentially, other noise in each channel (Moorer 1979, "About This
// Reverberation Business").
#include <algorithm>
#include <vector>

#include "augment/convolve.h"
#include "augment/per_stem.h"
#include "core/decibel.h"

namespace stemsmith {
namespace {

struct ReverbOptions {
  double per_stem_probability = 0.5;
  DrawRange rt60_seconds{0.2, 1.2};   // until the room has died down by 60 dB; longer: larger
  DrawRange wet_db{-20.0, -6.0};      // the room's energy against the direct sound; higher: further
  DrawRange pre_delay_ms{5.0, 30.0};  // before the first reflection
};

constexpr int kReflections = 8;
constexpr double kReflectionSeconds = 0.05;  // from the first to the last at most
constexpr double kReflectionLevel = 6.0;     // against the tail's amplitude at that time

class Reverb : public PerStemAugmentation {
 public:
  explicit Reverb(const ReverbOptions& options)
      : PerStemAugmentation(options.per_stem_probability), options_(options) {}

 protected:
  void ApplyTo(const StemBlock& stem, RandomStream& random) const override {
    const double rate = stem.sample_rate_hz;
    Room room;
    room.rt60_frames = std::max(1.0, options_.rt60_seconds.Draw(random) * rate);
    room.energy = PowerFromDb(options_.wet_db.Draw(random));
    room.delay =
        std::max<std::int64_t>(1, std::llround(options_.pre_delay_ms.Draw(random) / 1000.0 * rate));
    for (std::int64_t& offset : room.reflections)
      offset = std::llround(random.Uniform(0.0, kReflectionSeconds) * rate);
    for (int c = 0; c < stem.channels; ++c) {
      std::vector<float> response = room.Response(random);
      // What comes after the segment's end is not heard.
      if (static_cast<std::int64_t>(response.size()) > stem.frames)
        response.resize(static_cast<std::size_t>(stem.frames));
      if (!response.empty()) Convolver(response).Run(stem.channel(0, c), stem.frames);
    }
  }

 private:
  struct Room {
    double rt60_frames = 0.0, energy = 0.0;
    std::int64_t delay = 0;
    std::array<std::int64_t, kReflections> reflections{};  // frames after the delay

    std::vector<float> Response(RandomStream& random) const {
      const std::int64_t length = delay + std::llround(rt60_frames) + 1;
      std::vector<float> response(static_cast<std::size_t>(length), 0.0f);
      const double step = std::pow(10.0, -3.0 / rt60_frames);  // 60 dB in rt60_frames
      double level = 1.0;
      for (std::int64_t i = delay; i < length; ++i, level *= step)
        response[static_cast<std::size_t>(i)] =
            static_cast<float>(level * random.Uniform(-1.0, 1.0));
      for (const std::int64_t offset : reflections) {
        const double amplitude =
            kReflectionLevel * std::pow(step, static_cast<double>(offset)) * random.Uniform(-1, 1);
        if (delay + offset < length)
          response[static_cast<std::size_t>(delay + offset)] += static_cast<float>(amplitude);
      }
      double sum = 0.0;
      for (const float tap : response) sum += static_cast<double>(tap) * static_cast<double>(tap);
      const auto factor = static_cast<float>(sum > 0.0 ? std::sqrt(energy / sum) : 0.0);
      for (float& tap : response) tap *= factor;
      response[0] = 1.0f;
      return response;
    }
  };

  ReverbOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeReverb(const Config& config) {
  ReverbOptions options;
  options.per_stem_probability = PerStemProbability(config);
  options.rt60_seconds = RangeIn(config, "rt60_seconds", options.rt60_seconds, {0.01, 10.0});
  options.wet_db = RangeIn(config, "wet_db", options.wet_db, {-80.0, 20.0});
  options.pre_delay_ms = RangeIn(config, "pre_delay_ms", options.pre_delay_ms, {0.0, 200.0});
  return std::make_unique<Reverb>(options);
}

}  // namespace stemsmith
