// Acoustic fingerprints: they tell the same recording in another format, at another level or a
// little shifted from another recording.
//
// After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): a word of
// 32 bits per frame, each the sign of how the difference of two neighbouring bands changes in time.
// Here frames are 0.38 s long every 48 ms, and the change is taken over four frames, which bears
// shifts of half a frame step. The same recording differs in up to a quarter of the bits, others in
// nearly half of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "datasets/doctor/finding.h"

namespace stemsmith {

struct RecordingPrint {
  // What the printer is fed with.
  static constexpr int kSampleRateHz = 6300;
  static constexpr int kHopFrames = 300;
  static constexpr double kHopSeconds = static_cast<double>(kHopFrames) / kSampleRateHz;
  // Frames so far below the loudest that only noise is left there.
  static constexpr std::uint32_t kSilent = 0;

  std::vector<std::uint32_t> words;  // one per frame
};

// Makes a print from a stream. One thread at a time.
class RecordingPrinter {
 public:
  RecordingPrinter();
  ~RecordingPrinter();
  // Mono at RecordingPrint::kSampleRateHz, any number of frames.
  void Push(const float* mono, std::size_t frames);
  // Once, at the end. Audio shorter than a frame has no words.
  RecordingPrint Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct SameRecording {
  std::size_t first = 0, second = 0;  // places in the list, first < second
  double bit_error = 0;               // share of the bits that differ
  double offset_seconds = 0;          // how much later the recording starts in `second`
};
// The share of differing bits where `b` is shifted to start `lag` frames later than `a`; 1 where
// less than DoctorLimits asks for overlaps.
double BitError(const RecordingPrint& a, const RecordingPrint& b, std::int64_t lag,
                const DoctorLimits& limits);
// All pairs that are the same recording, sorted. Looks words up in an index instead of comparing
// every pair: the cost grows with the audio, not with its square.
std::vector<SameRecording> FindSameRecordings(const std::vector<RecordingPrint>& prints,
                                              const DoctorLimits& limits);

}  // namespace stemsmith
