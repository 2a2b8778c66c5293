// Files that are not a stem of the model but made of its stems: karaoke, accompaniment, the song
// without a stem.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "core/visibility.h"
#include "separate/song_separator.h"

namespace stemsmith {

// The name of the song itself, where stems are named.
inline constexpr char kMixture[] = "mixture";

// A sum of stems, and of the song itself (kMixture), each with its factor.
struct StemMix {
  std::string name;  // of the file
  struct Term {
    std::string stem;
    double factor = 1;
    bool operator==(const Term&) const = default;
  };
  std::vector<Term> terms;
};

// "karaoke=drums+bass+other", "instrumental=mixture-vocals", "quiet=0.5*drums+bass": stems of the
// model, whose names may hold + and -. Throws Error::Usage for other texts, stems that are not
// there ("there is no stem 'x'", after `who`) or come twice, and a name that no file can have.
STEMSMITH_PUBLIC StemMix ParseStemMix(const std::string& text,
                                      const std::vector<std::string>& model_stems,
                                      const std::string& who = "there is");

// What becomes a file of each song.
struct STEMSMITH_PUBLIC StemChoice {
  std::vector<std::string> stems;  // of the model
  std::vector<std::string> mixes;  // as ParseStemMix() takes them
  // A stem S, with a file `no_S` of all others; of a model without others, of the song without it.
  std::string two_stems;
  std::string preset;  // a row of StemPresetTable()

  bool empty() const {
    return stems.empty() && mixes.empty() && two_stems.empty() && preset.empty();
  }
};

struct StemPreset {
  const char* name;
  const char* summary;
  // Throws Error::Usage where a model with these stems cannot give it.
  std::vector<StemMix> (*files)(const std::vector<std::string>& model_stems);
};
STEMSMITH_PUBLIC const std::vector<StemPreset>& StemPresetTable();

// The files, in the order preset, two_stems, stems, mixes, each once; of an empty choice all stems.
// Throws Error::Usage, naming the nearest, for stems that the model does not have, unknown presets,
// different files of one name, and a mix with the name of a stem or of the song.
STEMSMITH_PUBLIC std::vector<StemMix> FilesOf(const StemChoice& choice,
                                              const std::vector<std::string>& model_stems);

// Whether it is a stem of the model as it stands.
STEMSMITH_PUBLIC bool IsStem(const StemMix& mix);
// Whether the song itself is in one of them.
STEMSMITH_PUBLIC bool NeedsMixture(const std::vector<StemMix>& mixes);
// The stems that they are made of, each once.
STEMSMITH_PUBLIC std::vector<std::string> StemsIn(const std::vector<StemMix>& mixes);

// A song whose stems add up to `mixture` (the song once more) to the last bits of float: what they
// lack is shared among them alike (Wisdom et al. 2019, "Differentiable consistency constraints for
// improved deep speech enhancement", equation 3).
STEMSMITH_PUBLIC std::unique_ptr<SongSeparator> MakeConsistent(
    std::unique_ptr<SongSeparator> song, std::unique_ptr<AudioReader> mixture);

// A song whose stems are these mixes of those of `song`. `mixture` is the song once more, from its
// beginning; null where NeedsMixture() is false.
STEMSMITH_PUBLIC std::unique_ptr<SongSeparator> MixStems(std::unique_ptr<SongSeparator> song,
                                                         std::unique_ptr<AudioReader> mixture,
                                                         std::vector<StemMix> mixes);

}  // namespace stemsmith
