#include "synth/layouts.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "audio/decode.h"
#include "audio/loudness_meter.h"
#include "core/error.h"
#include "core/files.h"
#include "synth/composer.h"
#include "synth/fluid.h"
#include "synth/general_midi.h"
#include "synth/renderer.h"
#include "synth/synth.h"
#include "tests/support/temporary_folder.h"
#include "tests/synth/files_below.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;

SynthOptions Small(const fs::path& out, const std::string& layout, int songs) {
  SynthOptions options;
  options.out = out;
  options.layout = layout;
  options.songs = songs;
  options.seconds = 5;
  options.seed = 11;
  return options;
}

std::set<std::string> Names(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  return names;
}

using Strings = std::set<std::string>;

AudioBuffer Audio(const fs::path& path, bool all_streams = false) {
  DecodeOptions options;
  options.all_streams = all_streams;
  const auto reader = OpenAudio(path, options);
  EXPECT_EQ(reader->info().sample_rate_hz, 44100);
  return ReadAll(*reader);
}

class EveryLayout : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryLayout, GivesTheSameBytesWithAnyThreadsAndAfterAnInterruption) {
  const testing::TemporaryFolder folder;
  SynthOptions one = Small(folder / "one", GetParam(), 1);
  SynthOptions two = Small(folder / "two", GetParam(), 2);
  one.threads = 1;
  two.threads = 2;
  MakeSongs(one);
  MakeSongs(two);
  auto both = FilesBelow(two.out);
  const LayoutRow& row = FindLayout(GetParam());
  int shared = 0;
  for (const auto& [name, hash] : FilesBelow(one.out)) {
    if (row.list != nullptr && name == row.list_name) continue;
    ASSERT_TRUE(both.contains(name)) << name;
    EXPECT_EQ(both.at(name), hash) << name;
    ++shared;
  }
  EXPECT_GE(shared, 1);
  EXPECT_LT(shared, static_cast<int>(both.size()));
  // The second song lost a file or folder of its own: it alone is made again.
  const Song song = ComposeSong(two.seed, 1, two.seconds);
  const auto places = row.places(two.out, SplitOf(1, two), song.name);
  EXPECT_TRUE(fs::exists(places.back()));
  fs::remove_all(places.back());
  const SynthResult result = MakeSongs(two);
  EXPECT_EQ(result.rendered, 1);
  EXPECT_EQ(result.kept, 1);
  EXPECT_EQ(FilesBelow(two.out), both);
}

TEST_P(EveryLayout, IsRemovedWholeByForce) {
  const testing::TemporaryFolder folder;
  SynthOptions options = Small(folder / "songs", GetParam(), 1);
  MakeSongs(options);
  options.layout = "folders";
  options.seed = 12;
  options.force = true;
  MakeSongs(options);
  EXPECT_EQ(FilesBelow(options.out).size(), 5u);
  options.force = false;
  fs::remove(options.out / "synth.json");
  EXPECT_THROW(MakeSongs(options), Error);  // songs that are not ours
}

INSTANTIATE_TEST_SUITE_P(Layouts, EveryLayout,
                         ::testing::Values("folders", "musdb18", "musdb18hq", "slakh", "moisesdb",
                                           "medleydb", "stem_pools", "csv"),
                         [](const auto& info) { return info.param; });

TEST(EveryLayout, IsInTheTestsAbove) { EXPECT_EQ(LayoutTable().size(), 8u); }

TEST(Musdb18Layout, HoldsMixtureDrumsBassOtherVocalsInTrainAndTest) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "songs", "musdb18", 3);
  MakeSongs(options);
  EXPECT_EQ(Names(options.out), (Strings{"train", "test", "splits.json", "synth.json"}));
  EXPECT_EQ(Names(options.out / "train").size(), 2u);  // the song for validation is among them
  EXPECT_EQ(Names(options.out / "test").size(), 1u);
  for (int i = 0; i < 3; ++i) {
    const Song song = ComposeSong(options.seed, i, options.seconds);
    const RenderedSong rendered = RenderSong(song, FindSoundFont({}));
    const fs::path path = options.out / (i == 2 ? "test" : "train") / (song.name + ".stem.mp4");
    const AudioBuffer audio = Audio(path, true);
    ASSERT_EQ(audio.channels(), 10);
    ASSERT_GE(audio.frames(), rendered.frames);
    EXPECT_LT(audio.frames(), rendered.frames + 1024);
    std::vector<const std::vector<std::int16_t>*> wanted{&rendered.mixture};
    for (const auto& stem : rendered.stems) wanted.push_back(&stem);
    for (std::size_t s = 0; s < 5; ++s) {
      double error = 0, energy = 0;
      for (int c = 0; c < 2; ++c) {
        for (std::size_t t = 0; t < rendered.frames; ++t) {
          const double x = (*wanted[s])[2 * t + static_cast<std::size_t>(c)] / 32768.0;
          error += std::pow(audio.channel(static_cast<int>(2 * s) + c)[t] - x, 2);
          energy += x * x;
        }
      }
      // What AAC at 256 kb/s leaves; another stem or a delay would give 0 dB.
      EXPECT_LT(10 * std::log10(error / energy), -15) << song.name << " stream " << s;
    }
  }
}

TEST(Musdb18HqLayout, HoldsFoldersInTrainAndTest) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "songs", "musdb18hq", 3);
  MakeSongs(options);
  EXPECT_EQ(Names(options.out), (Strings{"train", "test", "splits.json", "synth.json"}));
  EXPECT_EQ(Names(options.out / "train").size(), 2u);
  EXPECT_EQ(Names(options.out / "test").size(), 1u);
  const YAML::Node splits = YAML::LoadFile((options.out / "splits.json").string());
  const char* const kSplits[] = {"train", "valid", "test"};
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(splits[kSplits[i]].size(), 1u);
    EXPECT_EQ(splits[kSplits[i]][0].as<std::string>(),
              ComposeSong(options.seed, i, options.seconds).name);
  }
  for (const auto& song : fs::directory_iterator(options.out / "train"))
    EXPECT_EQ(Names(song.path()),
              (Strings{"mixture.wav", "drums.wav", "bass.wav", "other.wav", "vocals.wav"}));
}

// The published keys of a track, and of a stem.
const Strings kTrackKeys{"UUID",         "audio_dir",   "lmd_midi_dir",
                         "midi_dir",     "normalized",  "stems",
                         "overall_gain", "target_peak", "normalization_factor"};
const Strings kStemKeys{"audio_rendered",    "inst_class",  "is_drum",     "midi_saved",
                        "midi_program_name", "plugin_name", "program_num", "integrated_loudness"};

Strings Keys(const YAML::Node& node) {
  Strings keys;
  for (const auto& entry : node) keys.insert(entry.first.as<std::string>());
  return keys;
}

TEST(SlakhLayout, IsAsPublished) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "songs", "slakh", 3);
  MakeSongs(options);
  EXPECT_EQ(Names(options.out), (Strings{"train", "validation", "test", "synth.json"}));
  int unrendered = 0;
  Strings uuids;
  for (const char* place : {"train/Track00001", "validation/Track00002", "test/Track00003"}) {
    const fs::path track = options.out / place;
    EXPECT_EQ(Names(track), (Strings{"metadata.yaml", "mix.flac", "stems", "MIDI", "all_src.mid"}));
    const YAML::Node metadata = YAML::LoadFile((track / "metadata.yaml").string());
    EXPECT_EQ(Keys(metadata), kTrackKeys);
    EXPECT_EQ(metadata["audio_dir"].as<std::string>(), "stems");
    EXPECT_EQ(metadata["midi_dir"].as<std::string>(), "MIDI");
    EXPECT_EQ(metadata["normalization_factor"].as<double>(), -13.0);
    EXPECT_EQ(metadata["target_peak"].as<double>(), -1.0);
    EXPECT_TRUE(metadata["normalized"].as<bool>());
    uuids.insert(metadata["UUID"].as<std::string>());
    const auto overall_gain = metadata["overall_gain"].as<double>();
    EXPECT_GT(overall_gain, 0);
    EXPECT_LE(overall_gain, 1);

    const AudioBuffer mix = Audio(track / "mix.flac");
    EXPECT_EQ(mix.channels(), 1);
    EXPECT_EQ(mix.frames(), 5u * 44100u);
    std::vector<double> sum(mix.frames());
    std::map<std::string, int> classes;
    Strings audio_files, midi_files;
    for (const auto& entry : metadata["stems"]) {
      const auto id = entry.first.as<std::string>();
      const YAML::Node stem = entry.second;
      const auto program = stem["program_num"].as<int>();
      ++classes[stem["inst_class"].as<std::string>()];
      EXPECT_EQ(stem["inst_class"].as<std::string>(), InstrumentClass(program));
      EXPECT_EQ(stem["midi_program_name"].as<std::string>(), ProgramName(program));
      EXPECT_EQ(stem["is_drum"].as<bool>(), program == 128);
      EXPECT_FALSE(stem["plugin_name"].as<std::string>().empty());
      if (stem["midi_saved"].as<bool>()) midi_files.insert(id + ".mid");
      if (!stem["audio_rendered"].as<bool>()) {
        ++unrendered;
        Strings keys = kStemKeys;
        keys.erase("integrated_loudness");
        EXPECT_EQ(Keys(stem), keys);
        continue;
      }
      EXPECT_EQ(Keys(stem), kStemKeys);
      audio_files.insert(id + ".flac");
      const AudioBuffer audio = Audio(track / "stems" / (id + ".flac"));
      ASSERT_EQ(audio.channels(), 1);
      ASSERT_EQ(audio.frames(), mix.frames());
      for (std::size_t t = 0; t < sum.size(); ++t) sum[t] += audio.channel(0)[t];
      // Normalised, then turned down by the overall gain (16-bit rounding hardly matters).
      EXPECT_NEAR(IntegratedLoudness(audio.samples(), 44100), -13 + 20 * std::log10(overall_gain),
                  0.05)
          << id;
    }
    EXPECT_EQ(classes["Drums"], 1);
    EXPECT_EQ(classes["Bass"], 1);
    EXPECT_GE(audio_files.size(), 5u);  // and accompaniment and a voice
    EXPECT_EQ(Names(track / "stems"), audio_files);
    EXPECT_EQ(Names(track / "MIDI"), midi_files);
    float peak = 0;
    for (std::size_t t = 0; t < sum.size(); ++t) {
      ASSERT_NEAR(sum[t], mix.channel(0)[t], 1e-6);
      peak = std::max(peak, std::abs(mix.channel(0)[t]));
    }
    EXPECT_LE(peak, 0.8914f);  // -1 dBFS
  }
  EXPECT_EQ(uuids.size(), 3u);
  EXPECT_GE(unrendered, 1);
}

TEST(MoisesDbLayout, HasStemsInSeveralPlacesAndRecordingsThatDiffer) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "songs", "moisesdb", 3);
  MakeSongs(options);
  EXPECT_EQ(Names(options.out), (Strings{"moisesdb_v0.1", "splits.json", "synth.json"}));
  const YAML::Node splits = YAML::LoadFile((options.out / "splits.json").string());
  for (const char* split : {"train", "valid", "test"}) {
    ASSERT_EQ(splits[split].size(), 1u);
    const fs::path song = options.out / "moisesdb_v0.1" / splits[split][0].as<std::string>();
    const YAML::Node metadata = YAML::LoadFile((song / "data.json").string());
    EXPECT_EQ(Keys(metadata), (Strings{"song", "artist", "genre", "stems"}));
    Strings listed;
    std::map<std::string, int> places, recordings;
    std::set<int> rates, channels;
    std::set<double> lengths;
    for (const YAML::Node& stem : metadata["stems"]) {
      EXPECT_EQ(Keys(stem), (Strings{"id", "stemName", "tracks"}));
      const auto name = stem["stemName"].as<std::string>();
      ++places[name];
      for (const YAML::Node& recording : stem["tracks"]) {
        EXPECT_EQ(Keys(recording), (Strings{"id", "trackType", "type", "extension", "has_bleed"}));
        ++recordings[name];
        const std::string file = name + "/" + recording["id"].as<std::string>() + "." +
                                 recording["extension"].as<std::string>();
        listed.insert(file);
        const AudioInfo info = OpenAudio(song / file)->info();
        rates.insert(info.sample_rate_hz);
        channels.insert(info.channels);
        lengths.insert(double(info.frames) / info.sample_rate_hz);
      }
    }
    listed.insert("data.json");
    Strings there;
    for (const auto& [file, hash] : FilesBelow(song)) there.insert(file);
    EXPECT_EQ(there, listed);
    EXPECT_GE(places["drums"], 2);
    EXPECT_GE(recordings["drums"], 3);
    EXPECT_EQ(places["bass"], 1);
    EXPECT_EQ(rates, (std::set<int>{44100, 48000}));
    EXPECT_EQ(channels, (std::set<int>{1, 2}));
    EXPECT_GT(*lengths.rbegin() - *lengths.begin(), 0.2);
    EXPECT_LE(*lengths.rbegin(), options.seconds + 0.51);
  }
}

TEST(MedleyDbLayout, IsAsPublished) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "songs", "medleydb", 2);
  MakeSongs(options);
  EXPECT_EQ(Names(options.out), (Strings{"Audio", "Metadata", "splits.json", "synth.json"}));
  EXPECT_EQ(Names(options.out / "Audio").size(), 2u);
  for (const std::string& name : Names(options.out / "Audio")) {
    const YAML::Node metadata =
        YAML::LoadFile((options.out / "Metadata" / (name + "_METADATA.yaml")).string());
    EXPECT_EQ(Keys(metadata),
              (Strings{"album", "artist", "composer", "excerpt", "genre", "has_bleed",
                       "instrumental", "mix_filename", "origin", "producer", "raw_dir", "stem_dir",
                       "stems", "title", "version", "website"}));
    const fs::path song = options.out / "Audio" / name;
    EXPECT_EQ(Names(song), (Strings{name + "_MIX.wav", name + "_STEMS", name + "_RAW"}));
    const AudioBuffer mix = Audio(song / metadata["mix_filename"].as<std::string>());
    std::vector<double> sum(mix.samples().size());
    Strings stems, raws, instruments;
    for (const auto& entry : metadata["stems"]) {
      const YAML::Node stem = entry.second;
      EXPECT_EQ(Keys(stem), (Strings{"component", "filename", "instrument", "raw"}));
      stems.insert(stem["filename"].as<std::string>());
      instruments.insert(stem["instrument"].as<std::string>());
      for (const auto& raw : stem["raw"]) raws.insert(raw.second["filename"].as<std::string>());
      const AudioBuffer audio = Audio(song / (name + "_STEMS") / *stems.rbegin());
      ASSERT_EQ(audio.samples().size(), sum.size());
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += audio.samples()[i];
    }
    EXPECT_EQ(Names(song / (name + "_STEMS")), stems);
    EXPECT_EQ(Names(song / (name + "_RAW")), raws);  // more than stems
    EXPECT_GT(raws.size(), stems.size());
    EXPECT_TRUE(instruments.contains("drum set"));
    double difference = 0, energy = 0;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      difference += std::pow(mix.samples()[i] - sum[i], 2);
      energy += sum[i] * sum[i];
    }
    const double residual_db = 10 * std::log10(difference / energy);
    EXPECT_GT(residual_db, -20) << name;  // mastered
    EXPECT_LT(residual_db, -5) << name;
  }
}

// The share of the energy of `a` that `b` explains.
double Correlation(const AudioBuffer& a, const AudioBuffer& b) {
  double ab = 0, aa = 0, bb = 0;
  const std::size_t count = std::min(a.samples().size(), b.samples().size());
  for (std::size_t i = 0; i < count; ++i) {
    ab += static_cast<double>(a.samples()[i]) * b.samples()[i];
    aa += static_cast<double>(a.samples()[i]) * a.samples()[i];
    bb += static_cast<double>(b.samples()[i]) * b.samples()[i];
  }
  return ab / std::sqrt(aa * bb);
}

TEST(StemPoolsLayout, HoldsTakesOfSongsThatDoNotBelongTogether) {
  const testing::TemporaryFolder folder;
  const SynthOptions options = Small(folder / "pools", "stem_pools", 2);
  MakeSongs(options);
  EXPECT_EQ(Names(options.out), (Strings{"drums", "bass", "other", "vocals", "synth.json"}));
  const RenderedSong song =
      RenderSong(ComposeSong(options.seed, 0, options.seconds), FindSoundFont({}));
  for (std::size_t s = 0; s < kStemNames.size(); ++s) {
    const fs::path pool = options.out / kStemNames[s];
    EXPECT_EQ(Names(pool), (Strings{"take_001.wav", "take_002.wav"}));
    const AudioBuffer take = Audio(pool / "take_001.wav");
    EXPECT_EQ(take.channels(), 2);
    EXPECT_EQ(take.frames(), 5u * 44100u);
    float peak = 0;
    for (const float sample : take.samples()) peak = std::max(peak, std::abs(sample));
    EXPECT_GT(peak, 0.6f);
    EXPECT_LT(peak, 1.0f);
    EXPECT_LT(std::abs(Correlation(take, Audio(pool / "take_002.wav"))), 0.5);
    // Nor is it the stem of the song that a layout of whole songs holds.
    AudioBuffer stem(2, song.frames);
    for (std::size_t t = 0; t < song.frames; ++t) {
      stem.channel(0)[t] = song.stems[s][2 * t];
      stem.channel(1)[t] = song.stems[s][2 * t + 1];
    }
    EXPECT_LT(std::abs(Correlation(take, stem)), 0.5) << kStemNames[s];
  }
}

TEST(CsvLayout, ListsEverySongOnce) {
  const testing::TemporaryFolder folder;
  for (const int songs : {2, 3}) {
    const SynthOptions options = Small(folder / "songs", "csv", songs);
    MakeSongs(options);
    std::istringstream lines(ReadFile(options.out / "songs.csv"));
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line, "name,split,mixture,drums,bass,other,vocals");
    const char* const kSplits[] = {"train", "valid", "test"};
    int rows = 0;
    for (; std::getline(lines, line); ++rows) {
      std::vector<std::string> cells;
      std::istringstream parts(line);
      for (std::string cell; std::getline(parts, cell, ',');) cells.push_back(cell);
      ASSERT_EQ(cells.size(), 7u) << line;
      EXPECT_EQ(cells[0], ComposeSong(options.seed, rows, options.seconds).name);
      EXPECT_EQ(cells[1], kSplits[rows]);
      for (std::size_t i = 2; i < cells.size(); ++i) {
        EXPECT_TRUE(fs::is_regular_file(options.out / cells[i])) << cells[i];
        EXPECT_EQ(fs::path(cells[i]).stem(), i == 2 ? "mixture" : kStemNames[i - 3]);
      }
    }
    EXPECT_EQ(rows, songs);
  }
}

}  // namespace
}  // namespace stemsmith::synth
