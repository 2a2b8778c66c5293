#include "datasets/cache/track_format.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/files.h"
#include "datasets/cache/sample_encoding.h"

namespace stemsmith {
namespace {

constexpr std::int64_t kMostFrames = std::int64_t{1} << 40;  // months of audio

}  // namespace

Error DamagedTrack(const std::filesystem::path& path, const std::string& what) {
  return Error::Input("the track of the cache is damaged: " + what, path.string(),
                      "delete this file and prepare the cache again");
}

const char* CacheSampleTypeName(CacheSampleType type) {
  switch (type) {
    case CacheSampleType::kInt16:
      return "int16";
    case CacheSampleType::kFloat16:
      return "float16";
    case CacheSampleType::kFloat32:
      break;
  }
  return "float32";
}

CacheSampleType CacheSampleTypeOf(const std::string& name, const std::filesystem::path& path) {
  for (const CacheSampleType type :
       {CacheSampleType::kInt16, CacheSampleType::kFloat16, CacheSampleType::kFloat32}) {
    if (name == CacheSampleTypeName(type)) return type;
  }
  throw DamagedTrack(path, "unknown sample type \"" + name + "\"");
}

std::size_t CacheSampleBytes(CacheSampleType type) {
  return type == CacheSampleType::kFloat32 ? 4 : 2;
}

double CacheSampleStep(CacheSampleType type) {
  return type == CacheSampleType::kInt16 ? kInt16Step : 1.0;
}

double CacheLargestSample(CacheSampleType type) {
  switch (type) {
    case CacheSampleType::kInt16:
      return 32767.0;
    case CacheSampleType::kFloat16:
      return kLargestHalf;
    case CacheSampleType::kFloat32:
      break;
  }
  return std::numeric_limits<float>::max();
}

std::int64_t ChunkFrames(std::size_t bytes_per_frame) {
  constexpr std::size_t kLargestChunkBytes = std::size_t{256} << 10;
  constexpr std::size_t kFewestFrames = 16;
  const std::size_t most = std::max(kLargestChunkBytes / bytes_per_frame, kFewestFrames);
  return static_cast<std::int64_t>(std::bit_floor(most));
}

std::string TrackChecksum(const TrackFormat& format, std::int64_t frames,
                          const std::vector<std::uint64_t>& chunk_hashes) {
  nlohmann::json shape = {format.stems,
                          format.sample_rate_hz,
                          format.channels,
                          frames,
                          CacheSampleTypeName(format.sample_type),
                          format.scale};
  if (format.spectrogram) shape.push_back(ToJson(*format.spectrogram));
  const std::uint64_t audio =
      HashBytes({reinterpret_cast<const char*>(chunk_hashes.data()), chunk_hashes.size() * 8});
  return HexHash(HashBytes(shape.dump(), audio));
}

std::string HashLevels(const std::vector<float>& levels_db) {
  return HexHash(HashBytes(
      {reinterpret_cast<const char*>(levels_db.data()), levels_db.size() * sizeof(float)}));
}

std::string RecordHash(const TrackRecord& record) {
  nlohmann::json json = record.ToJson();
  for (const char* of_the_index : {"name", "split", "file", "bytes"}) json.erase(of_the_index);
  return HexHash(HashBytes(json.dump()));
}

nlohmann::json TrackRecord::ToJson() const {
  nlohmann::json source_list = nlohmann::json::array();
  for (const SourceFile& source : sources) source_list.push_back(source.ToJson());
  nlohmann::json json = {{"name", name},
                         {"split", split},
                         {"file", file},
                         {"frames", frames},
                         {"bytes", bytes},
                         {"sample_type", CacheSampleTypeName(sample_type)},
                         {"compression", compression},
                         {"rms_db", rms_db},
                         {"checksum", checksum},
                         {"recipe_hash", recipe_hash},
                         {"sources", source_list}};
  if (!levels_hash.empty()) json["levels_hash"] = levels_hash;
  if (!loudness_lufs.empty()) json["loudness_lufs"] = loudness_lufs;
  return json;
}

TrackRecord TrackRecord::FromJson(const JsonFields& fields) {
  TrackRecord record;
  record.name = fields.Text("name");
  record.split = fields.Text("split");
  record.file = fields.Text("file");
  record.frames = fields.Number<std::int64_t>("frames", {1, kMostFrames});
  record.bytes = fields.Number<std::uint64_t>("bytes");
  record.sample_type = CacheSampleTypeOf(fields.Text("sample_type"), record.file);
  record.compression = fields.Number<int>("compression", {0, 9}, 0);
  record.rms_db = fields.Numbers<double>("rms_db");
  if (fields.Has("loudness_lufs")) record.loudness_lufs = fields.Numbers<double>("loudness_lufs");
  record.checksum = fields.Text("checksum");
  record.levels_hash = fields.Text("levels_hash", "");
  record.recipe_hash = fields.Text("recipe_hash");
  fields.ForEach("sources", [&](const JsonFields& source) {
    record.sources.push_back(SourceFile::FromJson(source));
  });
  return record;
}

}  // namespace stemsmith
