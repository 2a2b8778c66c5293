// A program that reads all that training reads of a cache: read_cache CACHE.h5. It prints a hash of
// it, or the error as our programs do.
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "datasets/cache/cache.h"

namespace stemsmith {
namespace {

std::uint64_t HashFloats(const std::vector<float>& values, std::uint64_t seed) {
  return HashBytes({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)},
                   seed);
}

std::string HashCache(const CacheReader& cache) {
  const nlohmann::json about = {cache.stems(), cache.sample_rate_hz(), cache.channels(),
                                cache.fingerprint()};
  std::uint64_t hash = HashBytes(about.dump());
  for (std::size_t t = 0; t < cache.tracks().size(); ++t) {
    const CachedTrack& track = cache.tracks()[t];
    const nlohmann::json words = {track.name, track.split, track.frames, track.rms_db};
    hash = HashBytes(words.dump(), hash);
    std::vector<float> audio(cache.stems().size() * static_cast<std::size_t>(cache.channels()) *
                             static_cast<std::size_t>(track.frames));
    cache.ReadStems(t, 0, track.frames, audio.data());
    hash = HashFloats(cache.ReadLevels(t), HashFloats(audio, hash));
  }
  return HexHash(hash);
}

}  // namespace
}  // namespace stemsmith

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: read_cache CACHE.h5\n";
    return 2;
  }
  try {
    std::cout << stemsmith::HashCache(stemsmith::CacheReader(argv[1])) << '\n';
  } catch (const stemsmith::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return error.exit_status();
  }
  return 0;
}
