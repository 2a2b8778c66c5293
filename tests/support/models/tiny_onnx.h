// Tiny ONNX models with a manifest, so that tests of separation need no exporter and no Python.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "separate/manifest.h"

namespace stemsmith::testing {

// A manifest for `stems` stems named drums, bass, other, vocals, stem5 …: stereo, 44.1 kHz, dynamic
// length.
Manifest TinyManifest(int stems = 2);
// For a model of gain 1 whose one stem, `mixture`, is the mixture: `separate` then gives back what
// it decodes. At the files' rate nothing is converted.
Manifest IdentityManifest(int sample_rate_hz);

// estimates[b, s] = gains[s] · mix[b] + offset. Opset 17; B and T are dynamic.
void WriteGainOnnx(const std::filesystem::path& path, const Manifest& manifest,
                   const std::vector<float>& gains, float offset = 0);

// The same, made of one part per stem with a weight of its own, `gain0`, `gain1`, …, joined at the
// end as the exporter joins them.
void WriteJoinedOnnx(const std::filesystem::path& path, const Manifest& manifest,
                     const std::vector<float>& gains);

// The same model with something wrong in it.
enum class OnnxFault {
  kMissingWeights,   // they lie in weights.bin, which is not there
  kCutOffWeights,    // which is there, but too short
  kNewOpset,         // of a version that no runtime knows
  kUnknownOperator,  // which no runtime has
  kUnknownInput,     // a node asks for a value that nothing gives
  kTwoInputs,
  kWholeNumbers,  // takes int64
};
void WriteFaultyOnnx(const std::filesystem::path& path, OnnxFault fault);

// output = gains · input, as other programs might write it: without manifest and checksum. Sizes
// below 1 are any; those that are equal are the same. An output with one dimension more has stems.
struct ForeignGraph {
  std::vector<std::int64_t> input, output;
  std::vector<std::int64_t> gains_shape = {1};
  std::vector<float> gains = {1};
  int input_count = 1;
  std::string gains_file;  // beside the model, holds the gains; "": they lie in the model
};
void WriteForeignOnnx(const std::filesystem::path& path, const ForeignGraph& graph);

// A valid ONNX model that nobody gave a manifest.
void WriteOnnxWithoutManifest(const std::filesystem::path& path);

}  // namespace stemsmith::testing
