// Streaming overlap-add: cuts an endless input into overlapping segments and joins the results,
// with memory bound by the segment. Weights are divided out, so a segment function that returns its
// input gives the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "audio/audio.h"
#include "separate/song_rules.h"

namespace stemsmith {

struct OverlapAddOptions {
  std::size_t segment_frames = 0;
  double overlap = 0.25;  // in [0, 1): neighbours share overlap · segment frames
  Window window = Window::kTriangle;
  int channels_in = 2;
  int channels_out = 2;  // S · C of the result
  Tail tail = Tail::kZeros;
  // With Tail::kContext: the length to run for so many frames, those of a segment or what is left of
  // the song; none: the segment.
  std::function<std::size_t(std::size_t frames)> run_frames;
  // Above 0: joined by MsstOverlapAdd, with a segment every 1 / num_overlap of its length.
  int num_overlap = 0;
  // Segments that the function gets at once. More waits longer for the first result, and holds as
  // many in memory.
  std::size_t batch = 1;
};

// Audio that goes through in segments. One thread at a time.
class SegmentStream {
 public:
  // Called with planar segments, n of them one after the other: [n · channels_in, segment_frames]
  // with n from 1 to `batch`; must fill [n · channels_out, as many frames]. The last one comes
  // alone and filled up, see `tail`: `valid` frames of it are wanted. With run_frames segments have
  // the lengths that it gives.
  using SegmentFunction =
      std::function<void(const AudioBuffer& in, std::size_t valid, AudioBuffer& out)>;
  // Called in order with finished planar audio [channels_out, n].
  using Sink = std::function<void(const AudioBuffer& out)>;

  virtual ~SegmentStream() = default;
  // Feeds planar audio [channels_in, n], any n.
  virtual void Push(const AudioBuffer& in) = 0;
  // End of input: the rest is processed; the total given to the sink equals the total pushed, to
  // the frame.
  virtual void Finish() = 0;
  // Within the segment function: where the segment number k of those it was called with begins, in
  // frames of all that was pushed; below 0 where something was put before it.
  virtual std::int64_t segment_begin(std::size_t k) const = 0;
};

// Segments start every segment − round(overlap · segment) frames; none starts where the one before
// reached the end. With Tail::kContext they start every ⌊(1 − overlap) · segment⌋ frames up to
// the end, and the function sees what lies around them, half on either side, where it runs for more
// than a segment. The same bits come out however the input is cut into Push() calls.
class OverlapAdd : public SegmentStream {
 public:
  OverlapAdd(const OverlapAddOptions& options, SegmentFunction segment, Sink sink);
  void Push(const AudioBuffer& in) override;
  void Finish() override;
  std::int64_t segment_begin(std::size_t k) const override {
    return current_ + static_cast<std::int64_t>(k * stride_);
  }

 private:
  void HoldInput(std::size_t frames);
  void ProcessWhole(std::size_t count);
  void RunSegments(std::size_t count, std::size_t valid);
  void CopyInput(int channel, std::ptrdiff_t from, std::size_t frames, float* to) const;
  void AddResult(const AudioBuffer& out, std::size_t k, std::size_t from, std::size_t frames);
  void ProcessTail();
  void FinishWithContext();
  void Emit(std::size_t frames);
  void AdvanceOutput();
  void AdvanceInput(std::size_t strides);

  OverlapAddOptions options_;
  SegmentFunction segment_;
  Sink sink_;
  std::size_t stride_ = 0;
  std::size_t run_ = 0, left_ = 0;  // frames of a whole segment with what it sees, of them before it
  std::size_t most_input_ = 0;     // frames of a batch
  std::vector<float> weights_;     // [segment], as all below, or as long as the song
  AudioBuffer input_;              // [channels_in, n], the first filled_ frames are set
  AudioBuffer segments_;           // [n · channels_in, run] where they do not lie in input_
  AudioBuffer history_;            // [channels_in, run]: what lies before input_
  std::size_t known_ = 0;          // so many frames at the end of history_ are set
  AudioBuffer output_;             // [n · channels_out, run]
  AudioBuffer sum_;                // [channels_out, segment]
  std::vector<float> weight_sum_;  // [segment]
  AudioBuffer done_;               // [channels_out, n] for the sink
  std::int64_t begin_ = 0, current_ = 0;  // of input_, and of what is processed
  std::size_t filled_ = 0;
  std::size_t fresh_ = 0;  // frames at the end of those that no segment has covered yet
  bool finished_ = false;
};

}  // namespace stemsmith
