#include "datasets/cache.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
#include "datasets/cache_index.h"
#include "datasets/chunk_codec.h"
#include "datasets/deinterleave.h"
#include "datasets/open_files.h"

namespace stemsmith {
namespace {

// A track file once it was opened: where its chunks lie, and which of them were found undamaged.
struct OpenTrack {
  explicit OpenTrack(TrackLayout given)
      : layout(std::move(given)), verified(layout.offsets.size()) {}
  TrackLayout layout;
  std::vector<std::atomic<bool>> verified;
};

// So much is read and converted at a time: what is read is still in the processor's cache when it
// is converted.
constexpr std::size_t kPieceBytes = 128 << 10;
// As many samples of a row fill a line of the processor's cache.
constexpr std::int64_t kFewestPieceFrames = 16;

// Neighbouring columns that are read from one place.
struct Run {
  int first = 0;           // column
  std::int64_t start = 0;  // of the rows, may lie outside the track
  std::vector<ColumnTarget> targets;
  std::vector<float*> sums;         // as Deinterleave
  std::int64_t begin = 0, end = 0;  // frames of the track
};

// Frames [from, to) of the track.
void Silence(const Run& run, std::int64_t from, std::int64_t to) {
  if (from >= to) return;
  const auto clear = [&](float* row) {
    std::fill(row + (from - run.start), row + (to - run.start), 0.0f);
  };
  for (const ColumnTarget& target : run.targets) clear(target.out);
  for (float* const sum : run.sums) clear(sum);
}

// `count` columns into rows that lie `row` apart.
Run PlainRun(int first, int count, std::int64_t start, float* out, std::int64_t row) {
  Run run{.first = first, .start = start};
  for (int c = 0; c < count; ++c) run.targets.push_back({out + c * row});
  return run;
}

// The run's rows from frame `from` of them on, times `scale`.
std::vector<ColumnTarget> TargetsAt(const Run& run, std::int64_t from, float scale) {
  std::vector<ColumnTarget> targets = run.targets;
  for (ColumnTarget& target : targets) {
    target.out += from;
    target.factor *= scale;
  }
  return targets;
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

  explicit Impl(const std::filesystem::path& given)
      : path(given), index(ReadCacheIndex(given)), open_tracks(index.tracks.size()) {}
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
  std::string PrepareAdvice() const {
    return index.command.empty() ? "build the cache again" : "run again: " + index.command;
  }
  void CheckTrackFiles() const;
  void CheckSources() const;
  void CheckHoldsAudio() const;
  OpenTrack& Open(std::size_t track);
  void ReadRuns(std::size_t track, std::span<Run> runs, std::int64_t frames);
  void ReadPiece(OpenTrack& open, std::size_t track, const OpenFile& file, std::int64_t begin,
                 std::int64_t end, std::span<const Run> runs);
  const char* ReadChunk(OpenTrack& open, std::size_t track, const OpenFile& file,
                        std::int64_t chunk, std::int64_t skip, std::int64_t count);
};

void CacheReader::Impl::CheckTrackFiles() const {
  for (std::size_t i = 0; i < index.tracks.size(); ++i) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(FileOf(i), error);
    if (error) {
      throw Error::Input("a track of the cache is missing", FileOf(i).string(), PrepareAdvice());
    }
    if (bytes != index.tracks[i].bytes) {
      throw Error::Input("a track of the cache is cut off or was replaced (" +
                             std::to_string(bytes) + " bytes instead of " +
                             std::to_string(index.tracks[i].bytes) + ")",
                         FileOf(i).string(), PrepareAdvice());
    }
  }
}

void CacheReader::Impl::CheckSources() const {
  std::error_code ignored;
  if (index.root.empty() || !std::filesystem::is_directory(index.root, ignored)) return;
  std::size_t touched = 0;
  for (const TrackRecord& track : index.tracks) {
    for (const SourceFile& source : track.sources) {
      const SourceState state = CompareSource(index.root, source);
      if (state == SourceState::kChanged) {
        throw Error::Input("the cache is stale: \"" + source.path + "\" of song \"" + track.name +
                               "\" changed after it was prepared",
                           path.string(), PrepareAdvice());
      }
      touched += state == SourceState::kTouched;
    }
  }
  if (touched > 0) {
    Warn(std::to_string(touched) + " source files of " + path.string() +
         " have new times but the same content; " + PrepareAdvice() +
         " (it only updates the times, and opening the cache is fast again)");
  }
}

void CacheReader::Impl::CheckHoldsAudio() const {
  if (!index.spectrogram) return;
  throw Error::Usage("the cache holds spectrograms, not audio", path.string(),
                     "prepare one of audio, without --spectrogram");
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
  if (open->layout.checksum != record.checksum || open->layout.frames != record.frames ||
      open->layout.columns != FormatOfTracks().stored_columns() ||
      open->layout.spectrogram != index.spectrogram) {
    throw DamagedAudio(Error::Input("a track of the cache does not belong to its index",
                                    file.string(), PrepareAdvice()));
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
  // need.
  const bool packed = layout.compression > 0;
  const bool verified = open.verified[chunk].load(std::memory_order_relaxed);
  const bool whole = packed || !verified;
  const std::int64_t from = whole ? 0 : skip;
  const std::size_t bytes = (whole ? layout.chunk_frames : count) * width;

  thread_local std::vector<char> buffer;
  if (buffer.size() < bytes + kDeinterleaveSlackBytes)
    buffer.resize(bytes + kDeinterleaveSlackBytes);
  const auto damaged = [&](const std::string& what) {
    const int step = index.spectrogram ? index.spectrogram->hop : 1;
    const double second =
        static_cast<double>(chunk * layout.chunk_frames) * step / index.sample_rate_hz;
    char position[64];
    std::snprintf(position, sizeof position, " at %.1f s", second);
    return DamagedAudio(Error::Input(
        what, FileOf(track).string() + ", song \"" + tracks[track].name + "\"" + position,
        "delete this file, then " + PrepareAdvice()));
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
  if (!verified) {
    if (HashBytes({buffer.data(), bytes}) != layout.hashes[chunk]) {
      throw damaged("a chunk of the cache is damaged");
    }
    open.verified[chunk].store(true, std::memory_order_relaxed);
  }
  return buffer.data() + (skip - from) * width;
}

void CacheReader::Impl::ReadRuns(std::size_t track, std::span<Run> runs, std::int64_t frames) {
  OpenTrack& open = Open(track);
  const TrackLayout& layout = open.layout;
  std::int64_t first = layout.rows, end = 0;
  for (Run& run : runs) {
    run.begin = std::clamp<std::int64_t>(run.start, 0, layout.rows);
    run.end = std::clamp<std::int64_t>(run.start + frames, run.begin, layout.rows);
    if (run.begin >= run.end) {
      run.begin = run.end = run.start + frames;
      Silence(run, run.start, run.end);
      continue;
    }
    Silence(run, run.start, run.begin);
    Silence(run, run.end, run.start + frames);
    first = std::min(first, run.begin);
    end = std::max(end, run.end);
  }
  if (first >= end) return;
  const auto file = files.Get(track, FileOf(track));
  const auto piece_frames = static_cast<std::int64_t>(kPieceBytes / layout.bytes_per_frame());
  for (std::int64_t at = first, stop = at; at < end; at = stop) {
    const std::int64_t chunk = at / layout.chunk_frames;
    stop = std::min((chunk + 1) * layout.chunk_frames, end);
    if (open.verified[chunk].load(std::memory_order_relaxed))
      stop = std::min(stop, at + std::max<std::int64_t>(piece_frames, kFewestPieceFrames));
    ReadPiece(open, track, *file, at, stop, runs);
  }
}

// Frames [begin, end) of the track, which lie in one chunk.
void CacheReader::Impl::ReadPiece(OpenTrack& open, std::size_t track, const OpenFile& file,
                                  std::int64_t begin, std::int64_t end, std::span<const Run> runs) {
  const TrackLayout& layout = open.layout;
  const std::int64_t chunk = begin / layout.chunk_frames;
  const std::int64_t chunk_begin = chunk * layout.chunk_frames;
  // What is needed of it: from `low` to `high`, in parts of so many frames together.
  std::int64_t low = end, high = begin, together = 0;
  const auto part = [&](const Run& run) {
    return std::pair{std::max(run.begin, begin), std::min(run.end, end)};
  };
  for (const Run& run : runs) {
    const auto [from, to] = part(run);
    if (from >= to) continue;
    low = std::min(low, from);
    high = std::max(high, to);
    together += to - from;
  }
  if (low >= high) return;
  if (layout.offsets[chunk] == kSilentChunk) {
    for (const Run& run : runs) Silence(run, part(run).first, part(run).second);
    return;
  }
  // One read for all runs, unless that takes in more than it saves. Compressed chunks are expanded
  // as a whole anyway.
  const bool once = high - low <= together || layout.compression > 0;
  const char* bytes = nullptr;
  if (once) bytes = ReadChunk(open, track, file, chunk, low - chunk_begin, high - low);
  for (const Run& run : runs) {
    const auto [from, to] = part(run);
    if (from >= to) continue;
    const char* in = once ? bytes + (from - low) * layout.bytes_per_frame()
                          : ReadChunk(open, track, file, chunk, from - chunk_begin, to - from);
    const float scale =
        layout.sample_type == CacheSampleType::kFloat32 ? 1.0f : static_cast<float>(layout.scale);
    const std::vector<ColumnTarget> targets = TargetsAt(run, from - run.start, scale);
    std::vector<float*> sums = run.sums;
    for (float*& sum : sums) sum += from - run.start;
    if (layout.sample_type == CacheSampleType::kInt16) {
      Deinterleave(reinterpret_cast<const std::int16_t*>(in), layout.columns, run.first, targets,
                   to - from, sums);
    } else if (layout.sample_type == CacheSampleType::kFloat16) {
      DeinterleaveHalves(reinterpret_cast<const std::uint16_t*>(in), layout.columns, run.first,
                         targets, to - from, sums);
    } else {
      Deinterleave(reinterpret_cast<const float*>(in), layout.columns, run.first, targets,
                   to - from, sums);
    }
  }
}

CacheReader::CacheReader(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {
  const CacheIndex& index = impl_->index;
  impl_->fingerprint = index.Fingerprint();
  for (const TrackRecord& record : index.tracks) {
    impl_->tracks.push_back({record.name, record.split, record.frames, record.rms_db});
  }
  impl_->CheckTrackFiles();
  impl_->CheckSources();
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
  impl_->CheckHoldsAudio();
  Run run = PlainRun(static_cast<int>(stem) * channels(), channels(), start, out, frames);
  impl_->ReadRuns(track, {&run, 1}, frames);
}

void CacheReader::ReadStems(std::size_t track, std::int64_t start, std::int64_t frames,
                            float* out) const {
  impl_->CheckHoldsAudio();
  Run run = PlainRun(0, static_cast<int>(stems().size()) * channels(), start, out, frames);
  impl_->ReadRuns(track, {&run, 1}, frames);
}

bool CacheReader::ReadStems(std::size_t track, std::span<const StemRead> stems, std::int64_t frames,
                            std::int64_t row, float* sum) const {
  impl_->CheckHoldsAudio();
  std::vector<Run> runs;
  for (const StemRead& stem : stems) {
    const int first = static_cast<int>(stem.stem) * channels();
    const bool goes_on = !runs.empty() && runs.back().start == stem.start &&
                         runs.back().first + static_cast<int>(runs.back().targets.size()) == first;
    Run& run = goes_on ? runs.back() : runs.emplace_back(Run{.first = first, .start = stem.start});
    for (int c = 0; c < channels(); ++c) {
      const int channel = stem.swapped && channels() > 1 && c < 2 ? 1 - c : c;
      run.targets.push_back({stem.out + channel * row, stem.factor, channel});
    }
  }
  const bool sums = sum != nullptr && runs.size() == 1 && channels() <= kMostSummedChannels;
  for (int c = 0; sums && c < channels(); ++c) runs[0].sums.push_back(sum + c * row);
  impl_->ReadRuns(track, runs, frames);
  return sums;
}

void CacheReader::ReadSpectrogram(std::size_t track, std::int64_t first, std::int64_t frames,
                                  float* mix, float* stems) const {
  const SpectrogramFormat& format = impl_->index.spectrogram.value();
  const int mix_columns = channels() * format.bins();
  const int stem_columns = static_cast<int>(this->stems().size()) * mix_columns;
  const std::int64_t row = first + format.lead_rows();
  Run runs[] = {PlainRun(0, stem_columns, row, stems, frames),
                PlainRun(stem_columns, mix_columns, row, mix, frames)};
  impl_->ReadRuns(track, runs, frames);
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
  if (levels.size() != static_cast<std::size_t>(seconds) * stems().size()) {
    throw DamagedAudio(Error::Input("a track of the cache does not belong to its index",
                                    file.string(), impl_->PrepareAdvice()));
  }
  return levels;
}

std::int64_t CacheReader::table_bytes() const {
  // Of a chunk its place, its hash, and whether it was verified.
  constexpr std::int64_t kPerChunk = 8 + 8 + 1;
  const TrackFormat format = impl_->FormatOfTracks();
  std::int64_t bytes = 0;
  for (const TrackRecord& track : impl_->index.tracks) {
    const std::int64_t chunk_frames =
        ChunkFrames(format.stored_columns() * CacheSampleBytes(track.sample_type));
    const std::int64_t rows =
        format.spectrogram ? format.spectrogram->rows(track.frames) : track.frames;
    bytes += kPerChunk * ((rows + chunk_frames - 1) / chunk_frames);
  }
  return bytes;
}

std::int64_t CacheReader::thread_bytes() const {
  const TrackFormat format = impl_->FormatOfTracks();
  std::int64_t most = 0;
  for (const TrackRecord& track : impl_->index.tracks) {
    const std::size_t row = format.stored_columns() * CacheSampleBytes(track.sample_type);
    most = std::max(most, ChunkFrames(row) * static_cast<std::int64_t>(row));
  }
  return most;
}

}  // namespace stemsmith
