#include "baselines/references.h"

#include <algorithm>

#include "audio/decode.h"
#include "audio/read_fully.h"
#include "baselines/baseline.h"
#include "core/error.h"
#include "core/text.h"

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

void CheckReferences(AudioReader& song, const std::vector<std::unique_ptr<AudioReader>>& references,
                     const fs::path& file, const Host& host) {
  constexpr std::size_t kBlockFrames = 65536;
  const auto channels = static_cast<std::size_t>(song.info().channels);
  std::vector<float> mixture(kBlockFrames * channels), block = mixture, sum = mixture;
  // Of what changes from sample to sample: music that is shifted by little has nothing in common
  // with itself there, as low sounds still have.
  double power = 0, common = 0, of_song = 0;
  for (std::size_t count = 1; count > 0;) {
    StopIfAsked(host);
    count = ReadFully(song, mixture.data(), kBlockFrames);
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (const auto& reference : references) {
      count = std::min(count, ReadFully(*reference, block.data(), kBlockFrames));
      for (std::size_t i = 0; i < count * channels; ++i) sum[i] += block[i];
    }
    for (std::size_t i = channels; i < count * channels; ++i) {
      const double own = mixture[i] - mixture[i - channels], theirs = sum[i] - sum[i - channels];
      power += theirs * theirs;
      common += own * theirs;
      of_song += own * own;
    }
  }
  song.Rewind();
  for (const auto& reference : references) reference->Rewind();
  // Of stems that are in the song as they are the share is 1, whatever else is in it.
  constexpr double kSilent = 1e-12, kNothing = 0.25, kLittle = 0.8, kMuch = 1.25;
  if (power < kSilent || of_song < kSilent) return;
  const double share = common / power;
  if (share < kNothing)
    throw Error::Input("the references have nothing in common with the song", file.string(),
                       "they are of another song, or shifted: give the stems that this mixture "
                       "was made of");
  if (share < kLittle || share > kMuch)
    host.Warn(file.string() + ": the references are in the song at " + Formatted("%.2f", share) +
              " of their level; estimates mean little unless the mixture was made of them");
}

}  // namespace stemsmith
