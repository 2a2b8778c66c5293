#include <algorithm>
#include <cmath>
#include <optional>

#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"
#include "evaluate/report/report_parts.h"
#include "html/html.h"
#include "picture/picture.h"
#include "picture/stem_colours.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// What every browser decodes, at a rate at which artefacts of a separation can be heard.
const EncodeOptions kSound = {.format = "mp3", .bit_rate = 112'000};
constexpr char kSoundType[] = "audio/mpeg";
constexpr int kMostChannels = 2;  // of browsers' and most people's

struct Sound {
  std::string stem;    // empty: the mixture
  std::string method;  // empty: the reference
  AudioBuffer audio;
};

struct SongSounds {
  int sample_rate_hz = 0;
  double begin_seconds = 0, seconds = 0;
  std::vector<Sound> sounds;  // the mixture, references, then estimates by methods
};

// Source `s` of [2S, C, T].
AudioBuffer Source(const std::vector<float>& samples, std::size_t s, int channels,
                   std::size_t frames) {
  const std::size_t size = static_cast<std::size_t>(channels) * frames;
  AudioBuffer audio(std::min(channels, kMostChannels), frames);
  std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(s * size), audio.samples().size(),
              audio.samples().begin());
  return audio;
}

SongSounds ReadSounds(const EvaluationReport& report, const std::string& song) {
  SongSounds result;
  std::vector<Sound> references, estimates;
  for (const ReportedMethod& method : report.methods) {
    const auto of_song = method.files.find(song);
    if (of_song == method.files.end()) continue;
    const SongFiles& files = of_song->second;
    const auto align = method.align.find(song);
    StemFiles pair(files, align == method.align.end() ? AlignOptions() : align->second);
    const std::size_t wanted =
        static_cast<std::size_t>(report.excerpts.seconds * pair.sample_rate_hz());
    const std::size_t frames = std::min(pair.frames(), std::max<std::size_t>(wanted, 1));
    const std::size_t begin = (pair.frames() - frames) / 2;
    const auto channels = static_cast<std::size_t>(pair.channels());
    std::vector<float> samples(2 * files.stems.size() * channels * frames);
    pair.Read(begin, begin + frames, samples.data());
    result.sample_rate_hz = pair.sample_rate_hz();
    result.begin_seconds = static_cast<double>(begin) / pair.sample_rate_hz();
    result.seconds = static_cast<double>(frames) / pair.sample_rate_hz();
    for (std::size_t s = 0; s < files.stems.size(); ++s) {
      const std::string& stem = files.stems[s];
      if (std::none_of(references.begin(), references.end(),
                       [&](const Sound& sound) { return sound.stem == stem; }))
        references.push_back({stem, "", Source(samples, s, pair.channels(), frames)});
      if (method.name != report.floor)
        estimates.push_back(
            {stem, method.name, Source(samples, files.stems.size() + s, pair.channels(), frames)});
    }
  }
  Sound mixture = references.at(0);
  mixture.stem.clear();
  for (std::size_t r = 1; r < references.size(); ++r)
    for (std::size_t i = 0; i < mixture.audio.samples().size(); ++i)
      mixture.audio.samples()[i] += references[r].audio.samples()[i];
  result.sounds.push_back(std::move(mixture));
  for (auto* list : {&references, &estimates})
    std::move(list->begin(), list->end(), std::back_inserter(result.sounds));
  return result;
}

// Songs that there are files of for every method that has any, picked evenly.
std::vector<std::string> SongsToHear(const EvaluationReport& report) {
  std::vector<std::string> all;
  for (const ReportedMethod& method : report.methods)
    for (const SongEvaluation& song : method.songs)
      if (method.files.contains(song.song) &&
          std::find(all.begin(), all.end(), song.song) == all.end())
        all.push_back(song.song);
  std::erase_if(all, [&](const std::string& song) {
    return std::any_of(report.methods.begin(), report.methods.end(),
                       [&](const ReportedMethod& method) {
                         return !method.files.empty() && !method.files.contains(song);
                       });
  });
  const std::size_t count =
      std::min(all.size(), static_cast<std::size_t>(std::max(report.excerpts.songs, 0)));
  std::vector<std::string> picked;
  for (std::size_t i = 0; i < count; ++i)
    picked.push_back(all[(2 * i + 1) * all.size() / (2 * count)]);
  return picked;
}

std::string Encoded(const Sound& sound, int sample_rate_hz, const fs::path& file) {
  WriteAudio(file, sound.audio, sample_rate_hz, kSound);
  const std::string bytes = ReadFile(file);
  fs::remove(file);
  return DataUri(kSoundType, bytes);
}

}  // namespace

std::string ExcerptsHtml(const EvaluationReport& report, const fs::path& folder) {
  std::string html;
  for (const std::string& song : SongsToHear(report)) {
    SongSounds of_song = ReadSounds(report, song);
    std::vector<const AudioBuffer*> signals;
    for (const Sound& sound : of_song.sounds) signals.push_back(&sound.audio);
    const std::vector<std::string> pictures = SpectrogramStrips(
        signals, {.sample_rate_hz = of_song.sample_rate_hz, .width = 400, .height = 96});
    nlohmann::json sounds = nlohmann::json::array();
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const Sound& sound = of_song.sounds[i];
      sounds.push_back({{"stem", sound.stem},
                        {"method", sound.method},
                        {"audio", Encoded(sound, of_song.sample_rate_hz, folder / "excerpt.mp3")},
                        {"picture", DataUri("image/png", pictures[i])}});
    }
    html += "<article class=\"song\"><h3>" + Escaped(song) + "</h3>\n<p class=\"muted\">" +
            FigureText("%.3g s", of_song.seconds) + " from " +
            FormatDuration(of_song.begin_seconds) + " on</p>\n<template>" +
            SpectrogramAxes(of_song.seconds, of_song.sample_rate_hz) +
            "</template>\n<script type=\"application/json\">" +
            ScriptJson({{"name", song}, {"seconds", of_song.seconds}, {"sounds", sounds}}) +
            "</script>\n</article>\n";
  }
  return html;
}

}  // namespace stemsmith
