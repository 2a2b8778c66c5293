#include "synth/moisesdb.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "audio/decode.h"
#include "audio/encode.h"
#include "audio/planar_reader.h"
#include "core/files.h"
#include "core/text.h"
#include "synth/instruments.h"

namespace stemsmith::synth {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr char kProvider[] = "moisesdb_v0.1";
constexpr int kOtherRateHz = 48'000;
constexpr float kSilence = 1e-4f;
constexpr std::size_t kTailFrames = kSampleRateHz / 2;
constexpr std::size_t kRecordingsTogether = 2;

// Version 8 of RFC 9562: of digits that anybody may choose.
std::string Uuid(const std::string& text) {
  const std::string digits = HexHash(HashBytes(text)) + HexHash(HashBytes(text, 1));
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-8" + digits.substr(13, 3) + "-a" +
         digits.substr(17, 3) + "-" + digits.substr(20, 12);
}

// Up to the last sound, and of the singer in front a little more.
AudioBuffer Cut(const AudioBuffer& audio, std::size_t tail_frames, int channels) {
  std::size_t end = 0;
  for (int c = 0; c < audio.channels(); ++c) {
    for (std::size_t t = end; t < audio.frames(); ++t) {
      if (std::abs(audio.channel(c)[t]) > kSilence) end = t + 1;
    }
  }
  AudioBuffer cut(channels, end + tail_frames);
  for (int c = 0; c < channels; ++c) std::copy_n(audio.channel(c), end, cut.channel(c));
  return cut;
}

void WriteRecording(const fs::path& path, const Instrument& instrument) {
  const bool mono = instrument.moisesdb_instrument == std::string("kick drum");
  const AudioBuffer audio = Cut(instrument.audio, instrument.lead ? kTailFrames : 0, mono ? 1 : 2);
  if (instrument.moisesdb_stem != std::string("bass")) {
    WriteAudio(path, audio, kSampleRateHz);
    return;
  }
  const float* const channels[] = {audio.channel(0), audio.channel(1)};
  const auto resampled = ConvertAudio(
      std::make_unique<PlanarReader>(channels, 2, audio.frames(), kSampleRateHz), kOtherRateHz, 2);
  WriteAudio(path, ReadAll(*resampled), kOtherRateHz);
}

}  // namespace

std::string MoisesDbName(const std::string& song_name) { return Uuid(song_name); }

std::vector<fs::path> PlaceInMoisesDb(const fs::path& root, const std::string&,
                                      const std::string& song_name) {
  return {root / kProvider / MoisesDbName(song_name)};
}

void WriteMoisesDbSong(const std::vector<fs::path>& paths, const SongOrder& order) {
  json stems = json::array();
  int number = 0;
  for (const Instrument& instrument : RenderInstruments(order)) {
    const std::string stem = instrument.moisesdb_stem;
    const std::string id = Uuid(order.song.name + "/" + std::to_string(++number));
    if (stems.empty() || stems.back()["stemName"] != stem ||
        stems.back()["tracks"].size() == kRecordingsTogether) {
      stems.push_back({{"id", Uuid(order.song.name + "/stem " + std::to_string(number))},
                       {"stemName", stem},
                       {"tracks", json::array()}});
    }
    stems.back()["tracks"].push_back({{"id", id},
                                      {"trackType", instrument.moisesdb_instrument},
                                      {"type", "audio/x-wav"},
                                      {"extension", "wav"},
                                      {"has_bleed", false}});
    const fs::path folder = paths.front() / stem;
    fs::create_directories(folder);
    WriteRecording(folder / (id + ".wav"), instrument);
  }
  const json song = {{"song", order.song.name},
                     {"artist", "stemsmith"},
                     {"genre", order.song.style},
                     {"stems", stems}};
  WriteFileAtomically(paths.front() / "data.json", song.dump(2) + "\n");
}

}  // namespace stemsmith::synth
