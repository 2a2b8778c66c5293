#include "synth/composer.h"

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "core/text.h"
#include "synth/plan.h"

namespace stemsmith::synth {
namespace {

// What each random stream of a song is for; a change in one player leaves the others as they are.
enum Purpose : std::uint64_t { kPlan = 1, kDrumming, kBassLine, kLayers, kSinging, kMixing };

std::array<StemMix, 4> MakeMix(RandomStream random) {
  std::array<StemMix, 4> mix;
  constexpr std::array<double, 4> kLevels{0.5, -0.5, -1.0, 1.0};
  for (std::size_t i = 0; i < mix.size(); ++i) {
    mix[i].level_db = kLevels[i] + std::clamp(1.4 * random.Normal(), -3.0, 3.0);
    mix[i].low_shelf_db = random.Uniform(-3, 3);
    mix[i].high_shelf_db = random.Uniform(-4, 4);
    mix[i].reverb_room = random.Uniform(0.2, 0.85);
    mix[i].reverb_damp = random.Uniform(0.1, 0.7);
    mix[i].reverb_level = random.Uniform(0.3, 0.8);
    mix[i].reverb_width = random.Uniform(0.4, 1.0);
  }
  // General MIDI kits are heavy on the kick drum.
  mix[kDrums].drive = random.Uniform(0.3, 1.0);
  mix[kDrums].low_shelf_db = random.Uniform(-6, 0);
  mix[kDrums].high_shelf_db = random.Uniform(0, 8);
  mix[kOther].drive = random.Uniform(0.2, 0.8);
  mix[kBass].drive = random.Uniform(0.0, 0.6);
  mix[kBass].low_shelf_db = random.Uniform(0, 4);
  mix[kBass].high_shelf_db = random.Uniform(-9, 0);
  mix[kVocals].drive = random.Uniform(0.0, 0.4);
  mix[kVocals].low_shelf_db = random.Uniform(-6, 0);
  mix[kVocals].high_shelf_db = random.Uniform(0, 6);
  return mix;
}

}  // namespace

Song ComposeSong(std::uint64_t seed, int index, double seconds) {
  const auto stream = [&](Purpose purpose) {
    return RandomStream({seed, static_cast<std::uint64_t>(index), purpose});
  };
  Song song;
  const Plan plan = MakePlan(stream(kPlan), seconds, &song.key, &song.mode);
  song.index = index;
  song.seconds = seconds;
  song.style = plan.style->name;
  song.tempo_bpm = plan.tempo_bpm;
  song.beats_per_bar = plan.beats_per_bar;
  song.bars = plan.bars;
  song.sections = plan.sections;

  song.parts.push_back(PlayDrums(plan, stream(kDrumming)));
  song.parts.push_back(PlayBass(plan, stream(kBassLine)));
  for (auto& part : PlayAccompaniment(plan, stream(kLayers))) song.parts.push_back(std::move(part));
  AssignVoices(plan, stream(kSinging), song);

  RandomStream mixing = stream(kMixing);
  song.tuning_cents = mixing.Uniform(-18, 18);
  song.peak_db = mixing.Uniform(-3.5, -0.6);
  song.noise_seed = mixing.Bits();
  song.mix = MakeMix(mixing);

  song.name = Formatted("song_%03d_%s_%s_%dbpm", index + 1, song.key.c_str(), song.mode.c_str(),
                        static_cast<int>(std::lround(song.tempo_bpm)));
  return song;
}

}  // namespace stemsmith::synth
