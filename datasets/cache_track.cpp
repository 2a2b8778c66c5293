#include "datasets/cache_track.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "datasets/hdf5_file.h"

namespace stemsmith {
namespace {

static_assert(std::endian::native == std::endian::little,
              "chunks are written as they lie in memory");

constexpr char kFormatName[] = "stemsmith-track";
constexpr std::size_t kLargestChunkBytes = std::size_t{512} << 10;

hid_t StoredType(CacheSampleType type) {
  return type == CacheSampleType::kInt16 ? H5T_STD_I16LE : H5T_IEEE_F32LE;
}

bool AllZero(const std::vector<char>& bytes) {
  return bytes.front() == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

Error Damaged(const std::filesystem::path& path, const std::string& what) {
  return Error::Input("the track of the cache is damaged: " + what, path.string(),
                      "delete this file and prepare the cache again");
}

double RmsDb(double square_sum, double count) {
  if (square_sum <= 0 || count <= 0) return kLowestRmsDb;
  return std::max(kLowestRmsDb, 10.0 * std::log10(square_sum / count));
}

CacheSampleType SampleTypeOf(const std::string& name, const std::filesystem::path& path) {
  if (name == "int16") return CacheSampleType::kInt16;
  if (name == "float32") return CacheSampleType::kFloat32;
  throw Damaged(path, "unknown sample type \"" + name + "\"");
}

// The loops below are written for the compiler to vectorise without -ffast-math.

// Adding and taking away 1.5 · 2^23 rounds a float of this size to the nearest integer.
void RoundToInt16(const float* in, std::size_t count, float factor, std::int16_t* out) {
  constexpr float kRound = 12'582'912.0f;
  for (std::size_t i = 0; i < count; ++i) {
    float steps = in[i] * factor;
    steps = steps < 32767.0f ? steps : 32767.0f;
    steps = steps > -32768.0f ? steps : -32768.0f;
    out[i] = static_cast<std::int16_t>(static_cast<std::int32_t>((steps + kRound) - kRound));
  }
}

// Floats as integers of the same order, and back: negative ones have their magnitude's bits
// flipped.
std::int32_t OrderedBits(std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7FFFFFFF); }

// Widens [lowest, highest] to hold all samples.
void WidenRange(const float* in, std::size_t count, float& lowest, float& highest) {
  std::int32_t low = OrderedBits(std::bit_cast<std::int32_t>(lowest));
  std::int32_t high = OrderedBits(std::bit_cast<std::int32_t>(highest));
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t value = OrderedBits(std::bit_cast<std::int32_t>(in[i]));
    low = value < low ? value : low;
    high = value > high ? value : high;
  }
  lowest = std::bit_cast<float>(OrderedBits(low));
  highest = std::bit_cast<float>(OrderedBits(high));
}

}  // namespace

const char* CacheSampleTypeName(CacheSampleType type) {
  return type == CacheSampleType::kInt16 ? "int16" : "float32";
}

std::size_t CacheSampleBytes(CacheSampleType type) {
  return type == CacheSampleType::kInt16 ? 2 : 4;
}

std::int64_t ChunkFrames(std::size_t bytes_per_frame) {
  const std::size_t most = std::max<std::size_t>(kLargestChunkBytes / bytes_per_frame, 1);
  return static_cast<std::int64_t>(std::bit_floor(most));
}

nlohmann::json TrackRecord::ToJson() const {
  nlohmann::json source_list = nlohmann::json::array();
  for (const SourceFile& source : sources) source_list.push_back(source.ToJson());
  return {{"name", name},
          {"split", split},
          {"file", file},
          {"frames", frames},
          {"bytes", bytes},
          {"sample_type", CacheSampleTypeName(sample_type)},
          {"rms_db", rms_db},
          {"checksum", checksum},
          {"recipe_hash", recipe_hash},
          {"sources", source_list}};
}

TrackRecord TrackRecord::FromJson(const nlohmann::json& json) {
  TrackRecord record;
  json.at("name").get_to(record.name);
  json.at("split").get_to(record.split);
  json.at("file").get_to(record.file);
  json.at("frames").get_to(record.frames);
  json.at("bytes").get_to(record.bytes);
  record.sample_type = SampleTypeOf(json.at("sample_type").get<std::string>(), record.file);
  json.at("rms_db").get_to(record.rms_db);
  json.at("checksum").get_to(record.checksum);
  json.at("recipe_hash").get_to(record.recipe_hash);
  for (const auto& source : json.at("sources"))
    record.sources.push_back(SourceFile::FromJson(source));
  return record;
}

struct TrackWriter::Impl {
  Impl(const std::filesystem::path& path, const TrackFormat& format)
      : output(path), format(format), columns(format.columns()) {
    chunk_frames = ChunkFrames(columns * CacheSampleBytes(format.sample_type));
    chunk.resize(chunk_frames * columns * CacheSampleBytes(format.sample_type));
    square_sums.resize(columns);
    second_begins.resize(columns);
  }

  ~Impl() {
    if (!output.Flush()) dataset.Abandon();
  }

  void Create();
  void Encode(const float* interleaved, std::size_t frames);
  void EndSecond();
  void WriteChunk();
  void WriteMetadata(const TrackRecord& record);

  Hdf5Output output;
  TrackFormat format;
  int columns;
  std::int64_t chunk_frames;
  Hdf5Handle dataset;
  std::vector<char> chunk;  // the chunk that is being filled, as it will lie in the file
  std::int64_t filled = 0;  // frames in it
  std::int64_t frames = 0;  // frames in finished chunks
  std::vector<std::uint64_t> hashes;
  std::vector<double> square_sums;  // per column
  // The second that is being filled: the sums where it began, and its frames so far.
  std::vector<double> second_begins;
  int second_frames = 0;
  std::vector<float> levels_db;   // [seconds, S]
  float lowest = 0, highest = 0;  // sample
};

void TrackWriter::Impl::Create() {
  Hdf5Lock lock;
  // The length is not known before the end, so the dataset grows; chunks take room when they are
  // written.
  const hsize_t none[2] = {0, static_cast<hsize_t>(columns)};
  const hsize_t endless[2] = {H5S_UNLIMITED, static_cast<hsize_t>(columns)};
  const hsize_t chunk_shape[2] = {static_cast<hsize_t>(chunk_frames),
                                  static_cast<hsize_t>(columns)};
  const Hdf5Handle space(H5Screate_simple(2, none, endless), H5Sclose);
  const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_chunk(properties.id(), 2, chunk_shape);
  H5Pset_obj_track_times(properties.id(), false);
  dataset = Hdf5Handle(H5Dcreate2(output.id(), "audio", StoredType(format.sample_type), space.id(),
                                  H5P_DEFAULT, properties.id(), H5P_DEFAULT),
                       H5Dclose);
  if (!dataset.valid()) throw output.WriteFailed();
}

void TrackWriter::Impl::Encode(const float* interleaved, std::size_t count) {
  const std::size_t samples = count * columns;
  char* out = chunk.data() + filled * columns * CacheSampleBytes(format.sample_type);
  if (format.sample_type == CacheSampleType::kFloat32) {
    std::memcpy(out, interleaved, samples * sizeof(float));
  } else {
    RoundToInt16(interleaved, samples, static_cast<float>(1.0 / format.scale),
                 reinterpret_cast<std::int16_t*>(out));
  }
  WidenRange(interleaved, samples, lowest, highest);
  for (std::size_t t = 0; t < count; ++t) {
    const float* frame = interleaved + t * columns;
    for (int c = 0; c < columns; ++c) square_sums[c] += double{frame[c]} * frame[c];
    if (++second_frames == format.sample_rate_hz) EndSecond();
  }
}

void TrackWriter::Impl::EndSecond() {
  for (int c = 0; c < columns; c += format.channels) {
    double sum = 0;
    for (int k = c; k < c + format.channels; ++k)
      sum += square_sums[k] - std::exchange(second_begins[k], square_sums[k]);
    levels_db.push_back(
        static_cast<float>(RmsDb(sum, static_cast<double>(second_frames) * format.channels)));
  }
  second_frames = 0;
}

void TrackWriter::Impl::WriteChunk() {
  const std::size_t used = filled * columns * CacheSampleBytes(format.sample_type);
  std::fill(chunk.begin() + static_cast<std::ptrdiff_t>(used), chunk.end(), 0);
  const bool silent = AllZero(chunk);
  hashes.push_back(HashBytes({chunk.data(), chunk.size()}));
  const hsize_t offset[2] = {static_cast<hsize_t>(frames), 0};
  frames += filled;
  filled = 0;
  const hsize_t shape[2] = {static_cast<hsize_t>(frames), static_cast<hsize_t>(columns)};
  Hdf5Lock lock;
  if (H5Dset_extent(dataset.id(), shape) < 0 ||
      // A chunk of silence takes no room: what was never written reads as zero.
      (!silent &&
       H5Dwrite_chunk(dataset.id(), H5P_DEFAULT, 0, offset, chunk.size(), chunk.data()) < 0)) {
    throw output.WriteFailed();
  }
}

void TrackWriter::Impl::WriteMetadata(const TrackRecord& record) {
  Hdf5Lock lock;
  nlohmann::json sources = nlohmann::json::array();
  for (const SourceFile& source : record.sources) sources.push_back(source.ToJson());
  WriteAttribute(output.id(), "format", std::string(kFormatName));
  WriteAttribute(output.id(), "version", std::int64_t{kTrackFormatVersion});
  WriteAttribute(output.id(), "stems", nlohmann::json(format.stems).dump());
  WriteAttribute(output.id(), "sample_rate_hz", std::int64_t{format.sample_rate_hz});
  WriteAttribute(output.id(), "channels", std::int64_t{format.channels});
  WriteAttribute(output.id(), "frames", record.frames);
  WriteAttribute(output.id(), "sample_type", std::string(CacheSampleTypeName(format.sample_type)));
  WriteAttribute(
      output.id(), "scale",
      std::vector<double>{format.sample_type == CacheSampleType::kInt16 ? format.scale : 1.0});
  WriteAttribute(output.id(), "rms_db", record.rms_db);
  WriteAttribute(output.id(), "checksum", record.checksum);
  WriteAttribute(output.id(), "recipe_hash", record.recipe_hash);
  WriteNumbersDataset(output.id(), "chunk_hashes", hashes);
  WriteFloatsDataset(output.id(), "levels_db", levels_db);
  WriteTextDataset(output.id(), "sources", sources.dump());
}

TrackWriter::TrackWriter(const std::filesystem::path& path, const TrackFormat& format)
    : impl_(std::make_unique<Impl>(path, format)) {
  impl_->Create();
}

TrackWriter::~TrackWriter() = default;

void TrackWriter::Write(const float* interleaved, std::size_t frames) {
  while (frames > 0) {
    const std::size_t room = static_cast<std::size_t>(impl_->chunk_frames - impl_->filled);
    const std::size_t count = std::min(frames, room);
    impl_->Encode(interleaved, count);
    impl_->filled += static_cast<std::int64_t>(count);
    if (impl_->filled == impl_->chunk_frames) impl_->WriteChunk();
    interleaved += count * impl_->columns;
    frames -= count;
  }
}

float TrackWriter::peak() const { return std::max(-impl_->lowest, impl_->highest); }
bool TrackWriter::clipped() const {
  const double step = impl_->format.scale;
  return impl_->format.sample_type == CacheSampleType::kInt16 &&
         (impl_->lowest < -32768.5 * step || impl_->highest > 32767.5 * step);
}

TrackRecord TrackWriter::Finish(const std::string& recipe_hash,
                                const std::vector<SourceFile>& sources) {
  Impl& impl = *impl_;
  if (impl.filled > 0) impl.WriteChunk();
  if (impl.second_frames > 0) impl.EndSecond();
  if (impl.frames == 0) {
    throw Error::Input("the track holds no audio", impl.output.target().string());
  }
  TrackRecord record;
  record.frames = impl.frames;
  record.sample_type = impl.format.sample_type;
  record.recipe_hash = recipe_hash;
  record.sources = sources;
  const int channels = impl.format.channels;
  for (auto sum = impl.square_sums.begin(); sum != impl.square_sums.end(); sum += channels) {
    record.rms_db.push_back(RmsDb(std::accumulate(sum, sum + channels, 0.0),
                                  static_cast<double>(impl.frames) * channels));
  }
  const std::string shape = nlohmann::json{impl.format.stems,
                                           impl.format.sample_rate_hz,
                                           impl.format.channels,
                                           impl.frames,
                                           CacheSampleTypeName(impl.format.sample_type),
                                           impl.format.scale}
                                .dump();
  const std::uint64_t audio_hash =
      HashBytes({reinterpret_cast<const char*>(impl.hashes.data()), impl.hashes.size() * 8});
  record.checksum = HexHash(HashBytes(shape, audio_hash));
  try {
    impl.WriteMetadata(record);
  } catch (const Error&) {
    throw impl.output.WriteFailed();
  }
  if (!impl.output.Flush()) throw impl.output.WriteFailed();
  impl.dataset.Close();
  impl.output.Commit();
  record.bytes = std::filesystem::file_size(impl.output.target());
  return record;
}

namespace {

// Older releases of the iteration give offsets in chunks instead of frames.
#if H5_VERSION_GE(1, 14, 3)
int CollectChunk(const hsize_t* offset, unsigned, haddr_t address, hsize_t size, void* data) {
  auto& layout = *static_cast<TrackLayout*>(data);
  const std::size_t k = offset[0] / static_cast<hsize_t>(layout.chunk_frames);
  if (k >= layout.offsets.size() || size != layout.chunk_frames * layout.bytes_per_frame())
    return -1;
  layout.offsets[k] = address;
  return 0;
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
    unsigned filters = 0;
    haddr_t address = HADDR_UNDEF;
    if (H5Dget_chunk_info(dataset, space, i, offset, &filters, &address, &size) < 0) return false;
    const std::size_t k = offset[0] / static_cast<hsize_t>(layout.chunk_frames);
    if (address == HADDR_UNDEF) continue;
    if (k >= layout.offsets.size() || size != layout.chunk_frames * layout.bytes_per_frame())
      return false;
    layout.offsets[k] = address;
  }
  return true;
}
#endif

}  // namespace

TrackLayout ReadTrackLayout(const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle file = OpenHdf5File(path, "track of the cache");
  CheckHdf5Format(file.id(), kFormatName, kTrackFormatVersion, path);
  TrackLayout layout;
  layout.frames = ReadIntegerAttribute(file.id(), "frames", path);
  layout.sample_type = SampleTypeOf(ReadStringAttribute(file.id(), "sample_type", path), path);
  const std::vector<double> scale = ReadNumbersAttribute(file.id(), "scale", path);
  layout.scale = scale.size() == 1 ? scale[0] : 0;
  layout.checksum = ReadStringAttribute(file.id(), "checksum", path);
  layout.hashes = ReadNumbersDataset(file.id(), "chunk_hashes", path);

  const Hdf5Handle dataset(H5Dopen2(file.id(), "audio", H5P_DEFAULT), H5Dclose);
  if (!dataset.valid()) throw Damaged(path, "it holds no audio");
  const Hdf5Handle space(H5Dget_space(dataset.id()), H5Sclose);
  const Hdf5Handle type(H5Dget_type(dataset.id()), H5Tclose);
  const Hdf5Handle properties(H5Dget_create_plist(dataset.id()), H5Pclose);
  hsize_t shape[2] = {}, chunk[2] = {};
  if (H5Sget_simple_extent_ndims(space.id()) != 2 ||
      H5Sget_simple_extent_dims(space.id(), shape, nullptr) != 2 ||
      H5Pget_layout(properties.id()) != H5D_CHUNKED ||
      H5Pget_chunk(properties.id(), 2, chunk) != 2 || H5Pget_nfilters(properties.id()) != 0 ||
      H5Tequal(type.id(), StoredType(layout.sample_type)) <= 0) {
    throw Damaged(path, "the audio is not laid out as the format says");
  }
  layout.columns = static_cast<int>(std::min<hsize_t>(shape[1], 1 << 20));
  layout.chunk_frames = static_cast<std::int64_t>(chunk[0]);
  const std::uint64_t chunks = (shape[0] + chunk[0] - 1) / chunk[0];
  if (layout.frames <= 0 || shape[0] != static_cast<hsize_t>(layout.frames) ||
      chunk[1] != shape[1] || shape[1] == 0 || !(layout.scale > 0) ||
      layout.hashes.size() != chunks) {
    throw Damaged(path, "its parts contradict each other");
  }
  layout.offsets.assign(chunks, kSilentChunk);
  if (!CollectChunks(dataset.id(), space.id(), layout))
    throw Damaged(path, "its chunks cannot be found");
  return layout;
}

TrackRecord ReadTrackRecord(const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle file = OpenHdf5File(path, "track of the cache");
  CheckHdf5Format(file.id(), kFormatName, kTrackFormatVersion, path);
  TrackRecord record;
  record.frames = ReadIntegerAttribute(file.id(), "frames", path);
  record.bytes = std::filesystem::file_size(path);
  record.sample_type = SampleTypeOf(ReadStringAttribute(file.id(), "sample_type", path), path);
  record.rms_db = ReadNumbersAttribute(file.id(), "rms_db", path);
  record.checksum = ReadStringAttribute(file.id(), "checksum", path);
  record.recipe_hash = ReadStringAttribute(file.id(), "recipe_hash", path);
  try {
    for (const auto& source : nlohmann::json::parse(ReadTextDataset(file.id(), "sources", path))) {
      record.sources.push_back(SourceFile::FromJson(source));
    }
  } catch (const nlohmann::json::exception&) {
    throw Damaged(path, "its list of sources cannot be read");
  }
  return record;
}

std::vector<float> ReadTrackLevels(const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle file = OpenHdf5File(path, "track of the cache");
  CheckHdf5Format(file.id(), kFormatName, kTrackFormatVersion, path);
  if (H5Lexists(file.id(), "levels_db", H5P_DEFAULT) <= 0) {
    throw Error::Input("the track of the cache holds no levels: an older stemsmith wrote it",
                       path.string(), "delete this file and prepare the cache again");
  }
  return ReadFloatsDataset(file.id(), "levels_db", path);
}

}  // namespace stemsmith
