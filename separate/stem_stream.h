// Separation by a model as a stream: one audio reader in, all stems out, block by block. Whatever
// is separated goes through here: files, a stream of a plug-in, songs that training is judged by.
//
// Whatever the model's rate and channels, every stem has the input's rate, channels and length, to
// the frame. Memory is bound by the segment, not by the length of the input. One thread at a time;
// no files, no terminal: this is what a plug-in or a server uses.
//
// Channels. An input with the model's channels is separated as it is. A narrower one is spread over
// the model's channels (mono to both sides of a stereo model) and the result mixed back. A wider
// one is taken apart into groups of the model's width (5.1 through a stereo model: channels 0+1,
// 2+3, 4+5), separated one by one: every channel comes out as it went in, at the cost of one run
// per group.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "core/visibility.h"
#include "separate/runtime.h"
#include "separate/song_separator.h"

namespace stemsmith {

struct StemStreamOptions {
  // Which stems to give, in this order; empty: all that the runtime gives. Fewer stems take less
  // memory and resampling; whether the model computes less, RuntimeOptions::wanted says.
  std::vector<std::string> stems;
  // Share of a segment that neighbours have in common, in [0, 1); negative: what the model's
  // manifest advises. More is smoother at the joints and slower: the time grows as 1 / (1 -
  // overlap).
  double overlap = -1;
  // How long segments are: a length that the model takes; 0: what the manifest advises, or less for
  // a song that is shorter.
  std::int64_t segment_frames = 0;
  // The same in seconds, rounded to a length that the model takes; less for a song that is shorter.
  double segment_seconds = 0;
  // How segments are joined, and under which window: "stemsmith", "demucs" or "msst", and
  // "triangle", "hann" or "rectangle" (docs/separate.md); empty: what the manifest advises.
  std::string overlap_style, window;
  // Silence before the song, in frames at the model's rate, which does not come out again: segments
  // then begin at other places of the song.
  std::int64_t lead_frames = 0;
  // Segments that the model gets at once; 0: as many as its runtime advises. More take more memory.
  int batch = 0;
  // Throws Error where the model gives values that are not finite; false: they are given.
  bool refuse_not_finite = true;
  std::string input_name;  // for messages about the audio itself
};

class STEMSMITH_PUBLIC StemStream : public SongSeparator {
 public:
  // `runtime` must outlive the stream. A model with whole-song normalisation reads the input twice,
  // the first time here. Throws Error: unknown stem (names the nearest), overlap or segment out of
  // range, damaged input.
  StemStream(Runtime& runtime, std::unique_ptr<AudioReader> input,
             const StemStreamOptions& options = {});
  ~StemStream() override;
  StemStream(const StemStream&) = delete;
  StemStream& operator=(const StemStream&) = delete;

  const AudioInfo& info() const override;
  const std::vector<std::string>& stems() const override;
  std::vector<Damage> damage() const override;
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override;
  std::int64_t segment_frames() const;  // at the model's rate

  // The stem's index in `names`; throws Error::Usage naming the nearest, and the option that the
  // stem stands in.
  static std::size_t FindStem(const std::vector<std::string>& names, const std::string& stem,
                              const std::string& option = "stems");
  // Throws Error::Usage for options of segments that the model cannot follow.
  static void CheckOverlap(const Runtime& runtime, const StemStreamOptions& options);
  // Throws Error::Usage for a rate or a number of channels that makes no sense; for inputs that do
  // not come from OpenAudio.
  static void CheckLayout(int sample_rate_hz, int channels, const std::string& where = "");

 private:
  struct STEMSMITH_PRIVATE Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
