// Streaming overlap-add: cuts an endless input into overlapping segments and joins the results,
// with memory bound by the segment. Weights are divided out, so a segment function that returns its
// input gives the input.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "audio/audio.h"

namespace stemsmith {

struct OverlapAddOptions {
  std::size_t segment_frames = 0;
  double overlap = 0.25;            // in [0, 1): neighbours share overlap · segment frames
  std::string window = "triangle";  // triangle (as Python demucs), hann, rectangle
  int channels_in = 2;
  int channels_out = 2;  // S · C of the result
  // What fills up the segment at the end of the input, where it is shorter: "zeros" behind it, or
  // "context", as Python demucs does: what lies before it and zeros behind it, half and half.
  std::string tail = "zeros";
  // With "context": the length to run for so many frames that are left; none: the segment.
  std::function<std::size_t(std::size_t frames)> tail_frames;
};

// Segments start every segment − round(overlap · segment) frames; none starts where the one before
// reached the end. With the tail "context" they start every ⌊(1 − overlap) · segment⌋ frames up to
// the end. The same bits come out however the input is cut into Push() calls. One thread at
// a time.
class OverlapAdd {
 public:
  // Called with a planar segment [channels_in, segment_frames] (the last one filled up, see `tail`:
  // `valid` frames of it are wanted; with tail_frames it may have another length); must fill
  // [channels_out, as many frames].
  using SegmentFunction =
      std::function<void(const AudioBuffer& in, std::size_t valid, AudioBuffer& out)>;
  // Called in order with finished planar audio [channels_out, n].
  using Sink = std::function<void(const AudioBuffer& out)>;

  OverlapAdd(const OverlapAddOptions& options, SegmentFunction segment, Sink sink);
  // Feeds planar audio [channels_in, n], any n.
  void Push(const AudioBuffer& in);
  // End of input: the rest is processed; the total given to the sink equals the total pushed, to
  // the frame.
  void Finish();

 private:
  void ProcessSegment(std::size_t valid);
  void ProcessTail();
  void FinishWithContext();
  void Emit(std::size_t frames);
  void Advance();

  OverlapAddOptions options_;
  SegmentFunction segment_;
  Sink sink_;
  std::size_t stride_ = 0;
  std::vector<float> weights_;     // [segment]
  AudioBuffer input_;              // [channels_in, segment], the first filled_ frames are set
  AudioBuffer history_;            // [channels_in, segment]: what lies before input_, for tails
  std::size_t known_ = 0;          // so many frames at the end of history_ are set
  AudioBuffer output_, sum_;       // [channels_out, segment]
  std::vector<float> weight_sum_;  // [segment]
  AudioBuffer done_;               // [channels_out, n] for the sink
  std::size_t filled_ = 0;
  std::size_t fresh_ = 0;  // frames at the end of those that no segment has covered yet
  bool finished_ = false;
};

}  // namespace stemsmith
