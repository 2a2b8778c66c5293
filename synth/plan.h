// The skeleton that all players of a song share: tempo, scale, style, sections and chords. Internal
// to composition. Positions are beats from the start of the song; Plan::Seconds turns them into
// time (with swing).
#pragma once

#include <string>
#include <vector>

#include "core/random.h"
#include "synth/song.h"
#include "synth/styles.h"

namespace stemsmith::synth {

// A diatonic scale; degrees count from 0 (the tonic) and go on in both directions.
struct Scale {
  int tonic = 0;  // pitch class
  std::vector<int> steps;
  int Key(int octave_base, int degree) const;  // MIDI key, degree 0 at octave_base + tonic
};

struct Chord {
  double start_beat = 0, length_beats = 4;
  std::vector<int> tones;  // pitch classes: root, third, fifth, perhaps seventh
};

struct Plan {
  const Style* style = nullptr;
  Scale scale;
  double tempo_bpm = 120;
  int beats_per_bar = 4, bars = 0;
  double swing = 0.5;  // place of the second half of a swung pair: 0.5 straight, 0.667 triplet
  std::vector<Section> sections;
  std::vector<Chord> chords;  // gapless, by start; the last one is the final chord in the tail
  double seconds = 0;         // of the song, tail included

  double total_beats() const { return static_cast<double>(bars) * beats_per_bar; }
  double Seconds(double beat) const;
  const Chord& ChordAt(double beat) const;
  const Section& SectionOfBar(int bar) const;
};

Plan MakePlan(RandomStream random, double seconds, std::string* key_name, std::string* mode_name);

// The keys of `chord` nearest to `center`, rising: a voicing that leads smoothly to the next one.
std::vector<int> Voice(const Chord& chord, int center);

// One of the items by weight or evenly.
template <typename Container>
const auto& Pick(const Container& items, RandomStream& random) {
  return items[random.Below(items.size())];
}

// A note at a musical position with human timing and dynamics; dropped where it lies beyond the
// song.
void AddNote(std::vector<Note>& notes, const Plan& plan, RandomStream& random, double beat,
             double length_beats, int key, double velocity, double timing_ms = 5.0);

// The players.
Part PlayDrums(const Plan& plan, RandomStream random);
Part PlayBass(const Plan& plan, RandomStream random);
std::vector<Part> PlayAccompaniment(const Plan& plan, RandomStream random);

struct MelodyNote {
  double beat = 0, length = 1;
  int key = 60;
  double stress = 0.8;  // loudness 0 … 1
  bool starts_phrase = false, ends_phrase = false;
  bool chorus = false;
};
// A sung melody within [low_key, high_key].
std::vector<MelodyNote> ComposeMelody(const Plan& plan, int low_key, int high_key,
                                      RandomStream random);
// Who sings it: General MIDI voices (parts) or formant singers (lines), with harmonies.
void AssignVoices(const Plan& plan, RandomStream random, Song& song);

}  // namespace stemsmith::synth
