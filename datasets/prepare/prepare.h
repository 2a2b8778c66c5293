// `stemsmith prepare`: folders of audio → the cache. docs/cache_format.md says what is kept, redone
// and removed when a cache is prepared again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/host.h"
#include "datasets/prepare/options.h"
#include "datasets/readers/track.h"

namespace stemsmith {

struct PrepareOptions {
  std::string kind = "folders";  // row of the reader table
  ReaderOptions reader;          // where the songs lie
  std::filesystem::path out;     // the index, cache.h5
  std::filesystem::path recipe;  // empty: every source stem is a target
  int sample_rate_hz = 44100;
  int channels = 0;  // 0: two, or one where the recipe takes one channel of the sources
  CacheFormat format = CacheFormat::kAuto;
  int compression = 0;  // as in TrackFormat
  TrimOptions trim;
  std::optional<SpectrogramFormat> spectrogram;  // stored instead of audio; not as int16
  OnDamage on_damage = OnDamage::kFail;
  PrepareShard shard;
  int threads = 0;  // songs decoded side by side; 0: one per core
  Host host;
};

struct SongFailure {
  std::string song;
  Error error;
};

struct PrepareResult {
  std::size_t made = 0, kept = 0, removed = 0;
  std::vector<SongFailure> failures;  // by song
  std::vector<std::string> notes;     // on files of the songs that were prepared
  std::size_t shorter = 0;            // songs shorter than the excerpt asked for: kept whole
  double hours = 0;                   // of audio in the cache, or of the shard's songs
  double bytes = 0;                   // of its track files
  // False for shards, and when no song could be used; an older cache is then untouched.
  bool wrote_index = false;
  int interrupted = 0;  // the signal that stopped it: finished songs are kept, no new index
};

// Songs that fail are told to the host and left out of the index. Throws Error
// when nothing can be done at all: no songs, recipe wrong, disk full, another prepare at work,
// `out` is something else.
PrepareResult PrepareCache(const PrepareOptions& options);

// The command that prepares the same cache again; stale caches advise it.
std::string PrepareCommandLine(const PrepareOptions& options);

}  // namespace stemsmith
