// ONNX Runtime's messages, which are paragraphs with places in its sources, in our words.
#pragma once

#include <filesystem>
#include <string>

#include "core/error.h"

namespace stemsmith {

// Of a model that cannot be loaded. `damaged`: it is not even a protobuf.
Error OnnxLoadError(const std::string& message, bool damaged, const std::filesystem::path& path);
// Of a model that was loaded and does not run.
Error OnnxRunError(const std::string& message, const std::filesystem::path& path);

}  // namespace stemsmith
