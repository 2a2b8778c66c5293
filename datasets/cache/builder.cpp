#include "datasets/cache/builder.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "audio/audio.h"
#include "datasets/cache/track.h"

namespace stemsmith {

namespace {

// The step with which all samples fit.
double ScaleFor(const TrackFormat& format, std::span<const float> samples) {
  const double step = CacheSampleStep(format.sample_type);
  const double largest = CacheLargestSample(format.sample_type);
  double scale = std::max(format.scale, step);
  for (const float sample : samples) {
    if (sample < -(largest + 1) * step || sample > largest * step)
      scale = std::max(scale, std::abs(sample) / largest);
  }
  return scale;
}

}  // namespace

CacheBuilder::CacheBuilder(std::filesystem::path path, TrackFormat format)
    : path_(std::move(path)), format_(std::move(format)) {
  index_.stems = format_.stems;
  index_.sample_rate_hz = format_.sample_rate_hz;
  index_.channels = format_.channels;
  index_.spectrogram = format_.spectrogram;
}

void CacheBuilder::AddTrack(const std::string& name, const std::string& split,
                            std::span<const float> stems) {
  const std::size_t frames = stems.size() / format_.columns();
  TrackFormat format = format_;
  if (!format.spectrogram) format.scale = ScaleFor(format, stems);

  std::vector<float> interleaved(stems.size());
  Interleave(stems.data(), format_.columns(), frames, interleaved.data());
  const std::string file = CacheTrackFileName(name);
  TrackWriter writer(CacheTrackFolder(path_) / file, format);
  writer.Write(interleaved.data(), frames);
  TrackRecord record = writer.Finish("", {});
  record.name = name;
  record.split = split;
  record.file = (CacheTrackFolder(path_).filename() / file).string();
  index_.tracks.push_back(std::move(record));
}

void CacheBuilder::Finish() {
  std::sort(index_.tracks.begin(), index_.tracks.end(), [](const auto& a, const auto& b) {
    return std::tie(a.split, a.name) < std::tie(b.split, b.name);
  });
  WriteCacheIndex(path_, index_);
}

}  // namespace stemsmith
