// Separation of audio files into files of stems.
//
// One Separator belongs to one thread at a time, as its Runtime does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audio/encode.h"
#include "core/visibility.h"
#include "separate/averaged_song.h"
#include "separate/combined_song.h"
#include "separate/runtime.h"
#include "separate/song_separator.h"
#include "separate/stem_mix.h"
#include "separate/stem_stream.h"

namespace stemsmith {

// What becomes of samples above full scale.
enum class Clipping {
  kDefault,  // kClamp in formats of integers, else kNone
  kNone,     // they stay; integers cannot hold them
  kClamp,    // full scale takes their place
  // All files of a song are made quieter alike, as much as the loudest needs; they still add up.
  // Until a song's end is known, its stems lie on the disk as float.
  kRescale,
};

struct SeparatorOptions {
  DecodeOptions decode;
  StemStreamOptions stream;         // but for its stems
  StemChoice files;                 // of each song
  PassOptions passes;               // how often a model separates it
  EnsembleOptions ensemble;         // how the results of several models become one
  int wiener = 0;                   // iterations of RefineByWiener(), before anything is mixed
  bool mixture_consistent = false;  // MakeConsistent(), before anything is mixed; not with kRescale
  Clipping clipping = Clipping::kDefault;
  EncodeOptions encoding;
  bool tags = true;  // those of the song, and its cover, go into the files; see SeparateFile()
  // A folder in which stems grow until all of a song are complete; empty: each song's own, or the
  // one above that is there already. With one for all songs, whatever a killed process left there
  // is found by the next.
  std::filesystem::path growing_in;
};

// In a file of many streams, behind the song itself: players know no other number.
inline constexpr std::size_t kStemsOfOneFile = 4;

struct SeparatedSong {
  std::vector<std::filesystem::path> files;  // in the order of Separator::names()
  std::filesystem::path folder;              // that holds them all
  std::int64_t frames = 0;  // of the song; as many come back from the stems at its rate
  int sample_rate_hz = 0;
  int stems_rate_hz = 0;  // differs where the format lacks the song's
  int channels = 0;
  std::int64_t clipped_samples = 0;  // of all stems
  double gain = 1;                   // of all files, with Clipping::kRescale
  std::vector<Damage> damage;        // of the input, concealed or without lost time
  std::string stream_choice;         // StreamChoiceText of the input where none was asked for
};

class STEMSMITH_PUBLIC Separator {
 public:
  // Called while a song is worked on. `total` is -1 where the length is not known. May throw to
  // stop: then nothing is left of the song.
  using Observer = std::function<void(std::int64_t done, std::int64_t total, int sample_rate_hz)>;

  // Begins a song: its audio, and the file that it comes from.
  using OpenSong = std::function<std::unique_ptr<SongSeparator>(std::unique_ptr<AudioReader> input,
                                                                const std::filesystem::path& file)>;

  // By a model. `runtime` must outlive this. Throws Error::Usage for files that the model cannot
  // give (FilesOf), an overlap out of range, and what their format has not (CheckEncodeOptions).
  Separator(Runtime& runtime, const SeparatorOptions& options);
  // By several, which must outlive this too. Their sample rates are the same, and their stems, but
  // where options.files names stems that all give.
  Separator(const std::vector<Runtime*>& models, const SeparatorOptions& options);
  // By another method, whose songs have these stems. options.stream, options.passes and
  // options.ensemble do not count.
  Separator(const std::vector<std::string>& all_stems, OpenSong open, SeparatorOptions options);

  // The stems of a model with these that songs need: for RuntimeOptions::wanted. Throws as FilesOf.
  static std::vector<std::string> StemsNeeded(const SeparatorOptions& options,
                                              const std::vector<std::string>& all_stems);

  const std::vector<std::string>& names() const { return names_; }  // of a song's files

  // The files of a song whose stems belong into `folder`, in the order of names(): NAME.ENDING
  // each, or for all of them `folder` with the ending of a format of many streams.
  std::vector<std::filesystem::path> Targets(const std::filesystem::path& folder) const;

  // Writes Targets(folder), each at the input's rate (or the next that the format has), channels
  // and length. A file of many streams begins with the song itself, named `mixture`. The stems
  // appear together when all are complete; older files of those names are replaced, others stay.
  // Titles among the tags get the stem's name behind them: "Song (vocals)". Throws Error, also
  // where the song has changed meanwhile: then it is still being written.
  SeparatedSong SeparateFile(const std::filesystem::path& input,
                             const std::filesystem::path& folder, const Observer& observer = {});
  // The same into other files, in the order of names(); for a format of many streams all the same.
  SeparatedSong SeparateInto(const std::filesystem::path& input,
                             std::vector<std::filesystem::path> files,
                             const Observer& observer = {});

  // Gives the only stem, interleaved [T, C], as it is computed, instead of writing it. `begin`
  // hears first what comes. Not with Clipping::kRescale.
  using Hear = std::function<void(const AudioInfo& info)>;
  using Take = std::function<void(const float* interleaved, std::size_t frames)>;
  SeparatedSong SeparateTo(const std::filesystem::path& input, const Hear& begin, const Take& take,
                           const Observer& observer = {});

 private:
  // What Clipping::kDefault means, and what the format cannot.
  void CheckClipping();
  // A song whose stems are those of names() and perhaps others; fills in what is known of it.
  std::unique_ptr<SongSeparator> Begin(const std::filesystem::path& input,
                                       SeparatedSong& song) const;
  // SeparateInto(), which calls `check` before the files appear.
  SeparatedSong Write(const std::filesystem::path& input, std::vector<std::filesystem::path> files,
                      const Observer& observer, const std::function<void()>& check) const;
  // Reads it to its end.
  void Read(SongSeparator& stream, const std::filesystem::path& input, bool clamp,
            const std::function<void(const std::vector<std::vector<float>>& stems,
                                     std::size_t frames)>& take,
            const Observer& observer, SeparatedSong& song) const;

  SeparatorOptions options_;
  bool clamp_ = false;          // samples, before they are written
  std::vector<StemMix> mixes_;  // of each file
  std::vector<std::string> names_;
  OpenSong open_;
};

}  // namespace stemsmith
