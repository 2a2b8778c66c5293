#include "synth/layouts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "audio/encode.h"
#include "core/current_error.h"
#include "core/names.h"
#include "core/option.h"
#include "core/random.h"
#include "core/text.h"
#include "synth/composer.h"
#include "synth/medleydb.h"
#include "synth/moisesdb.h"
#include "synth/renderer.h"
#include "synth/slakh.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

constexpr std::size_t kBlockFrames = 1 << 15;

void WriteWav(const fs::path& path, const std::vector<std::int16_t>& samples) {
  AudioWriter writer(path, kSampleRateHz, 2);
  std::vector<float> block(2 * kBlockFrames);
  for (std::size_t at = 0; at < samples.size(); at += block.size()) {
    const std::size_t count = std::min(block.size(), samples.size() - at);
    // Exact there and back: the writer's full scale is 2^15 as well.
    for (std::size_t i = 0; i < count; ++i) block[i] = static_cast<float>(samples[at + i]) / 32768;
    writer.Write(block.data(), count / 2);
  }
  writer.Finish();
}

Paths PlaceInFolders(const fs::path& root, const std::string& split, const std::string& song) {
  return {root / split / song};
}

void WriteFolder(const Paths& paths, const SongOrder& order) {
  const fs::path& path = paths.front();
  const RenderedSong audio = RenderSong(order.song, order.sound_font);
  std::error_code error;
  fs::create_directory(path, error);
  if (error) throw SystemError(error, "cannot create the folder", path.string());
  for (std::size_t s = 0; s < kStemNames.size(); ++s)
    WriteWav(path / (std::string(kStemNames[s]) + ".wav"), audio.stems[s]);
  WriteWav(path / "mixture.wav", audio.mixture);
}

// MUSDB18 knows two folders. Its validation songs lie among those for training, and a list of names
// says which they are.
std::string MusdbFolder(const std::string& split) { return split == "test" ? "test" : "train"; }

// Which they are of ours, for readers that take a list of splits.
std::string SplitsJson(const std::vector<ListedSong>& songs) {
  nlohmann::json splits = {{"train", nlohmann::json::array()},
                           {"valid", nlohmann::json::array()},
                           {"test", nlohmann::json::array()}};
  for (const ListedSong& song : songs) splits[song.split].push_back(song.name);
  return splits.dump(1) + "\n";
}

// The same where a layout gives songs names of its own.
std::string SplitsJson(std::vector<ListedSong> songs, std::string (*name)(const std::string&)) {
  for (ListedSong& song : songs) song.name = name(song.name);
  return SplitsJson(songs);
}

std::string MoisesDbSplits(const std::vector<ListedSong>& songs) {
  return SplitsJson(songs, MoisesDbName);
}

std::string MedleyDbSplits(const std::vector<ListedSong>& songs) {
  return SplitsJson(songs, MedleyDbName);
}

Paths PlaceInMusdbHq(const fs::path& root, const std::string& split, const std::string& song) {
  return {root / MusdbFolder(split) / song};
}

Paths PlaceInMusdb(const fs::path& root, const std::string& split, const std::string& song) {
  return {root / MusdbFolder(split) / (song + ".stem.mp4")};
}

void WriteStemMp4(const Paths& paths, const SongOrder& order) {
  const RenderedSong audio = RenderSong(order.song, order.sound_font);
  EncodeOptions options{.format = "stem.mp4", .streams = {"mixture"}};
  options.streams.insert(options.streams.end(), kStemNames.begin(), kStemNames.end());
  options.tags = {{"title", order.song.name},
                  {"artist", "stemsmith"},
                  {"album", "stemsmith demo songs"},
                  {"genre", order.song.style}};
  std::vector<const std::vector<std::int16_t>*> streams{&audio.mixture};
  for (const auto& stem : audio.stems) streams.push_back(&stem);

  AudioWriter writer(paths.front(), kSampleRateHz, 2, options);
  std::vector<float> block(kBlockFrames * 2 * streams.size());
  for (std::size_t begin = 0; begin < audio.frames; begin += kBlockFrames) {
    const std::size_t count = std::min(kBlockFrames, audio.frames - begin);
    float* out = block.data();
    for (std::size_t t = begin; t < begin + count; ++t) {
      for (const auto* stream : streams) {
        *out++ = static_cast<float>((*stream)[2 * t]) / 32768;
        *out++ = static_cast<float>((*stream)[2 * t + 1]) / 32768;
      }
    }
    writer.Write(block.data(), count);
  }
  writer.Finish();
}

Paths PlaceInPools(const fs::path& root, const std::string&, const std::string& song) {
  const std::string name = Formatted("take_%03d.wav", SongNumber(song));
  Paths places;
  for (const char* stem : kStemNames) places.push_back(root / stem / name);
  return places;
}

// Every take belongs to a song of its own, so that nothing fits together: the seed of the data set
// and the stem give other songs for each pool.
void WriteTakes(const Paths& paths, const SongOrder& order) {
  for (std::size_t s = 0; s < kStemNames.size(); ++s) {
    const std::uint64_t seed = RandomStream({order.seed, s, 0x706f6f6c}).Bits();
    const Song song = ComposeSong(seed, order.song.index, order.song.seconds);
    WriteWav(paths[s], RenderTake(song, static_cast<StemIndex>(s), order.sound_font));
  }
}

constexpr char kCsvFolder[] = "songs";

Paths PlaceBesideCsv(const fs::path& root, const std::string&, const std::string& song) {
  return {root / kCsvFolder / song};
}

std::string SongsCsv(const std::vector<ListedSong>& songs) {
  std::string text = "name,split,mixture";
  for (const char* stem : kStemNames) text.append(",").append(stem);
  text += "\n";
  for (const ListedSong& song : songs) {
    const std::string folder = std::string(kCsvFolder) + "/" + song.name + "/";
    text += song.name + "," + song.split + "," + folder + "mixture.wav";
    for (const char* stem : kStemNames) text += "," + folder + stem + ".wav";
    text += "\n";
  }
  return text;
}

}  // namespace

const std::vector<LayoutRow>& LayoutTable() {
  static const std::vector<LayoutRow> table = {
      {"folders", "OUT/SPLIT/SONG/STEM.wav, with mixture.wav", PlaceInFolders, WriteFolder},
      {"musdb18", "OUT/{train,test}/SONG.stem.mp4, five AAC streams", PlaceInMusdb, WriteStemMp4,
       "splits.json", SplitsJson},
      {"musdb18hq", "OUT/{train,test}/SONG/STEM.wav, with mixture.wav", PlaceInMusdbHq, WriteFolder,
       "splits.json", SplitsJson},
      {"slakh", "OUT/{train,validation,test}/TrackNNNNN, an instrument a stem, mono flac",
       PlaceInSlakh, WriteSlakhTrack},
      {"moisesdb", "OUT/moisesdb_v0.1/ID/{data.json,STEM/ID.wav}, a recording an instrument",
       PlaceInMoisesDb, WriteMoisesDbSong, "splits.json", MoisesDbSplits},
      {"medleydb", "OUT/Audio/SONG/{SONG_MIX.wav,SONG_STEMS,SONG_RAW}, OUT/Metadata",
       PlaceInMedleyDb, WriteMedleyDbSong, "splits.json", MedleyDbSplits},
      {"stem_pools", "OUT/STEM/take_NNN.wav, takes that do not belong together", PlaceInPools,
       WriteTakes},
      {"csv", "OUT/songs.csv, which lists songs and the files of their stems", PlaceBesideCsv,
       WriteFolder, "songs.csv", SongsCsv},
  };
  return table;
}

const LayoutRow& FindLayout(std::string_view name) {
  return FindRow(LayoutTable(), name, "layout", Option("layout"));
}

}  // namespace stemsmith::synth
