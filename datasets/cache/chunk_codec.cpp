#include "datasets/cache/chunk_codec.h"

#include <zlib.h>

#include <cassert>
#include <new>

namespace stemsmith {
namespace {

// Plane b holds byte b of every sample. Of fixed widths, which the compiler turns into vectors.
template <std::size_t kBytes>
void Shuffle(const char* in, std::size_t samples, char* out) {
  for (std::size_t b = 0; b < kBytes; ++b)
    for (std::size_t i = 0; i < samples; ++i) out[b * samples + i] = in[i * kBytes + b];
}
template <std::size_t kBytes>
void Unshuffle(const char* in, std::size_t samples, char* out) {
  for (std::size_t i = 0; i < samples; ++i)
    for (std::size_t b = 0; b < kBytes; ++b) out[i * kBytes + b] = in[b * samples + i];
}

std::vector<char>& Planes(std::size_t bytes) {
  thread_local std::vector<char> planes;
  if (planes.size() < bytes) planes.resize(bytes);
  return planes;
}

}  // namespace

void CompressChunk(std::span<const char> chunk, std::size_t sample_bytes, int level,
                   std::vector<char>& out) {
  assert(sample_bytes == 2 || sample_bytes == 4);
  std::vector<char>& planes = Planes(chunk.size());
  if (sample_bytes == 2) {
    Shuffle<2>(chunk.data(), chunk.size() / 2, planes.data());
  } else {
    Shuffle<4>(chunk.data(), chunk.size() / 4, planes.data());
  }
  uLongf size = compressBound(chunk.size());
  out.resize(size);
  // Fails for want of memory alone: the room suffices, and so does the level.
  if (compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                reinterpret_cast<const Bytef*>(planes.data()), chunk.size(), level) != Z_OK) {
    throw std::bad_alloc();
  }
  out.resize(size);
}

bool ExpandChunk(std::span<const char> in, std::size_t sample_bytes, std::span<char> out) {
  assert(sample_bytes == 2 || sample_bytes == 4);
  std::vector<char>& planes = Planes(out.size());
  uLongf size = out.size();
  if (uncompress(reinterpret_cast<Bytef*>(planes.data()), &size,
                 reinterpret_cast<const Bytef*>(in.data()), in.size()) != Z_OK ||
      size != out.size()) {
    return false;
  }
  if (sample_bytes == 2) {
    Unshuffle<2>(planes.data(), out.size() / 2, out.data());
  } else {
    Unshuffle<4>(planes.data(), out.size() / 4, out.data());
  }
  return true;
}

}  // namespace stemsmith
