// Several results of one song combined into one.
#pragma once

#include <complex>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/visibility.h"
#include "separate/song_separator.h"

namespace stemsmith {

// How one value is made of those of several songs: of their samples, or of the bins of their
// spectra (STFT of 2048 samples every 1024 under Hann's window, silence beyond the song's ends).
struct Combination {
  const char* name;
  const char* summary;
  // One of the two; both may change what they are given.
  float (*samples)(std::span<float> values);
  std::complex<float> (*bins)(std::span<std::complex<float>> values);
};
STEMSMITH_PUBLIC const std::vector<Combination>& CombinationTable();

struct STEMSMITH_PUBLIC EnsembleOptions {
  std::string combine;          // a row of CombinationTable(); empty: the mean
  std::vector<double> weights;  // of the songs, of the mean alone; empty: all the same

  // Throws Error::Usage for what is no combination of so many songs.
  void Check(std::size_t songs) const;
};

// The combination of songs that have the same stems, lengths, rates and channels.
STEMSMITH_PUBLIC std::unique_ptr<SongSeparator> CombineSongs(
    std::vector<std::unique_ptr<SongSeparator>> songs, const EnsembleOptions& options = {});

}  // namespace stemsmith
