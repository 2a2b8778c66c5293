#include "apps/stemsmith/fit_forest.h"

#include "baselines/forest_fit.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "datasets/cache/cache.h"

namespace stemsmith {

void FitForestToCache(const std::filesystem::path& cache, const Config& settings,
                      const std::filesystem::path& out, const Host& host) {
  ForestFitRequest request;
  request.options = ReadForestOptions(settings);
  settings.CheckAllRead();
  request.out = out;
  request.host = host;
  CheckContent(cache, FileUse::kCacheFile);
  CheckAreNoSources({out}, {cache});
  const CacheReader reader(cache, host.warn);
  if (reader.spectrogram())
    throw Error::Input("the cache holds spectrograms, and a forest learns from audio",
                       cache.string(), "prepare one without --spectrogram");
  const std::vector<std::size_t> tracks = reader.TracksOf("train");
  if (tracks.empty())
    throw Error::Input("the cache holds no song of the split 'train'", cache.string(),
                       "prepare songs to learn from");
  ForestSongs& songs = request.songs;
  songs.stems = reader.stems();
  songs.sample_rate_hz = reader.sample_rate_hz();
  songs.channels = reader.channels();
  for (const std::size_t track : tracks)
    songs.songs.push_back({reader.tracks()[track].name, reader.tracks()[track].frames});
  songs.read = [&](std::size_t song, std::int64_t start, std::int64_t frames, float* samples) {
    reader.ReadStems(tracks[song], start, frames, samples);
  };
  FitForest(request);
}

}  // namespace stemsmith
