// BSS eval: how much of an estimate's error is spatial distortion, interference and artefact.
//
// An estimate is projected on delayed versions (0 … L−1 frames) of its reference, and on those of
// all references; the energies of the parts give the figures (Vincent, Gribonval, Févotte:
// Performance measurement in blind audio source separation, 2006). Version 4 takes the same filters
// for all windows of a song (Liutkus, Stöter, Ito: The 2018 Signal Separation Evaluation Campaign);
// version 3 computes them for each window. Figures equal those of museval 0.4.1; docs/evaluation.md
// says where its conventions surprise.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "evaluate/bss_eval/options.h"
#include "evaluate/stem_pair.h"

namespace stemsmith {

struct BssEvalResult {
  // [S][W], in dB: +inf for no distortion (SDR), at most 310 for the others, where double precision
  // ends; NaN for all sources of a window in which one reference or estimate is silent.
  std::vector<std::vector<double>> sdr, isr, sir, sar;
  std::vector<std::vector<int>>
      order;                        // [W or 1][S]: the estimate of source s; 0, 1 … unless sought
  std::vector<std::size_t> begins;  // [W], frames
  // Channels of references that are sums of multiples of channels before them, and left out.
  int dependent_channels = 0;
  // Of the systems for all references: the largest of all windows.
  int iterations = 0;
  double last_gain = 0;
};

// Throws Error for a song without sources, channels or frames. Reads the song twice where its
// windows overlap or are very many. Memory: about 0.5 MB for each window of four stereo stems.
BssEvalResult BssEval(StemPair& song, const BssEvalOptions& options = {});

}  // namespace stemsmith
