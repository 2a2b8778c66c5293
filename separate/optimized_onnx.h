// A graph that ONNX Runtime has optimised, in one file with its weights: an entry of a
// CompiledCache. ONNX Runtime maps the weights from there into memory. (It can keep them packed, too,
// but 1.31 then crashes with some models.)
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace stemsmith {

// Puts the graph, which ONNX Runtime wrote to a file of its own, behind its weights.
//
// It loses the shapes of its values. ONNX Runtime (1.31) compares the shape of every value with
// those of all buffers that are free by then, which takes most of the time of opening a graph of
// thousands of nodes; and for each match the buffer is held from its first value to its last, in a
// U-Net through all of the middle. Neither happens to values of unknown shapes, whose buffers come
// from the arena. For that the input's type and those of shapes that nodes reshape to, and of the
// parts that such shapes are joined from, say nothing of sizes; the latter become inputs with
// default values, as they would count as constants.
// Throws Error.
void AppendGraph(const std::filesystem::path& graph, const std::filesystem::path& weights);

// The model in such an entry, to be opened with the entry's folder as that of its weights.
std::string_view GraphIn(std::string_view entry);

}  // namespace stemsmith
