#include "synth/composer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace stemsmith::synth {
namespace {

std::vector<double> Fingerprint(const Song& song) {
  std::vector<double> values{song.tempo_bpm, song.tuning_cents, song.peak_db,
                             static_cast<double>(song.noise_seed)};
  for (const auto& part : song.parts) {
    values.push_back(part.program);
    for (const auto& note : part.notes)
      values.insert(values.end(),
                    {note.start_seconds, note.length_seconds, static_cast<double>(note.key),
                     static_cast<double>(note.velocity)});
  }
  for (const auto& line : song.sung) {
    for (const auto& syllable : line.syllables)
      values.insert(values.end(), {syllable.start_seconds, static_cast<double>(syllable.key)});
  }
  return values;
}

// Times at which something of the stem starts, in order.
std::vector<double> Starts(const Song& song, StemIndex stem) {
  std::vector<double> starts;
  for (const auto& part : song.parts) {
    if (part.stem != stem) continue;
    for (const auto& note : part.notes) starts.push_back(note.start_seconds);
  }
  if (stem == kVocals) {
    for (const auto& line : song.sung)
      for (const auto& syllable : line.syllables) starts.push_back(syllable.start_seconds);
  }
  std::sort(starts.begin(), starts.end());
  return starts;
}

TEST(Composer, SameSeedAndIndexGiveTheSameSong) {
  for (int index = 0; index < 5; ++index)
    EXPECT_EQ(Fingerprint(ComposeSong(7, index, 30)), Fingerprint(ComposeSong(7, index, 30)));
}

TEST(Composer, OtherSeedsAndIndicesGiveOtherSongs) {
  std::set<std::vector<double>> songs;
  for (std::uint64_t seed = 1; seed <= 4; ++seed)
    for (int index = 0; index < 10; ++index)
      songs.insert(Fingerprint(ComposeSong(seed, index, 30)));
  EXPECT_EQ(songs.size(), 40u);
}

TEST(Composer, NamesAreUniqueAndFitForFiles) {
  std::set<std::string> names;
  for (int index = 0; index < 50; ++index) {
    const std::string name = ComposeSong(3, index, 20).name;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string::npos)
        << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 50u);
}

TEST(Composer, EveryNoteLiesInTheSongAndOnTheKeyboard) {
  for (const double seconds : {5.0, 12.5, 30.0, 200.0}) {
    for (int index = 0; index < 25; ++index) {
      const Song song = ComposeSong(11, index, seconds);
      EXPECT_EQ(song.seconds, seconds);
      for (const auto& part : song.parts) {
        for (const auto& note : part.notes) {
          ASSERT_GE(note.start_seconds, 0);
          ASSERT_GT(note.length_seconds, 0);
          ASSERT_LE(note.start_seconds + note.length_seconds, seconds) << song.name << part.name;
          ASSERT_GE(note.key, 20);
          ASSERT_LE(note.key, 108);
          ASSERT_GE(note.velocity, 1);
          ASSERT_LE(note.velocity, 127);
        }
      }
      for (const auto& line : song.sung) {
        for (const auto& syllable : line.syllables) {
          ASSERT_GE(syllable.start_seconds, 0);
          ASSERT_LE(syllable.start_seconds + syllable.length_seconds, seconds);
          ASSERT_GE(syllable.key, 30);
          ASSERT_LE(syllable.key, 95);
        }
      }
    }
  }
}

TEST(Composer, SectionsFillTheSongWithoutGaps) {
  for (int index = 0; index < 40; ++index) {
    const Song song = ComposeSong(5, index, 10 + 7 * index);
    int bar = 0;
    for (const auto& section : song.sections) {
      EXPECT_EQ(section.first_bar, bar);
      EXPECT_GT(section.bars, 0);
      bar += section.bars;
    }
    EXPECT_EQ(bar, song.bars);
  }
}

TEST(Composer, EnergyVariesWithTheSections) {
  for (int index = 0; index < 20; ++index) {
    const Song song = ComposeSong(2, index, 60);
    double low = 1, high = 0;
    for (const auto& section : song.sections) {
      low = std::min(low, section.energy);
      high = std::max(high, section.energy);
    }
    EXPECT_GT(high - low, 0.2) << song.name;
  }
}

TEST(Composer, NoPlayerPausesForLong) {
  for (int index = 0; index < 60; ++index) {
    const Song song = ComposeSong(9, index, 40);
    for (const StemIndex stem : {kDrums, kBass, kOther, kVocals}) {
      double before = 0, longest = 0;
      for (const double start : Starts(song, stem)) {
        longest = std::max(longest, start - before);
        before = start;
      }
      longest = std::max(longest, song.seconds - before);
      // The singer breathes and waits for the end of the introduction.
      EXPECT_LT(longest, stem == kVocals ? 12.0 : 6.0) << song.name << ' ' << kStemNames[stem];
    }
  }
}

TEST(Composer, SongsDifferInStyleKeyTempoInstrumentsAndVoices) {
  std::set<std::string> styles, keys, modes;
  std::map<StemIndex, std::set<int>> programs;
  int formant = 0;
  double slowest = 1000, fastest = 0;
  for (int index = 0; index < 100; ++index) {
    const Song song = ComposeSong(1, index, 30);
    styles.insert(song.style);
    keys.insert(song.key);
    modes.insert(song.mode);
    slowest = std::min(slowest, song.tempo_bpm);
    fastest = std::max(fastest, song.tempo_bpm);
    formant += song.sung.empty() ? 0 : 1;
    for (const auto& part : song.parts) programs[part.stem].insert(part.program);
  }
  EXPECT_GE(styles.size(), 10u);
  EXPECT_EQ(keys.size(), 12u);
  EXPECT_GE(modes.size(), 5u);
  EXPECT_LT(slowest, 80);
  EXPECT_GT(fastest, 150);
  EXPECT_GE(programs[kDrums].size(), 5u);
  EXPECT_GE(programs[kBass].size(), 7u);
  EXPECT_GE(programs[kOther].size(), 30u);
  EXPECT_EQ(programs[kVocals], (std::set<int>{52, 53, 54, 85}));
  EXPECT_GT(formant, 45);
  EXPECT_LT(formant, 80);
}

TEST(Composer, VoicesOfTheVocalsAreNotAmongTheOtherInstruments) {
  for (int index = 0; index < 100; ++index) {
    for (const auto& part : ComposeSong(4, index, 20).parts) {
      if (part.stem == kOther) {
        EXPECT_TRUE(part.program != 52 && part.program != 53 && part.program != 54 &&
                    part.program != 85);
      }
    }
  }
}

}  // namespace
}  // namespace stemsmith::synth
