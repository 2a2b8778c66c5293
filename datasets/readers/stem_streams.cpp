#include "datasets/readers/stem_streams.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "core/error.h"
#include "core/text.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

constexpr std::array kMusdbOrder = {"mixture", "drums", "bass", "other", "vocals"};
constexpr char kMixture[] = "mixture";
constexpr char kAdvice[] =
    "title the streams mixture, drums, bass, other and vocals (ffmpeg -metadata:s:a:1 title=drums)";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80; }

// "Stem 2: Lead_Vocals.m4a@GPAC1.0" → "lead vocals"; "Track 3", "SoundHandler" and the like → "".
std::string Plain(const std::string& title) {
  std::string text = LowerCase(title);
  text.resize(std::min(text.find_first_of("@#\0"), text.size()));  // as MP4Box marks its imports
  for (const char* ending : {".wav", ".m4a", ".mp4", ".aac", ".flac", ".mp3", ".aif", ".aiff"}) {
    if (text.ends_with(ending)) text.resize(text.size() - std::string_view(ending).size());
  }
  static const std::map<std::string, bool> fillers = {
      {"stem", true},        {"stems", true},        {"track", true},    {"stream", true},
      {"audio", true},       {"sound", true},        {"media", true},    {"channel", true},
      {"stereo", true},      {"mono", true},         {"iso", true},      {"apple", true},
      {"gpac", true},        {"file", true},         {"handler", true},  {"core", true},
      {"alias", true},       {"soundhandler", true}, {"untitled", true}, {"und", true},
      {"mainconcept", true}, {"mp", true},           {"aac", true},      {"alac", true}};
  std::string words, word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && IsLetter(text[i])) {
      word += text[i];
      continue;
    }
    if (!word.empty() && !fillers.contains(word)) words += (words.empty() ? "" : " ") + word;
    word.clear();
  }
  return words;
}

// The stem that a title means; "" for titles that are no stem's.
std::string StemOf(const std::string& plain) {
  static const std::map<std::string, std::string> stems = {{"mixture", kMixture},
                                                           {"mix", kMixture},
                                                           {"master", kMixture},
                                                           {"full mix", kMixture},
                                                           {"original", kMixture},
                                                           {"main", kMixture},
                                                           {"drums", "drums"},
                                                           {"drum", "drums"},
                                                           {"bass", "bass"},
                                                           {"other", "other"},
                                                           {"others", "other"},
                                                           {"rest", "other"},
                                                           {"vocals", "vocals"},
                                                           {"vocal", "vocals"},
                                                           {"vox", "vocals"},
                                                           {"voice", "vocals"},
                                                           {"voices", "vocals"},
                                                           {"accompaniment", "accompaniment"},
                                                           {"instrumental", "accompaniment"},
                                                           {"instruments", "accompaniment"},
                                                           {"guitar", "guitar"},
                                                           {"guitars", "guitar"},
                                                           {"piano", "piano"},
                                                           {"keys", "keys"},
                                                           {"keyboards", "keys"},
                                                           {"synth", "synth"},
                                                           {"synths", "synth"},
                                                           {"strings", "strings"},
                                                           {"percussion", "percussion"},
                                                           {"perc", "percussion"},
                                                           {"brass", "brass"},
                                                           {"melody", "melody"},
                                                           {"melodies", "melody"},
                                                           {"harmony", "harmony"},
                                                           {"fx", "fx"},
                                                           {"effects", "fx"},
                                                           {"pads", "pads"},
                                                           {"pad", "pads"},
                                                           {"lead", "lead"},
                                                           {"leads", "lead"},
                                                           {"kick", "kick"},
                                                           {"snare", "snare"},
                                                           {"lead vocals", "lead vocals"},
                                                           {"backing vocals", "backing vocals"},
                                                           {"choir", "choir"},
                                                           {"organ", "organ"},
                                                           {"winds", "winds"},
                                                           {"woodwinds", "winds"}};
  const auto stem = stems.find(plain);
  return stem == stems.end() ? "" : stem->second;
}

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// Per stream the stem that its title and the atom say; "" where they say nothing.
std::vector<std::string> NamesOf(const std::vector<std::string>& titles,
                                 const std::vector<std::string>& atom,
                                 const std::filesystem::path& path) {
  std::vector<std::string> names, unknown;
  bool any_stem = false, any_atom = false;
  for (std::size_t s = 0; s < titles.size(); ++s) {
    const std::string in_atom = s > 0 && s <= atom.size() ? atom[s - 1] : "";
    const std::string title = StemOf(Plain(titles[s])), stem = StemOf(Plain(in_atom));
    if (!title.empty() && !stem.empty() && title != stem) {
      throw Error::Input("stream " + std::to_string(s) + " is titled " + Quoted(titles[s]) +
                             ", its atom `stem` calls it " + Quoted(in_atom),
                         path.string(), kAdvice);
    }
    names.push_back(title.empty() ? stem : title);
    any_stem |= !names[s].empty() && names[s] != kMixture;
    any_atom |= !stem.empty();
    if (s == 0 || !names[s].empty()) continue;
    for (const std::string& text : {titles[s], in_atom}) {
      if (Plain(text).empty()) continue;
      unknown.push_back(text);
      break;
    }
  }
  if (any_atom && atom.size() + 1 != titles.size()) {
    throw Error::Input("its atom `stem` names " + std::to_string(atom.size()) +
                           " stems, beside the mixture it has " +
                           std::to_string(titles.size() - 1) + " audio streams",
                       path.string(), kAdvice);
  }
  // The song's title may stand at every stream.
  const bool alike = unknown.size() > 1 &&
                     std::all_of(unknown.begin(), unknown.end(),
                                 [&](const std::string& text) { return text == unknown.front(); });
  if (!unknown.empty() && (any_stem || !alike)) {
    throw Error::Input(
        "its streams have names that are no stem's: " + JoinNames(unknown, ", ", Quoted),
        path.string(), kAdvice);
  }
  return names;
}

}  // namespace

StemStreams OrderOfMusdb() {
  StemStreams streams;
  streams.mixture = 0;
  streams.count = kMusdbOrder.size();
  for (std::size_t s = 1; s < kMusdbOrder.size(); ++s) {
    streams.stems.push_back({kMusdbOrder[s], static_cast<int>(s)});
  }
  return streams;
}

StemStreams NameStreams(const std::vector<std::string>& titles,
                        const std::vector<std::string>& atom, const std::filesystem::path& path) {
  std::vector<std::string> names = NamesOf(titles, atom, path);
  const auto is_stem = [](const std::string& name) { return !name.empty() && name != kMixture; };
  const bool named = std::any_of(names.begin(), names.end(), is_stem);
  if (!named) {
    const auto mixture = std::find(names.begin(), names.end(), kMixture);
    if (mixture != names.end() && mixture != names.begin()) {
      throw Error::Input("stream " + std::to_string(mixture - names.begin()) +
                             " is titled as the mixture, the others say nothing",
                         path.string(), kAdvice);
    }
    return OrderOfMusdb();
  }
  StemStreams streams;
  streams.count = static_cast<int>(titles.size());
  // What has no name has that of its place, where nothing else has it.
  for (std::size_t s = 0; s < names.size(); ++s) {
    if (!names[s].empty()) continue;
    const bool has_place = s < kMusdbOrder.size() && titles.size() == kMusdbOrder.size();
    names[s] = s == 0 ? kMixture : has_place ? kMusdbOrder[s] : "";
    const bool taken = std::count(names.begin(), names.end(), names[s]) > 1;
    if (names[s].empty() || taken) {
      throw Error::Input("stream " + std::to_string(s) + " has no name, and " +
                             (names[s].empty() ? "its place says none"
                                               : "that of its place, " + Quoted(names[s]) +
                                                     ", is another stream's"),
                         path.string(), kAdvice);
    }
  }
  for (std::size_t s = 0; s < names.size(); ++s) {
    const auto first = std::find(names.begin(), names.end(), names[s]);
    if (const auto f = static_cast<std::size_t>(first - names.begin()); f != s) {
      throw Error::Input("streams " + std::to_string(f) + " and " + std::to_string(s) +
                             " are both called " + Quoted(names[s]),
                         path.string(), kAdvice);
    }
    if (names[s] == kMixture) {
      streams.mixture = static_cast<int>(s);
    } else {
      streams.stems.push_back({names[s], static_cast<int>(s)});
    }
  }
  return streams;
}

StemStreams StreamsOf(const std::filesystem::path& path) {
  std::vector<std::string> titles;
  try {
    const std::unique_ptr<AudioReader> reader = OpenAudio(path);
    for (const AudioStreamInfo& stream : reader->info().streams) titles.push_back(stream.title);
  } catch (const Error&) {
    return OrderOfMusdb();
  }
  const std::vector<std::string> written = ReadTrackTitles(path);
  for (std::size_t s = 0; written.size() == titles.size() && s < titles.size(); ++s) {
    if (written[s].empty()) continue;
    const std::string title = StemOf(Plain(written[s])), handler = StemOf(Plain(titles[s]));
    if (!title.empty() && !handler.empty() && title != handler) {
      throw Error::Input("stream " + std::to_string(s) + " is titled " + Quoted(written[s]) +
                             ", its handler is called " + Quoted(titles[s]),
                         path.string(), kAdvice);
    }
    if (handler.empty()) titles[s] = written[s];
  }
  return NameStreams(titles, ReadStemAtom(path), path);
}

}  // namespace stemsmith
