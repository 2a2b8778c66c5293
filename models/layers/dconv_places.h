// Where a Demucs has residual branches, and of what kind: options that all models of demucs 3 and 4
// share, with the originals' names.
#pragma once

#include <cstdint>

#include "core/config.h"
#include "models/layers/dconv.h"

namespace stemsmith {

struct DConvPlaces {
  std::int64_t mode = 1;  // residual branches: 1 in the encoder, 2 in the decoder, 3 in both
  std::int64_t depth = 2;
  std::int64_t comp = 4;
  std::int64_t attn = 4;  // first level whose branches have attention
  std::int64_t lstm = 4;  // first level whose branches have an LSTM
  double init = 1e-4;

  bool InEncoder() const { return (mode & 1) != 0; }
  bool InDecoder() const { return (mode & 2) != 0; }
  DConvOptions AtLevel(std::int64_t level) const;

  // Reads dconv_mode, dconv_depth, …; dconv_attn and dconv_lstm where `deep`.
  static DConvPlaces Read(const Config& config, const DConvPlaces& defaults, bool deep = true);
  // Throws Error where a branch cannot be built behind so many channels.
  void Check(std::int64_t channels, std::int64_t level, const Config& config) const;
};

}  // namespace stemsmith
