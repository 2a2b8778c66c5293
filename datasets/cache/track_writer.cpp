#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "audio/loudness_meter.h"
#include "core/decibel.h"
#include "core/error.h"
#include "core/files.h"
#include "core/option.h"
#include "datasets/cache/chunk_writer.h"
#include "datasets/cache/sample_encoding.h"
#include "datasets/cache/spectrogram_stream.h"
#include "datasets/cache/track.h"

namespace stemsmith {
namespace {

double RmsDb(double square_sum, double count) {
  return count > 0 ? PowerToDb(square_sum / count, kLowestRmsDb) : kLowestRmsDb;
}

// Magnitudes reach n_fft / 2 times the peak of the audio: with this step float16 takes peaks of 32.
double FirstScale(const TrackFormat& format) {
  if (!format.spectrogram || format.sample_type != CacheSampleType::kFloat16)
    return CacheSampleStep(format.sample_type);
  return std::max(1.0, format.spectrogram->n_fft / 4096.0);
}

}  // namespace

struct TrackWriter::Impl {
  Impl(const std::filesystem::path& path, const TrackFormat& given)
      : output(path),
        format(given),
        columns(given.columns()),
        stored(output, given.spectrogram ? "spectrogram" : "audio", given.sample_type,
               given.stored_groups(), given.group_columns(), given.compression) {
    if (format.scale <= 0) format.scale = FirstScale(format);
    if (format.spectrogram) {
      spectrogram.emplace(*format.spectrogram, static_cast<int>(format.stems.size()),
                          format.channels, [this](const float* row) { Store(row, 1); });
    }
    if (format.measure_loudness) {
      loudness.emplace(static_cast<int>(format.stems.size()), format.channels,
                       format.sample_rate_hz);
    }
    square_sums.resize(columns);
    second_begins.resize(columns);
  }

  void Store(const float* rows, std::size_t count);
  void Measure(const float* interleaved, std::size_t frames);
  void EndSecond();
  bool Clipped() const;
  void WriteMetadata(const TrackRecord& record);

  Hdf5Output output;
  TrackFormat format;
  int columns;  // of the audio
  ChunkWriter stored;
  std::vector<char> encoded;                     // a block of rows on their way there
  std::optional<SpectrogramStream> spectrogram;  // on the way there
  std::int64_t frames = 0;                       // of audio
  std::vector<double> square_sums;               // per column
  // The second that is being filled: the sums where it began, and its frames so far.
  std::vector<double> second_begins;
  int second_frames = 0;
  std::vector<float> levels_db;   // [seconds, S]
  float lowest = 0, highest = 0;  // of what is stored
  std::optional<LoudnessMeter> loudness;
};

void TrackWriter::Impl::Store(const float* rows, std::size_t count) {
  const auto width = static_cast<std::size_t>(format.stored_columns());
  const float factor = static_cast<float>(1.0 / format.scale);
  // Blocks that stay in the processor's cache.
  const std::size_t block = std::max<std::size_t>(1, 4'096 / width);
  for (std::size_t now = 0; count > 0; rows += now * width, count -= now) {
    now = std::min(count, block);
    const std::size_t samples = now * width;
    encoded.resize(samples * CacheSampleBytes(format.sample_type));
    switch (format.sample_type) {
      case CacheSampleType::kInt16:
        EncodeInt16(rows, samples, factor, reinterpret_cast<std::int16_t*>(encoded.data()));
        break;
      case CacheSampleType::kFloat16:
        EncodeHalf(rows, samples, factor, reinterpret_cast<std::uint16_t*>(encoded.data()));
        break;
      case CacheSampleType::kFloat32:
        std::memcpy(encoded.data(), rows, samples * sizeof(float));
        break;
    }
    WidenRange(rows, samples, lowest, highest);
    stored.Append(encoded.data(), static_cast<std::int64_t>(now));
  }
}

void TrackWriter::Impl::Measure(const float* interleaved, std::size_t count) {
  if (loudness) loudness->Add(interleaved, count);
  frames += static_cast<std::int64_t>(count);
  while (count > 0) {
    const auto left = static_cast<std::size_t>(format.sample_rate_hz - second_frames);
    const std::size_t now = std::min(count, left);
    AddSquares(interleaved, now, square_sums.size(), square_sums.data());
    interleaved += now * square_sums.size();
    count -= now;
    second_frames += static_cast<int>(now);
    if (second_frames == format.sample_rate_hz) EndSecond();
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
  WriteAttribute(output.id(), "version", std::int64_t{kCacheFormatVersion});
  WriteAttribute(output.id(), "stems", nlohmann::json(format.stems).dump());
  WriteAttribute(output.id(), "sample_rate_hz", std::int64_t{format.sample_rate_hz});
  WriteAttribute(output.id(), "channels", std::int64_t{format.channels});
  WriteAttribute(output.id(), "frames", record.frames);
  WriteAttribute(output.id(), "sample_type", std::string(CacheSampleTypeName(format.sample_type)));
  WriteAttribute(output.id(), "scale", std::vector<double>{format.scale});
  if (format.spectrogram)
    WriteAttribute(output.id(), "spectrogram", ToJson(*format.spectrogram).dump());
  if (format.compression > 0)
    WriteAttribute(output.id(), "compression", std::int64_t{format.compression});
  WriteAttribute(output.id(), "rms_db", record.rms_db);
  if (!record.loudness_lufs.empty())
    WriteAttribute(output.id(), "loudness_lufs", record.loudness_lufs);
  WriteAttribute(output.id(), "checksum", record.checksum);
  WriteAttribute(output.id(), "recipe_hash", record.recipe_hash);
  WriteAttribute(output.id(), "record_hash", RecordHash(record));
  WriteNumbersDataset(output.id(), "chunk_hashes", stored.hashes());
  WriteFloatsDataset(output.id(), "levels_db", levels_db);
  WriteTextDataset(output.id(), "sources", sources.dump());
}

TrackWriter::TrackWriter(const std::filesystem::path& path, const TrackFormat& format)
    : impl_(std::make_unique<Impl>(path, format)) {}

TrackWriter::~TrackWriter() = default;

void TrackWriter::Write(const float* interleaved, std::size_t frames) {
  impl_->Measure(interleaved, frames);
  if (!impl_->spectrogram) {
    impl_->Store(interleaved, frames);
    return;
  }
  impl_->spectrogram->Write(interleaved, frames);
  if (impl_->Clipped()) {
    throw Error::Input("the spectrogram is too loud for float16", impl_->output.target().string(),
                       "store it with " + Option("format", "float32"));
  }
}

float TrackWriter::peak() const { return std::max(-impl_->lowest, impl_->highest); }
bool TrackWriter::clipped() const { return impl_->Clipped(); }

bool TrackWriter::Impl::Clipped() const {
  const double step = format.scale;
  switch (format.sample_type) {
    case CacheSampleType::kInt16:
      return lowest < -32768.5 * step || highest > 32767.5 * step;
    case CacheSampleType::kFloat16:
      // Up to there they round to the largest.
      return std::max(-lowest, highest) > (kLargestHalf + 8) * step;
    case CacheSampleType::kFloat32:
      break;
  }
  return false;
}

TrackRecord TrackWriter::Finish(const std::string& recipe_hash,
                                const std::vector<SourceFile>& sources) {
  Impl& impl = *impl_;
  if (impl.frames > 0 && impl.spectrogram) impl.spectrogram->Finish();
  impl.stored.Finish();
  if (impl.second_frames > 0) impl.EndSecond();
  if (impl.frames == 0) {
    throw Error::Input("the track holds no audio", impl.output.target().string());
  }
  TrackRecord record;
  record.frames = impl.frames;
  record.sample_type = impl.format.sample_type;
  record.compression = impl.format.compression;
  record.recipe_hash = recipe_hash;
  record.sources = sources;
  const int channels = impl.format.channels;
  for (auto sum = impl.square_sums.begin(); sum != impl.square_sums.end(); sum += channels) {
    record.rms_db.push_back(RmsDb(std::accumulate(sum, sum + channels, 0.0),
                                  static_cast<double>(impl.frames) * channels));
  }
  if (impl.loudness) record.loudness_lufs = impl.loudness->Measure(kLowestRmsDb);
  record.checksum = TrackChecksum(impl.format, impl.frames, impl.stored.hashes());
  record.levels_hash = HashLevels(impl.levels_db);
  try {
    impl.WriteMetadata(record);
  } catch (const Error&) {
    throw impl.output.WriteFailed();
  }
  if (!impl.output.Flush()) throw impl.output.WriteFailed();
  impl.stored.Close();
  impl.output.Commit();
  record.bytes = std::filesystem::file_size(impl.output.target());
  return record;
}

}  // namespace stemsmith
