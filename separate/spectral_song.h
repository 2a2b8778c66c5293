// Songs read side by side, and a song made of the spectra of others: ensembles, the Wiener filter.
#pragma once

#include <complex>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "separate/song_separator.h"

namespace stemsmith {

using Songs = std::vector<std::unique_ptr<SongSeparator>>;

// The next frames of all songs, which have one length, whatever pieces they give: blocks[k] as
// SongSeparator::Read() gives those of songs[k]. Returns n ≤ frames, 0 only at the end.
std::size_t ReadTogether(const Songs& songs, std::size_t frames,
                         std::vector<std::vector<std::vector<float>>>& blocks);

// A recording as a song whose only stem is itself (kMixture).
std::unique_ptr<SongSeparator> SongOfItself(std::unique_ptr<AudioReader> recording);

// What lies beyond a song's ends, half a window of it, for the frames there.
enum class SpectralEdge {
  kSilence,   // and as many frames as cover the last sample twice
  kMirrored,  // the song itself, 1 + T / hop frames, as torch.stft; silence where it is too short
};

struct SpectralChange {
  using Spectra = std::vector<std::vector<std::complex<float>>>;  // of each channel [N, F]

  int n_fft = 2048, hop = 1024;  // of a Hann window; hop < n_fft / 2 with kMirrored
  SpectralEdge edge = SpectralEdge::kSilence;
  std::size_t frames = 1;  // that are changed at once; the last ones may be fewer
  // From `in`, the channels of all stems of all songs, to those of the result's stems: N frames of
  // F = n_fft / 2 + 1 bins.
  std::function<void(std::size_t frames, const Spectra& in, Spectra& out)> change;
};

// The song of these stems whose spectra the change gives. All songs have one length, rate and
// number of channels. Memory is bound by what is changed at once.
std::unique_ptr<SongSeparator> ChangeSpectra(Songs songs, std::vector<std::string> stems,
                                             SpectralChange change);

}  // namespace stemsmith
