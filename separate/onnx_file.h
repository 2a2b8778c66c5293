// An .onnx file without ONNX Runtime: what it says of itself, and the part of its graph that some
// of its stems need. Fields of the protobuf (onnx.proto3 of ONNX, IR 8) are read where they lie, so
// that a large model is never in memory as a whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace stemsmith {

// The value of a metadata entry; none where there is no such entry, and of files that are no ONNX
// model: who opens them next says why.
std::optional<std::string> OnnxMetadata(const std::filesystem::path& path, std::string_view key);

// The model, as the bytes of a file, with only these of its stems: ascending indices below
// `stem_count`. Empty where that saves nothing: the graph does not end with joining one part per
// stem (ONNX's Concat along S), or all parts depend on all weights; and of files that are no model.
std::string OnnxOfStems(const std::filesystem::path& path, const std::vector<std::size_t>& stems,
                        std::size_t stem_count);

}  // namespace stemsmith
