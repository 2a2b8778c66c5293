// The manifest of an ONNX model of another program: what the user's JSON file says, and what the
// graph itself does.
#pragma once

#include <filesystem>

#include "separate/manifest.h"
#include "separate/onnx_file.h"

namespace stemsmith {

// The file that describes a model without being named: NAME.json beside NAME.onnx. Empty where there
// is none, and of a model that holds its manifest itself.
std::filesystem::path ManifestBeside(const std::filesystem::path& model);

// `file` has keys of the manifest, "input", "stft" and "compensate" (docs/model_format.md, "Models
// of other programs"); empty: there is none. Throws Error: no file, which says what it has to hold
// for this graph; no JSON, unknown, missing or senseless keys; keys that contradict the graph; a
// graph of another kind.
Manifest ReadManifestFile(const std::filesystem::path& file, const std::filesystem::path& model,
                          const GraphTypes& types);

}  // namespace stemsmith
