// The overlap-add of Music-Source-Separation-Training (utils/model_utils.py, `demix` of all models
// but its own Demucs, with a batch of one), so that what is published of its models can be
// repeated.
#pragma once

#include "separate/overlap_add.h"

namespace stemsmith {

// Segments start every segment / num_overlap frames, as long as there are any, and fade in and out
// over a tenth of a segment, but for the song's ends. A song of more than twice the border, which
// is a segment without a stride, is mirrored by this much at both ends. The last segments are
// filled up by what lies mirrored, where more than half of one is there, else by silence. Where all
// weights are 0 there is silence.
class MsstOverlapAdd : public SegmentStream {
 public:
  // options.num_overlap is at least 1; its overlap, window and tail do not count.
  MsstOverlapAdd(const OverlapAddOptions& options, SegmentFunction segment, Sink sink);
  void Push(const AudioBuffer& in) override;
  void Finish() override;
  std::int64_t segment_begin(std::size_t k) const override {
    return begin_ + static_cast<std::int64_t>(k * stride_);
  }

 private:
  std::size_t filled() const { return input_.front().size(); }
  void Begin(bool bordered);
  void Run(std::size_t count);
  void Add(const AudioBuffer& out, std::size_t k, std::size_t frames, bool is_last);
  void Emit(std::size_t frames);

  OverlapAddOptions options_;
  SegmentFunction segment_;
  Sink sink_;
  std::size_t length_, stride_, border_, fade_;
  std::vector<std::vector<float>> input_;  // of each channel, from the next segment's begin on
  AudioBuffer sum_;                        // [channels_out, segment]
  std::vector<float> weight_sum_;          // [segment]
  std::int64_t begin_ = 0;                 // of the next segment, in the song
  bool begun_ = false, bordered_ = false, is_first_ = true;
  std::size_t skip_ = 0;                // frames before the song that are still to come out
  std::size_t pushed_ = 0, given_ = 0;  // frames of the song
};

}  // namespace stemsmith
