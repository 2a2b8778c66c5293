// A model whose graph maps spectra to spectra, as a model of audio: the STFT goes before the graph
// and its inverse behind it. As UVR does it (Anjok07/ultimatevocalremovergui@5517e0c, separate.py,
// lib_v5/tfc_tdf_v3.py) for MDX-Net (Kim et al., "KUIELab-MDX-Net", 2021).
#pragma once

#include <memory>

#include "separate/manifest.h"
#include "separate/runtime.h"

namespace stemsmith {

// What the graph of a model with SpectrumInput takes: channel 2 c is the real and 2 c + 1 the
// imaginary part of channel c, and a frame is one of the STFT's.
Manifest GraphOfSpectra(const Manifest& manifest);

// Gives `graph` the spectra [B, 2 C, F, N] of audio [B, C, T] with T = hop · (N − 1): the lowest F
// bins (see SpectrumInput) of audio/stft.h. What it gives, [B, S, 2 C, F, N], becomes audio
// [B, S, C, T] with zeros in the bins above.
std::unique_ptr<Runtime> OverSpectra(std::unique_ptr<Runtime> graph, Manifest manifest);

}  // namespace stemsmith
