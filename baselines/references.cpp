#include "baselines/references.h"

#include "audio/decode.h"
#include "core/error.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

fs::path FileOf(const fs::path& folder, const std::string& stem) {
  std::error_code code;
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().stem() != stem || !HasAudioExtension(entry.path())) continue;
    if (!found.empty())
      throw Error::Input("the reference of '" + stem + "' is there twice", entry.path().string(),
                         "keep one of it and " + found.filename().string());
    found = entry.path();
  }
  if (found.empty())
    throw Error::Input("there is no reference for the stem '" + stem + "'",
                       (folder / (stem + ".wav")).string(),
                       "references lie in DIR/TRACK/STEM.wav; --set stems=[…] names others");
  return found;
}

void CheckEqual(std::int64_t reference, std::int64_t song, const std::string& what,
                const fs::path& file) {
  if (reference == song) return;
  throw Error::Input("a reference has another " + what + " than the song: " +
                         std::to_string(reference) + ", not " + std::to_string(song),
                     file.string(), "give the stems that this mixture was made of");
}

}  // namespace

std::vector<std::unique_ptr<AudioReader>> OpenReferences(const fs::path& folder,
                                                         const std::vector<std::string>& stems,
                                                         const AudioInfo& song) {
  std::vector<std::unique_ptr<AudioReader>> readers;
  for (const std::string& stem : stems) {
    const fs::path file = FileOf(folder, stem);
    readers.push_back(OpenAudio(file));
    const AudioInfo& info = readers.back()->info();
    CheckEqual(info.sample_rate_hz, song.sample_rate_hz, "sample rate (Hz)", file);
    CheckEqual(info.channels, song.channels, "number of channels", file);
    if (info.frames >= 0 && song.frames >= 0)
      CheckEqual(info.frames, song.frames, "length (frames)", file);
  }
  return readers;
}

}  // namespace stemsmith
