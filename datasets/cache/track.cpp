#include "datasets/cache/track.h"

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "datasets/cache/chunk_writer.h"
#include "datasets/cache/hdf5_file.h"

namespace stemsmith {
namespace {

SpectrogramFormat SpectrogramOf(const std::string& text, const std::filesystem::path& path) {
  if (const auto format = SpectrogramFormatFrom(ParseJson(text))) return *format;
  throw DamagedTrack(path, "its spectrogram is of no known kind");
}

// Notes a chunk that begins at row and column `start`. False where it cannot be one of ours;
// `skipped` are the filters that it did not go through.
bool NoteChunk(TrackLayout& layout, const hsize_t* start, haddr_t address, hsize_t size,
               unsigned skipped) {
  const std::size_t k = start[0] / static_cast<hsize_t>(layout.chunk_frames) * layout.groups +
                        start[1] / static_cast<hsize_t>(layout.group_columns);
  const hsize_t whole = layout.chunk_frames * layout.bytes_per_frame();
  const bool fits = layout.compression > 0
                        ? size > 0 && size < whole + whole / 8 + 4096  // deflate adds little
                        : size == whole;
  if (k >= layout.offsets.size() || !fits || skipped != 0) return false;
  layout.offsets[k] = address;
  if (layout.compression > 0) layout.sizes[k] = static_cast<std::uint32_t>(size);
  return true;
}

// Older releases of the iteration give offsets in chunks instead of frames.
#if H5_VERSION_GE(1, 14, 3)
int CollectChunk(const hsize_t* offset, unsigned skipped, haddr_t address, hsize_t size,
                 void* data) {
  return NoteChunk(*static_cast<TrackLayout*>(data), offset, address, size, skipped) ? 0 : -1;
}
bool CollectChunks(hid_t dataset, hid_t space, TrackLayout& layout) {
  return H5Dchunk_iter(dataset, H5P_DEFAULT, CollectChunk, &layout) >= 0;
}
#else
bool CollectChunks(hid_t dataset, hid_t space, TrackLayout& layout) {
  hsize_t count = 0;
  if (H5Dget_num_chunks(dataset, space, &count) < 0) return false;
  for (hsize_t i = 0; i < count; ++i) {
    hsize_t offset[2] = {}, size = 0;
    unsigned skipped = 0;
    haddr_t address = HADDR_UNDEF;
    if (H5Dget_chunk_info(dataset, space, i, offset, &skipped, &address, &size) < 0) return false;
    if (address != HADDR_UNDEF && !NoteChunk(layout, offset, address, size, skipped)) return false;
  }
  return true;
}
#endif

// Whether chunks go through shuffle and deflate where they are compressed, else through nothing.
bool HasFilters(hid_t properties, bool compressed) {
  if (!compressed) return H5Pget_nfilters(properties) == 0;
  const auto is = [&](unsigned place, H5Z_filter_t filter) {
    std::size_t parameters = 0;
    return H5Pget_filter2(properties, place, nullptr, &parameters, nullptr, 0, nullptr, nullptr) ==
           filter;
  };
  return H5Pget_nfilters(properties) == 2 && is(0, H5Z_FILTER_SHUFFLE) && is(1, H5Z_FILTER_DEFLATE);
}

// What is not in the file must have been silence when it was written.
void CheckSilentChunks(const TrackLayout& layout, const std::filesystem::path& path) {
  std::optional<std::uint64_t> silence;
  for (std::size_t k = 0; k < layout.offsets.size(); ++k) {
    if (layout.offsets[k] != kSilentChunk) continue;
    if (!silence)
      silence = HashBytes(std::string(
          static_cast<std::size_t>(layout.chunk_frames) * layout.bytes_per_frame(), '\0'));
    if (layout.hashes[k] != *silence) throw DamagedTrack(path, "it lacks a chunk");
  }
}

int CompressionOf(hid_t file, const std::filesystem::path& path) {
  if (H5Aexists(file, "compression") <= 0) return 0;
  const std::int64_t compression = ReadIntegerAttribute(file, "compression", path);
  if (compression < 0 || compression > 9) throw DamagedTrack(path, "unknown compression");
  return static_cast<int>(compression);
}

}  // namespace

TrackLayout ReadTrackLayout(const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle file = OpenHdf5File(path, "track of the cache");
  CheckHdf5Format(file.id(), kTrackFormatName, kCacheFormatVersion, path);
  TrackLayout layout;
  layout.frames = ReadIntegerAttribute(file.id(), "frames", path);
  layout.sample_type = CacheSampleTypeOf(ReadStringAttribute(file.id(), "sample_type", path), path);
  const std::vector<double> scale = ReadNumbersAttribute(file.id(), "scale", path);
  layout.scale = scale.size() == 1 ? scale[0] : 0;
  layout.compression = CompressionOf(file.id(), path);
  layout.checksum = ReadStringAttribute(file.id(), "checksum", path);
  layout.hashes = ReadNumbersDataset(file.id(), "chunk_hashes", path);
  layout.rows = layout.frames;
  if (H5Aexists(file.id(), "spectrogram") > 0) {
    layout.spectrogram = SpectrogramOf(ReadStringAttribute(file.id(), "spectrogram", path), path);
    layout.rows = layout.spectrogram->rows(layout.frames);
  }

  const Hdf5Handle dataset(
      H5Dopen2(file.id(), layout.spectrogram ? "spectrogram" : "audio", H5P_DEFAULT), H5Dclose);
  if (!dataset.valid()) throw DamagedTrack(path, "it holds no audio");
  const Hdf5Handle space(H5Dget_space(dataset.id()), H5Sclose);
  const Hdf5Handle type(H5Dget_type(dataset.id()), H5Tclose);
  const Hdf5Handle properties(H5Dget_create_plist(dataset.id()), H5Pclose);
  hsize_t shape[2] = {}, chunk[2] = {};
  if (H5Sget_simple_extent_ndims(space.id()) != 2 ||
      H5Sget_simple_extent_dims(space.id(), shape, nullptr) != 2 ||
      H5Pget_layout(properties.id()) != H5D_CHUNKED ||
      H5Pget_chunk(properties.id(), 2, chunk) != 2 ||
      !HasFilters(properties.id(), layout.compression > 0) ||
      H5Tequal(type.id(), StoredType(layout.sample_type).id()) <= 0) {
    throw DamagedTrack(path, "the audio is not laid out as the format says");
  }
  layout.group_columns = static_cast<int>(std::min<hsize_t>(chunk[1], kMostColumns));
  layout.groups =
      static_cast<int>(std::min<hsize_t>(shape[1], kMostColumns)) / layout.group_columns;
  layout.chunk_frames = static_cast<std::int64_t>(chunk[0]);
  const std::uint64_t chunks = (shape[0] + chunk[0] - 1) / chunk[0] * layout.groups;
  if (layout.frames <= 0 || shape[0] != static_cast<hsize_t>(layout.rows) || shape[1] == 0 ||
      shape[1] > kMostColumns || shape[1] % chunk[1] != 0 || !(layout.scale > 0) ||
      layout.hashes.size() != chunks) {
    throw DamagedTrack(path, "its parts contradict each other");
  }
  layout.offsets.assign(chunks, kSilentChunk);
  if (layout.compression > 0) layout.sizes.resize(chunks);
  if (!CollectChunks(dataset.id(), space.id(), layout))
    throw DamagedTrack(path, "its chunks cannot be found");
  CheckSilentChunks(layout, path);
  return layout;
}

namespace {

std::vector<float> LevelsOf(hid_t file, const std::filesystem::path& path) {
  if (H5Lexists(file, "levels_db", H5P_DEFAULT) <= 0) {
    throw Error::Input("the track of the cache holds no levels: an older stemsmith wrote it",
                       path.string(), "delete this file and prepare the cache again");
  }
  return ReadFloatsDataset(file, "levels_db", path);
}

// As far as the checksum covers it.
TrackFormat FormatOf(hid_t file, const TrackLayout& layout, const std::filesystem::path& path) {
  TrackFormat format;
  const auto stems = nlohmann::json::parse(ReadStringAttribute(file, "stems", path), nullptr,
                                           /*allow_exceptions=*/false);
  for (const auto& stem : stems)
    if (stem.is_string()) format.stems.push_back(stem.get<std::string>());
  format.sample_rate_hz = static_cast<int>(ReadIntegerAttribute(file, "sample_rate_hz", path));
  format.channels = static_cast<int>(ReadIntegerAttribute(file, "channels", path));
  format.sample_type = layout.sample_type;
  format.scale = layout.scale;
  format.spectrogram = layout.spectrogram;
  return format;
}

}  // namespace

TrackRecord ReadTrackRecord(const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle file = OpenHdf5File(path, "track of the cache");
  CheckHdf5Format(file.id(), kTrackFormatName, kCacheFormatVersion, path);
  TrackRecord record;
  record.frames = ReadIntegerAttribute(file.id(), "frames", path);
  record.bytes = std::filesystem::file_size(path);
  record.sample_type = CacheSampleTypeOf(ReadStringAttribute(file.id(), "sample_type", path), path);
  record.compression = CompressionOf(file.id(), path);
  record.rms_db = ReadNumbersAttribute(file.id(), "rms_db", path);
  if (H5Aexists(file.id(), "loudness_lufs") > 0)
    record.loudness_lufs = ReadNumbersAttribute(file.id(), "loudness_lufs", path);
  record.checksum = ReadStringAttribute(file.id(), "checksum", path);
  if (H5Lexists(file.id(), "levels_db", H5P_DEFAULT) > 0)
    record.levels_hash = HashLevels(LevelsOf(file.id(), path));
  record.recipe_hash = ReadStringAttribute(file.id(), "recipe_hash", path);
  const nlohmann::json sources = ParseJson(ReadTextDataset(file.id(), "sources", path));
  if (!sources.is_array()) throw DamagedTrack(path, "its list of sources cannot be read");
  for (const nlohmann::json& source : sources) {
    record.sources.push_back(
        SourceFile::FromJson(JsonFields(source, [&](const std::string& problem) {
          return DamagedTrack(path, "in its list of sources " + problem);
        })));
  }
  if (H5Aexists(file.id(), "record_hash") > 0 &&
      ReadStringAttribute(file.id(), "record_hash", path) != RecordHash(record)) {
    throw DamagedTrack(path, "what it says of itself is not what was written");
  }
  const TrackLayout layout = ReadTrackLayout(path);
  if (TrackChecksum(FormatOf(file.id(), layout, path), layout.frames, layout.hashes) !=
      record.checksum) {
    throw DamagedTrack(path, "its hashes of the audio are not what was written");
  }
  return record;
}

std::vector<float> ReadTrackLevels(const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle file = OpenHdf5File(path, "track of the cache");
  CheckHdf5Format(file.id(), kTrackFormatName, kCacheFormatVersion, path);
  return LevelsOf(file.id(), path);
}

}  // namespace stemsmith
