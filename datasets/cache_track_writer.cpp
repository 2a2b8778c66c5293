#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "datasets/cache_track.h"
#include "datasets/cache_track_file.h"
#include "datasets/chunk_writer.h"
#include "datasets/sample_encoding.h"

namespace stemsmith {
namespace {

double RmsDb(double square_sum, double count) {
  if (square_sum <= 0 || count <= 0) return kLowestRmsDb;
  return std::max(kLowestRmsDb, 10.0 * std::log10(square_sum / count));
}

}  // namespace

struct TrackWriter::Impl {
  Impl(const std::filesystem::path& path, const TrackFormat& given)
      : output(path),
        format(given),
        columns(given.columns()),
        audio(output, "audio", given.sample_type, columns,
              ChunkFrames(columns * CacheSampleBytes(given.sample_type))) {
    if (format.scale <= 0) format.scale = CacheSampleStep(format.sample_type);
    square_sums.resize(columns);
    second_begins.resize(columns);
  }

  void Encode(const float* interleaved, std::size_t frames);
  void EndSecond();
  void WriteMetadata(const TrackRecord& record);

  Hdf5Output output;
  TrackFormat format;
  int columns;
  ChunkWriter audio;
  std::vector<double> square_sums;  // per column
  // The second that is being filled: the sums where it began, and its frames so far.
  std::vector<double> second_begins;
  int second_frames = 0;
  std::vector<float> levels_db;   // [seconds, S]
  float lowest = 0, highest = 0;  // sample
};

void TrackWriter::Impl::Encode(const float* interleaved, std::size_t count) {
  const std::size_t samples = count * columns;
  const float factor = static_cast<float>(1.0 / format.scale);
  switch (format.sample_type) {
    case CacheSampleType::kInt16:
      EncodeInt16(interleaved, samples, factor, reinterpret_cast<std::int16_t*>(audio.next()));
      break;
    case CacheSampleType::kFloat16:
      EncodeHalf(interleaved, samples, factor, reinterpret_cast<std::uint16_t*>(audio.next()));
      break;
    case CacheSampleType::kFloat32:
      std::memcpy(audio.next(), interleaved, samples * sizeof(float));
      break;
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

void TrackWriter::Impl::WriteMetadata(const TrackRecord& record) {
  Hdf5Lock lock;
  nlohmann::json sources = nlohmann::json::array();
  for (const SourceFile& source : record.sources) sources.push_back(source.ToJson());
  WriteAttribute(output.id(), "format", std::string(kTrackFormatName));
  WriteAttribute(output.id(), "version", TrackFormatVersionFor(format.sample_type));
  WriteAttribute(output.id(), "stems", nlohmann::json(format.stems).dump());
  WriteAttribute(output.id(), "sample_rate_hz", std::int64_t{format.sample_rate_hz});
  WriteAttribute(output.id(), "channels", std::int64_t{format.channels});
  WriteAttribute(output.id(), "frames", record.frames);
  WriteAttribute(output.id(), "sample_type", std::string(CacheSampleTypeName(format.sample_type)));
  WriteAttribute(output.id(), "scale", std::vector<double>{format.scale});
  WriteAttribute(output.id(), "rms_db", record.rms_db);
  WriteAttribute(output.id(), "checksum", record.checksum);
  WriteAttribute(output.id(), "recipe_hash", record.recipe_hash);
  WriteNumbersDataset(output.id(), "chunk_hashes", audio.hashes());
  WriteFloatsDataset(output.id(), "levels_db", levels_db);
  WriteTextDataset(output.id(), "sources", sources.dump());
}

TrackWriter::TrackWriter(const std::filesystem::path& path, const TrackFormat& format)
    : impl_(std::make_unique<Impl>(path, format)) {}

TrackWriter::~TrackWriter() = default;

void TrackWriter::Write(const float* interleaved, std::size_t frames) {
  while (frames > 0) {
    const std::size_t count = std::min(frames, static_cast<std::size_t>(impl_->audio.room()));
    impl_->Encode(interleaved, count);
    impl_->audio.Advance(static_cast<std::int64_t>(count));
    interleaved += count * impl_->columns;
    frames -= count;
  }
}

float TrackWriter::peak() const { return std::max(-impl_->lowest, impl_->highest); }
bool TrackWriter::clipped() const {
  const double step = impl_->format.scale;
  switch (impl_->format.sample_type) {
    case CacheSampleType::kInt16:
      return impl_->lowest < -32768.5 * step || impl_->highest > 32767.5 * step;
    case CacheSampleType::kFloat16:
      return peak() > (kLargestHalf + 8) * step;  // up to there they round to the largest
    case CacheSampleType::kFloat32:
      break;
  }
  return false;
}

TrackRecord TrackWriter::Finish(const std::string& recipe_hash,
                                const std::vector<SourceFile>& sources) {
  Impl& impl = *impl_;
  impl.audio.Finish();
  if (impl.second_frames > 0) impl.EndSecond();
  if (impl.audio.rows() == 0) {
    throw Error::Input("the track holds no audio", impl.output.target().string());
  }
  TrackRecord record;
  record.frames = impl.audio.rows();
  record.sample_type = impl.format.sample_type;
  record.recipe_hash = recipe_hash;
  record.sources = sources;
  const int channels = impl.format.channels;
  for (auto sum = impl.square_sums.begin(); sum != impl.square_sums.end(); sum += channels) {
    record.rms_db.push_back(RmsDb(std::accumulate(sum, sum + channels, 0.0),
                                  static_cast<double>(impl.audio.rows()) * channels));
  }
  const std::string shape = nlohmann::json{impl.format.stems,
                                           impl.format.sample_rate_hz,
                                           impl.format.channels,
                                           impl.audio.rows(),
                                           CacheSampleTypeName(impl.format.sample_type),
                                           impl.format.scale}
                                .dump();
  const std::uint64_t audio_hash = HashBytes(
      {reinterpret_cast<const char*>(impl.audio.hashes().data()), impl.audio.hashes().size() * 8});
  record.checksum = HexHash(HashBytes(shape, audio_hash));
  try {
    impl.WriteMetadata(record);
  } catch (const Error&) {
    throw impl.output.WriteFailed();
  }
  if (!impl.output.Flush()) throw impl.output.WriteFailed();
  impl.audio.Close();
  impl.output.Commit();
  record.bytes = std::filesystem::file_size(impl.output.target());
  return record;
}

}  // namespace stemsmith
