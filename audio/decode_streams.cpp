// Which of a file's audio streams is read.
#include <algorithm>
#include <cctype>

#include "audio/decode_backend.h"
#include "core/error.h"
#include "core/text.h"

namespace stemsmith {

// Languages are written as two or three letters, whatever the case.
void ChooseStream(const std::string& text, const std::string& where, DecodeOptions& options) {
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isdigit(c) != 0;
  });
  const bool letters = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalpha(c) != 0 || c == '-';
  });
  if (digits && text.size() <= 4) {
    options.stream = std::stoi(text);
  } else if (letters) {
    options.language = LowerCase(text);
  } else {
    throw Error::Usage("\"" + text + "\" is no audio stream", where,
                       "give its number, counted from 0, or its language, such as eng");
  }
}

int ChosenStream(const std::vector<AudioStreamInfo>& streams, const DecodeOptions& options,
                 const std::filesystem::path& path) {
  if (options.stream != kDefaultStream) return options.stream;
  if (!options.language.empty()) {
    std::string known;
    for (std::size_t s = 0; s < streams.size(); ++s) {
      const std::string language = LowerCase(streams[s].language);
      if (language == options.language) return static_cast<int>(s);
      if (!language.empty()) known += (known.empty() ? "" : ", ") + language;
    }
    throw Error::Input(
        "holds no audio stream in the language \"" + options.language + "\"", path.string(),
        known.empty() ? "its streams name no language: give a stream's number" : "it has " + known);
  }
  const auto rank = [&](std::size_t s) {
    return std::pair(streams[s].is_default, streams[s].channels);
  };
  std::size_t best = 0;
  for (std::size_t s = 1; s < streams.size(); ++s) {
    if (rank(s) > rank(best)) best = s;
  }
  return static_cast<int>(best);
}

std::string StreamChoiceText(const AudioInfo& info) {
  if (info.streams.size() < 2) return "";
  std::string text = "holds " + std::to_string(info.streams.size()) + " audio streams:";
  for (std::size_t s = 0; s < info.streams.size(); ++s) {
    const AudioStreamInfo& stream = info.streams[s];
    std::vector<std::string> words;
    if (!stream.language.empty()) words.push_back(stream.language);
    if (!stream.title.empty()) words.push_back(stream.title);
    if (stream.is_default) words.push_back("default");
    text += (s == 0 ? " " : ", ") + std::to_string(s);
    if (!words.empty()) text += " (" + JoinNames(words) + ")";
  }
  return text + "; stream " + std::to_string(info.stream) + " is taken";
}

}  // namespace stemsmith
