// Chunks as HDF5's filters `shuffle` and `deflate` store them, without HDF5, so that many threads
// may compress and expand at once.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace stemsmith {

// Shuffles (first bytes of all samples, second bytes, …) and deflates a chunk; `level` from 1
// (fast) to 9 (small).
void CompressChunk(std::span<const char> chunk, std::size_t sample_bytes, int level,
                   std::vector<char>& out);
// The way back into all of `out`. False where `in` does not expand to just so many bytes.
bool ExpandChunk(std::span<const char> in, std::size_t sample_bytes, std::span<char> out);

}  // namespace stemsmith
