#include "baselines/forest_options.h"

#include <limits>

#include "baselines/spectral_song.h"

namespace stemsmith {

ForestOptions ReadForestOptions(const Config& settings) {
  ForestOptions options;
  options.stft = ReadStftOptions(settings);
  settings.String("model", "");
  options.mask_power = settings.NumberIn("mask_power", options.mask_power, 0.1, 100);
  options.parts = ReadPartOptions(settings);
  const Config fit = settings.Child("fit");
  const auto whole = [&](const char* key, int standard, int low, int high) {
    return static_cast<int>(fit.IntegerIn(key, standard, low, high));
  };
  options.bands = whole("bands", options.bands, 1, 200);
  options.songs = whole("songs", options.songs, 1, 100'000);
  options.seconds = fit.NumberIn("seconds", options.seconds, 1, 36'000);
  options.samples = whole("samples", options.samples, 100, 5'000'000);
  options.trees = whole("trees", options.trees, 1, 10'000);
  options.depth = whole("depth", options.depth, 1, 25);  // OpenCV goes no deeper
  options.smallest_leaf = whole("smallest_leaf", options.smallest_leaf, 1, 100'000);
  options.seed =
      static_cast<std::uint64_t>(fit.IntegerIn("seed", static_cast<std::int64_t>(options.seed), 0,
                                               std::numeric_limits<std::int64_t>::max()));
  return options;
}

}  // namespace stemsmith
