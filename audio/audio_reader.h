// A stream of blocks of audio: what is asked of one, and what it gives.
//
// A reader belongs to one thread at a time; different readers are independent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audio/audio.h"
#include "core/visibility.h"

namespace stemsmith {

// One audio stream of a file.
struct AudioStreamInfo {
  int channels = 0;
  int sample_rate_hz = 0;
  std::string title;        // as the container names it ("Vocals"); empty where it does not
  std::string language;     // ISO 639-2 ("eng"); empty where the container does not say
  bool is_default = false;  // marked as the one to play
};

struct AudioInfo {
  int sample_rate_hz = 0;
  int channels = 0;  // of what Read() gives, in WAVE's order (FL FR FC LFE BL BR …)
  // WAVE's speaker bits of these channels (docs/decoding.md); 0 where the file does not say, and
  // where several streams are read at once.
  std::uint32_t channel_mask = 0;
  std::int64_t frames = -1;  // length; -1 where the container does not say exactly
  std::int64_t expected_frames =
      -1;  // = frames, or an estimate for progress bars; -1 where there is none
  std::vector<AudioStreamInfo> streams;  // all audio streams of the file; one at least
  int stream = 0;                        // the one that is read, or the first of several
  int bits = 16;       // 16 or 24 for integer sources, 32 for float and for lossy codecs
  std::string format;  // "wav", "flac", "mp3", "mp4", …
};

// The stream that the file marks as default: of several such, and where none is marked, the one of
// most channels, and of these the first. ffmpeg chooses so, too.
inline constexpr int kDefaultStream = -1;

// What to do where audio inside a file is damaged (docs/decoding.md).
enum class OnDamage {
  kFail,     // Error with file and time
  kConceal,  // silence of the lost length at its place, listed in AudioReader::damage()
};

struct DecodeOptions {
  int stream = kDefaultStream;  // which audio stream, counted from 0
  std::string language;         // the first stream of this language, where `stream` is the default
  // All streams at once, their channels one after another (decoded in one pass).
  bool all_streams = false;
  std::vector<int> streams;  // the same of these streams, in this order; empty: as above
  OnDamage on_damage = OnDamage::kFail;
};

// A place where audio was lost and silence stands instead.
struct Damage {
  double begin_seconds = 0;
  // What was lost; 0: nothing, a decoder only complained; -1: what follows, nobody knows how much.
  double seconds = 0;
  std::string what;  // "Header missing"
};
// "damaged at 5.90 s, 0.05 s are silent instead: Header missing"; where no time was lost, "may
// sound wrong at 5.90 s: …".
STEMSMITH_PUBLIC std::string DamageText(const Damage& place);
// The same of all places, at most three of them by name; empty where there are none.
STEMSMITH_PUBLIC std::string DamageText(const std::vector<Damage>& places);

class STEMSMITH_PUBLIC AudioReader {
 public:
  virtual ~AudioReader() = default;
  virtual const AudioInfo& info() const = 0;
  // Reads up to `frames` frames, interleaved [T, C], into `out`; returns how many, 0 only at the
  // end. Throws Error where the file is damaged, and where a sample is NaN or infinite (names the
  // second).
  virtual std::size_t Read(float* out, std::size_t frames) = 0;
  // Back to the first frame.
  virtual void Rewind() = 0;
  // What has been concealed so far (OnDamage::kConceal), in time.
  virtual std::vector<Damage> damage() const { return {}; }
};

// All of it, planar. For short files and tests; long work uses blocks.
STEMSMITH_PUBLIC AudioBuffer ReadAll(AudioReader& reader);

}  // namespace stemsmith
