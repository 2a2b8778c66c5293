#include "datasets/cache.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>

#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
#include "datasets/cache_index.h"

namespace stemsmith {
namespace {

// More open files make little difference; a process may have 1024 in all by default.
constexpr std::size_t kMostOpenFiles = 128;

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (number_ < 0) {
      throw Error::System("cannot open a track of the cache", path.string(),
                          "prepare the cache again");
    }
  }
  ~Descriptor() { close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

// The files used last stay open. A file that falls out closes when its last reader is done with it.
class DescriptorPool {
 public:
  std::shared_ptr<const Descriptor> Get(std::size_t track, const std::filesystem::path& path) {
    const std::lock_guard guard(mutex_);
    if (const auto found = places_.find(track); found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().second;
    }
    entries_.emplace_front(track, std::make_shared<const Descriptor>(path));
    places_[track] = entries_.begin();
    if (entries_.size() > kMostOpenFiles) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entries_.front().second;
  }

 private:
  using Entry = std::pair<std::size_t, std::shared_ptr<const Descriptor>>;
  std::mutex mutex_;
  std::list<Entry> entries_;
  std::unordered_map<std::size_t, std::list<Entry>::iterator> places_;
};

// A track file once it was opened: where its chunks lie, and which of them were found undamaged.
struct OpenTrack {
  explicit OpenTrack(TrackLayout given)
      : layout(std::move(given)), verified(layout.offsets.size()) {}
  TrackLayout layout;
  std::vector<std::atomic<bool>> verified;
};

// Columns [first, first + count) of `frames` frames, [T, W] → planar rows that are `row` samples
// apart.
template <typename Sample>
void ConvertColumns(const Sample* in, int columns, int first, int count, std::int64_t frames,
                    float scale, float* out, std::int64_t row) {
  // Blocks that stay in the first-level cache while each column of them is picked.
  constexpr std::int64_t kBlock = 512;
  for (std::int64_t begin = 0; begin < frames; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, frames - begin);
    for (int c = 0; c < count; ++c) {
      const Sample* from = in + begin * columns + first + c;
      float* to = out + c * row + begin;
      for (std::int64_t t = 0; t < n; ++t) {
        to[t] = static_cast<float>(from[t * columns]) * scale;
      }
    }
  }
}

}  // namespace

struct CacheReader::Impl {
  std::filesystem::path path;
  CacheIndex index;
  std::vector<CachedTrack> tracks;
  std::string fingerprint;
  std::unique_ptr<std::once_flag[]> opened;
  std::vector<std::unique_ptr<OpenTrack>> open_tracks;
  DescriptorPool descriptors;

  std::filesystem::path FileOf(std::size_t track) const {
    return path.parent_path() / index.tracks[track].file;
  }
  std::string PrepareAdvice() const {
    return index.command.empty() ? "build the cache again" : "run again: " + index.command;
  }
  void CheckTrackFiles() const;
  void CheckSources() const;
  OpenTrack& Open(std::size_t track);
  void ReadColumns(std::size_t track, int first, int count, std::int64_t start, std::int64_t frames,
                   float* out);
  const char* ReadChunk(OpenTrack& open, std::size_t track, int descriptor, std::int64_t chunk,
                        std::int64_t skip, std::int64_t count);
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

OpenTrack& CacheReader::Impl::Open(std::size_t track) {
  std::call_once(opened[track], [&] {
    const std::filesystem::path file = FileOf(track);
    auto open = std::make_unique<OpenTrack>(ReadTrackLayout(file));
    const TrackRecord& record = index.tracks[track];
    if (open->layout.checksum != record.checksum || open->layout.frames != record.frames ||
        open->layout.columns != static_cast<int>(index.stems.size()) * index.channels) {
      throw Error::Input("a track of the cache does not belong to its index", file.string(),
                         PrepareAdvice());
    }
    open_tracks[track] = std::move(open);
  });
  return *open_tracks[track];
}

const char* CacheReader::Impl::ReadChunk(OpenTrack& open, std::size_t track, int descriptor,
                                         std::int64_t chunk, std::int64_t skip,
                                         std::int64_t count) {
  const TrackLayout& layout = open.layout;
  const std::size_t width = layout.bytes_per_frame();
  // The first reading of a chunk takes all of it and compares its hash; later ones only what they
  // need.
  const bool whole = !open.verified[chunk].load(std::memory_order_relaxed);
  const std::int64_t from = whole ? 0 : skip;
  const std::size_t bytes = (whole ? layout.chunk_frames : count) * width;

  thread_local std::vector<char> buffer;
  if (buffer.size() < bytes) buffer.resize(bytes);
  const auto damaged = [&](const std::string& what) {
    const double second = static_cast<double>(chunk * layout.chunk_frames) / index.sample_rate_hz;
    char position[64];
    std::snprintf(position, sizeof position, " at %.1f s", second);
    return Error::Input(what,
                        FileOf(track).string() + ", song \"" + tracks[track].name + "\"" + position,
                        "delete this file, then " + PrepareAdvice());
  };
  std::size_t done = 0;
  const std::uint64_t place = layout.offsets[chunk] + from * width;
  while (done < bytes) {
    const ssize_t got =
        pread(descriptor, buffer.data() + done, bytes - done, static_cast<off_t>(place + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw damaged(std::string("cannot read the cache: ") + std::strerror(errno));
    if (got == 0) throw damaged("a track of the cache is cut off");
    done += static_cast<std::size_t>(got);
  }
  if (whole) {
    if (HashBytes({buffer.data(), bytes}) != layout.hashes[chunk]) {
      throw damaged("a chunk of the cache is damaged");
    }
    open.verified[chunk].store(true, std::memory_order_relaxed);
  }
  return buffer.data() + (skip - from) * width;
}

void CacheReader::Impl::ReadColumns(std::size_t track, int first, int count, std::int64_t start,
                                    std::int64_t frames, float* out) {
  OpenTrack& open = Open(track);
  const TrackLayout& layout = open.layout;
  const auto silence = [&](std::int64_t from, std::int64_t n) {
    for (int c = 0; c < count; ++c) std::fill_n(out + c * frames + from, n, 0.0f);
  };
  const std::int64_t begin = std::clamp<std::int64_t>(start, 0, layout.frames);
  const std::int64_t end = std::clamp<std::int64_t>(start + frames, begin, layout.frames);
  if (begin >= end) return silence(0, frames);
  silence(0, begin - start);
  silence(end - start, start + frames - end);

  const auto descriptor = descriptors.Get(track, FileOf(track));
  for (std::int64_t at = begin; at < end;) {
    const std::int64_t chunk = at / layout.chunk_frames;
    const std::int64_t skip = at % layout.chunk_frames;
    const std::int64_t n = std::min(layout.chunk_frames - skip, end - at);
    if (layout.offsets[chunk] == kSilentChunk) {
      silence(at - start, n);
    } else {
      const char* bytes = ReadChunk(open, track, descriptor->number(), chunk, skip, n);
      float* to = out + (at - start);
      if (layout.sample_type == CacheSampleType::kInt16) {
        ConvertColumns(reinterpret_cast<const std::int16_t*>(bytes), layout.columns, first, count,
                       n, static_cast<float>(layout.scale), to, frames);
      } else {
        ConvertColumns(reinterpret_cast<const float*>(bytes), layout.columns, first, count, n, 1.0f,
                       to, frames);
      }
    }
    at += n;
  }
}

CacheReader::CacheReader(const std::filesystem::path& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  impl_->index = ReadCacheIndex(path);
  const CacheIndex& index = impl_->index;
  impl_->fingerprint = index.Fingerprint();
  for (const TrackRecord& record : index.tracks) {
    impl_->tracks.push_back({record.name, record.split, record.frames, record.rms_db});
  }
  impl_->CheckTrackFiles();
  impl_->CheckSources();
  impl_->opened = std::make_unique<std::once_flag[]>(index.tracks.size());
  impl_->open_tracks.resize(index.tracks.size());
}

CacheReader::~CacheReader() = default;

const std::vector<std::string>& CacheReader::stems() const { return impl_->index.stems; }
int CacheReader::sample_rate_hz() const { return impl_->index.sample_rate_hz; }
int CacheReader::channels() const { return impl_->index.channels; }
const std::vector<CachedTrack>& CacheReader::tracks() const { return impl_->tracks; }
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
  const int first = static_cast<int>(stem) * channels();
  impl_->ReadColumns(track, first, channels(), start, frames, out);
}

void CacheReader::ReadStems(std::size_t track, std::int64_t start, std::int64_t frames,
                            float* out) const {
  const int columns = static_cast<int>(stems().size()) * channels();
  impl_->ReadColumns(track, 0, columns, start, frames, out);
}

}  // namespace stemsmith
