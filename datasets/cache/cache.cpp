#include "datasets/cache/cache.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/host.h"
#include "core/option.h"
#include "core/text.h"
#include "datasets/cache/chunk_codec.h"
#include "datasets/cache/deinterleave.h"
#include "datasets/cache/index.h"
#include "datasets/cache/index_files.h"
#include "datasets/cache/open_files.h"
#include "datasets/cache/track.h"

namespace stemsmith {
namespace {

// A track file once it was opened: where its chunks lie, and of which version of the file
// (OpenFile::Version) each was found undamaged; 0: of none.
struct OpenTrack {
  explicit OpenTrack(TrackLayout given)
      : layout(std::move(given)), verified(layout.offsets.size()) {}
  TrackLayout layout;
  std::vector<std::atomic<std::uint32_t>> verified;
};

// So many bytes of a stem are read and converted at a time: what is read is still in the
// processor's cache when it is converted, and what was converted when the next stem is added to it.
constexpr std::int64_t kPieceBytes = 128 << 10;

// `frames` samples that lie as the track stores them.
void Convert(const TrackLayout& layout, const char* in, std::int64_t frames, Rows rows) {
  switch (layout.sample_type) {
    case CacheSampleType::kInt16:
      rows.factor *= static_cast<float>(layout.scale);
      return Deinterleave(reinterpret_cast<const std::int16_t*>(in), frames, rows);
    case CacheSampleType::kFloat16:
      rows.factor *= static_cast<float>(layout.scale);
      return DeinterleaveHalves(reinterpret_cast<const std::uint16_t*>(in), frames, rows);
    case CacheSampleType::kFloat32:
      return Deinterleave(reinterpret_cast<const float*>(in), frames, rows);
  }
}

void Silence(std::int64_t frames, const Rows& rows) {
  for (float* const row : rows.out) std::fill_n(row, frames, 0.0f);
  if (rows.add_to_sums) return;
  for (float* const row : rows.sums) std::fill_n(row, frames, 0.0f);
}

}  // namespace

struct CacheReader::Impl {
  std::filesystem::path path;
  CacheIndex index;
  std::vector<CachedTrack> tracks;
  std::string fingerprint;
  // Null until the track is read for the first time.
  std::vector<std::atomic<OpenTrack*>> open_tracks;
  std::mutex opening;  // held while one is opened: HDF5 lets in one at a time anyway
  OpenFiles files;

  Impl(const std::filesystem::path& given, const Listener& warn)
      : path(given), index(ReadCacheIndex(given, warn)), open_tracks(index.tracks.size()) {}
  ~Impl() {
    for (const std::atomic<OpenTrack*>& open : open_tracks) delete open.load();
  }

  std::filesystem::path FileOf(std::size_t track) const {
    return path.parent_path() / index.tracks[track].file;
  }
  // All but the sample type and scale.
  TrackFormat FormatOfTracks() const {
    TrackFormat format;
    format.stems = index.stems;
    format.sample_rate_hz = index.sample_rate_hz;
    format.channels = index.channels;
    format.spectrogram = index.spectrogram;
    return format;
  }
  void CheckHoldsAudio() const;
  OpenTrack& Open(std::size_t track);
  // Calls use(bytes, at, count) for rows [start, start + rows) of a group of the track, in order:
  // `count` of them, from number `at` of these on, lie at `bytes`; null where there is silence.
  template <typename Use>
  void ForEachPart(std::size_t track, std::int64_t group, std::int64_t start, std::int64_t rows,
                   const Use& use);
  void ReadGroup(std::size_t track, std::int64_t group, std::int64_t start, std::int64_t rows,
                 float* out);
  const char* ReadChunk(OpenTrack& open, std::size_t track, const OpenFile& file,
                        std::int64_t chunk, std::int64_t skip, std::int64_t count);
};

void CacheReader::Impl::CheckHoldsAudio() const {
  if (!index.spectrogram) return;
  throw Error::Usage("the cache holds spectrograms, not audio", path.string(),
                     "prepare one of audio, without " + Option("spectrogram"));
}

OpenTrack& CacheReader::Impl::Open(std::size_t track) {
  if (OpenTrack* open = open_tracks[track].load(std::memory_order_acquire)) return *open;
  const std::lock_guard guard(opening);
  if (OpenTrack* open = open_tracks[track].load(std::memory_order_relaxed)) return *open;
  const std::filesystem::path file = FileOf(track);
  std::unique_ptr<OpenTrack> open;
  try {
    open = std::make_unique<OpenTrack>(ReadTrackLayout(file));
  } catch (const Error& error) {
    throw DamagedAudio(error);
  }
  const TrackRecord& record = index.tracks[track];
  TrackFormat format = FormatOfTracks();
  format.sample_type = open->layout.sample_type;
  format.scale = open->layout.scale;
  // The checksum that the file states tells one of another cache from a damaged one.
  const bool same = open->layout.checksum == record.checksum;
  if (same && TrackChecksum(format, record.frames, open->layout.hashes) != record.checksum) {
    throw DamagedAudio(
        Error::Input("a track of the cache is damaged: its content does not match "
                     "its checksum",
                     file.string(), "delete this file, then " + PrepareAdvice(index)));
  }
  if (!same || open->layout.frames != record.frames ||
      open->layout.groups != format.stored_groups() ||
      open->layout.group_columns != format.group_columns() ||
      open->layout.spectrogram != index.spectrogram) {
    throw DamagedAudio(Error::Input("a track of the cache does not belong to its index",
                                    file.string(), PrepareAdvice(index)));
  }
  open_tracks[track].store(open.get(), std::memory_order_release);
  return *open.release();
}

const char* CacheReader::Impl::ReadChunk(OpenTrack& open, std::size_t track, const OpenFile& file,
                                         std::int64_t chunk, std::int64_t skip,
                                         std::int64_t count) {
  const TrackLayout& layout = open.layout;
  const std::size_t width = layout.bytes_per_frame();
  // The first reading of a chunk takes all of it and compares its hash; later ones only what they
  // need, as long as nobody wrote to the file.
  const bool packed = layout.compression > 0;
  const std::uint32_t version = file.Version();
  const bool verified = open.verified[chunk].load(std::memory_order_relaxed) == version;
  const bool whole = packed || !verified;
  const std::int64_t from = whole ? 0 : skip;
  const std::size_t bytes = (whole ? layout.chunk_frames : count) * width;

  thread_local std::vector<char> buffer;
  if (buffer.size() < bytes + kDeinterleaveSlackBytes)
    buffer.resize(bytes + kDeinterleaveSlackBytes);
  const auto damaged = [&](const std::string& what) {
    const int step = index.spectrogram ? index.spectrogram->hop : 1;
    const double second = static_cast<double>(chunk / layout.groups * layout.chunk_frames) * step /
                          index.sample_rate_hz;
    return DamagedAudio(Error::Input(what,
                                     FileOf(track).string() + ", song \"" + tracks[track].name +
                                         "\"" + Formatted(" at %.1f s", second),
                                     "delete this file, then " + PrepareAdvice(index)));
  };
  thread_local std::vector<char> packed_buffer;
  std::vector<char>& target = packed ? packed_buffer : buffer;
  const std::size_t stored = packed ? layout.sizes[chunk] : bytes;
  if (target.size() < stored) target.resize(stored);
  const std::string failure =
      file.ReadAt(layout.offsets[chunk] + from * width, {target.data(), stored});
  if (!failure.empty()) throw damaged(failure);
  if (packed && !ExpandChunk({packed_buffer.data(), stored}, CacheSampleBytes(layout.sample_type),
                             {buffer.data(), bytes})) {
    throw damaged("a chunk of the cache is damaged");
  }
  if (verified) {
    // Written to before it was read, and not after.
    if (file.Version() != version) return ReadChunk(open, track, file, chunk, skip, count);
  } else {
    if (HashBytes({buffer.data(), bytes}) != layout.hashes[chunk]) {
      throw damaged("a chunk of the cache is damaged");
    }
    open.verified[chunk].store(version, std::memory_order_relaxed);
  }
  return buffer.data() + (skip - from) * width;
}

template <typename Use>
void CacheReader::Impl::ForEachPart(std::size_t track, std::int64_t group, std::int64_t start,
                                    std::int64_t rows, const Use& use) {
  OpenTrack& open = Open(track);
  const TrackLayout& layout = open.layout;
  const auto file = files.Get(track, FileOf(track));
  for (std::int64_t at = 0, count = 0; at < rows; at += count) {
    const std::int64_t row = start + at;
    if (row < 0 || row >= layout.rows) {
      count = row < 0 ? std::min(-row, rows - at) : rows - at;
      use(nullptr, at, count);
      continue;
    }
    const std::int64_t skip = row % layout.chunk_frames;
    const std::int64_t chunk = row / layout.chunk_frames * layout.groups + group;
    count = std::min({layout.chunk_frames - skip, layout.rows - row, rows - at});
    const bool silent = layout.offsets[chunk] == kSilentChunk;
    use(silent ? nullptr : ReadChunk(open, track, *file, chunk, skip, count), at, count);
  }
}

// Into as many rows as the group has columns, `rows` samples apart.
void CacheReader::Impl::ReadGroup(std::size_t track, std::int64_t group, std::int64_t start,
                                  std::int64_t rows, float* out) {
  const TrackLayout& layout = Open(track).layout;
  std::vector<float*> columns(static_cast<std::size_t>(layout.group_columns));
  ForEachPart(track, group, start, rows,
              [&](const char* bytes, std::int64_t at, std::int64_t count) {
                for (std::size_t c = 0; c < columns.size(); ++c)
                  columns[c] = out + static_cast<std::int64_t>(c) * rows + at;
                if (bytes == nullptr) return Silence(count, {columns});
                Convert(layout, bytes, count, {columns});
              });
}

CacheReader::CacheReader(const std::filesystem::path& path, const Listener& warn)
    : impl_(std::make_unique<Impl>(path, warn)) {
  const CacheIndex& index = impl_->index;
  impl_->fingerprint = index.Fingerprint();
  for (const TrackRecord& record : index.tracks)
    impl_->tracks.push_back({record.name, record.split, record.frames, record.rms_db});
  CheckTrackFiles(impl_->index, impl_->path);
  CheckSources(impl_->index, impl_->path, warn);
}

CacheReader::~CacheReader() = default;

const std::vector<std::string>& CacheReader::stems() const { return impl_->index.stems; }
int CacheReader::sample_rate_hz() const { return impl_->index.sample_rate_hz; }
int CacheReader::channels() const { return impl_->index.channels; }
const std::vector<CachedTrack>& CacheReader::tracks() const { return impl_->tracks; }
const std::optional<SpectrogramFormat>& CacheReader::spectrogram() const {
  return impl_->index.spectrogram;
}
std::string CacheReader::fingerprint() const { return impl_->fingerprint; }

std::vector<std::size_t> CacheReader::TracksOf(const std::string& split) const {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < impl_->tracks.size(); ++i) {
    if (impl_->tracks[i].split == split) numbers.push_back(i);
  }
  return numbers;
}

void CacheReader::ReadStem(std::size_t track, std::size_t stem, std::int64_t start,
                           std::int64_t frames, float* out) const {
  const StemRead read{.track = track, .stem = stem, .start = start, .out = out};
  ReadStems({&read, 1}, frames, frames);
}

void CacheReader::ReadStems(std::size_t track, std::int64_t start, std::int64_t frames,
                            float* out) const {
  std::vector<StemRead> reads(stems().size());
  for (std::size_t s = 0; s < reads.size(); ++s) {
    float* const stem = out + static_cast<std::int64_t>(s) * channels() * frames;
    reads[s] = {.track = track, .stem = s, .start = start, .out = stem};
  }
  ReadStems(reads, frames, frames);
}

void CacheReader::ReadStems(std::span<const StemRead> stems, std::int64_t frames, std::int64_t row,
                            float* sum) const {
  impl_->CheckHoldsAudio();
  const auto columns = static_cast<std::size_t>(channels());
  std::int64_t piece = frames;
  const bool packed = std::any_of(stems.begin(), stems.end(), [&](const StemRead& stem) {
    return impl_->index.tracks[stem.track].compression > 0;
  });
  // A compressed chunk is expanded as a whole: better not for each piece again.
  if (!packed) piece = std::max<std::int64_t>(1, kPieceBytes / (2 * channels()));
  std::vector<float*> out(columns), sums(sum == nullptr ? 0 : columns);
  for (std::int64_t begin = 0; begin < frames; begin += piece) {
    for (std::size_t s = 0; s < stems.size(); ++s) {
      const StemRead& stem = stems[s];
      const TrackLayout& layout = impl_->Open(stem.track).layout;
      impl_->ForEachPart(
          stem.track, static_cast<std::int64_t>(stem.stem), stem.start + begin,
          std::min(piece, frames - begin),
          [&](const char* bytes, std::int64_t at, std::int64_t count) {
            for (std::size_t c = 0; c < columns; ++c) {
              const std::size_t to = stem.swapped && columns > 1 && c < 2 ? 1 - c : c;
              const std::int64_t place = static_cast<std::int64_t>(to) * row + begin + at;
              out[c] = stem.out + place;
              if (sum != nullptr) sums[c] = sum + place;
            }
            const Rows rows{out, stem.factor, sums, /*add_to_sums=*/s > 0};
            bytes == nullptr ? Silence(count, rows) : Convert(layout, bytes, count, rows);
          });
    }
  }
}

void CacheReader::ReadSpectrogram(std::size_t track, std::int64_t first, std::int64_t frames,
                                  float* mix, float* stems) const {
  const SpectrogramFormat& format = impl_->index.spectrogram.value();
  const std::int64_t group_columns = std::int64_t{channels()} * format.bins();
  const auto count = static_cast<std::int64_t>(this->stems().size());
  const std::int64_t row = first + format.lead_rows();
  for (std::int64_t s = 0; s < count; ++s)
    impl_->ReadGroup(track, s, row, frames, stems + s * group_columns * frames);
  impl_->ReadGroup(track, count, row, frames, mix);
}

std::vector<float> CacheReader::ReadLevels(std::size_t track) const {
  const std::filesystem::path file = impl_->FileOf(track);
  std::vector<float> levels;
  try {
    levels = ReadTrackLevels(file);
  } catch (const Error& error) {
    throw DamagedAudio(error);
  }
  const std::int64_t seconds = (tracks()[track].frames + sample_rate_hz() - 1) / sample_rate_hz();
  const std::string& hash = impl_->index.tracks[track].levels_hash;
  if (!hash.empty() && hash != HashLevels(levels)) {
    throw DamagedAudio(
        Error::Input("a track of the cache is damaged: its levels do not match "
                     "their checksum",
                     file.string(), "delete this file, then " + PrepareAdvice(impl_->index)));
  }
  if (levels.size() != static_cast<std::size_t>(seconds) * stems().size()) {
    throw DamagedAudio(Error::Input("a track of the cache does not belong to its index",
                                    file.string(), PrepareAdvice(impl_->index)));
  }
  return levels;
}

std::int64_t CacheReader::table_bytes() const {
  // Of a chunk its place, its hash, and whether it was verified.
  constexpr std::int64_t kPerChunk = 8 + 8 + 4;
  const TrackFormat format = impl_->FormatOfTracks();
  std::int64_t bytes = 0;
  for (const TrackRecord& track : impl_->index.tracks) {
    const std::int64_t chunk_frames =
        ChunkFrames(format.group_columns() * CacheSampleBytes(track.sample_type));
    const std::int64_t rows =
        format.spectrogram ? format.spectrogram->rows(track.frames) : track.frames;
    bytes += kPerChunk * format.stored_groups() * ((rows + chunk_frames - 1) / chunk_frames);
  }
  return bytes;
}

std::int64_t CacheReader::thread_bytes() const {
  const TrackFormat format = impl_->FormatOfTracks();
  std::int64_t most = 0;
  for (const TrackRecord& track : impl_->index.tracks) {
    const std::size_t row = format.group_columns() * CacheSampleBytes(track.sample_type);
    most = std::max(most, ChunkFrames(row) * static_cast<std::int64_t>(row));
  }
  return most;
}

}  // namespace stemsmith
