// The songs that methods are compared on, as files: the targets of a recipe, and the mixture that
// is their sum.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/host.h"
#include "datasets/recipes/recipe.h"
#include "evaluate/compare/choices.h"

namespace stemsmith {

struct PlannedSong {
  Track track;
  TrackMix mix;
};

// A song, or a song by a method, that came to nothing.
struct CompareFailure {
  std::string method;  // empty: the song itself cannot be used
  std::string song;
  Error error;
};

struct SongPlan {
  std::vector<std::string> stems;  // the targets
  std::vector<PlannedSong> songs;  // in the dataset's order
  std::vector<CompareFailure> failures;
  PrepareTrackOptions options;
  std::optional<std::uint64_t> seed;
};

// Finds the songs without decoding them. Throws Error where there are none.
SongPlan PlanSongs(const SongChoice& choice, const Host& host);

struct ComparedSong {
  std::string name;
  std::filesystem::path folder;  // holds mixture.wav and STEM.wav, as float32
  std::string content;           // hash of the stems and all their samples
  std::int64_t frames = 0;
  int sample_rate_hz = 0;
  double seconds() const { return static_cast<double>(frames) / sample_rate_hz; }
};

// Whether a file of a stem is there in the song's length. Looks at its header alone.
bool IsWhole(const std::filesystem::path& file, const ComparedSong& song);

// Writes FOLDER/{mixture,STEM}.wav, all or none, unless they are there as they would be written
// now. `out`: a folder on the same file system, in which they grow. Throws Error for sources that
// cannot be used, and Error::Stopped where the host asks to stop.
ComparedSong MakeComparedSong(const SongPlan& plan, const PlannedSong& song,
                              const std::filesystem::path& folder, const std::filesystem::path& out,
                              const Host& host);

}  // namespace stemsmith
