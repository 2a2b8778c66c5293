// The multichannel Wiener filter of Open-Unmix behind any separation: expectation–maximisation
// over a local Gaussian model, in which each stem has a power per bin and frame and a spatial
// covariance per bin (openunmix/filtering.py, after Uhlich et al. 2017 and Nugraha et al. 2016). It
// makes use of where stems lie between the channels. models/layers/wiener.h is the one in models.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "separate/song_separator.h"

namespace stemsmith {

// Throws Error::Usage for a single stem, of which there is nothing to tell apart.
void CheckWiener(const std::vector<std::string>& stems);

// `song` with its stems refined against `mixture`, the song once more from its beginning. Their
// magnitudes are taken, with the mixture's phases, and `iterations` are done, at least 1, in
// windows of 300 frames of an STFT of 4096 samples every 1024; channels go in pairs (0+1, 2+3, …),
// a last odd one by itself. Throws as CheckWiener().
std::unique_ptr<SongSeparator> RefineByWiener(std::unique_ptr<SongSeparator> song,
                                              std::unique_ptr<AudioReader> mixture, int iterations);

}  // namespace stemsmith
