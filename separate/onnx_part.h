// The part of an .onnx file that the wanted stems need.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "separate/manifest.h"
#include "separate/runtime.h"

namespace stemsmith {

struct OnnxPart {
  std::vector<std::string> stems;     // that it gives, in the order of the model's
  std::vector<std::size_t> of_stems;  // their places among the model's; empty: it is the whole file
};

// A smaller model can be made where the graph ends with joining one part per stem (ONNX's Concat
// along S, as the exporter writes it) and some weights serve unwanted stems alone; else it is the
// whole file.
OnnxPart FindOnnxPart(const std::filesystem::path& path, const Manifest& manifest,
                      const RuntimeOptions& options);

// That model, as the bytes of a file. For parts that are not the whole file.
std::string ReadOnnxPart(const std::filesystem::path& path, const OnnxPart& part);

}  // namespace stemsmith
