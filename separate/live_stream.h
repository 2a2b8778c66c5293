// Separation of sound that is being played: for plug-ins and sound cards.
//
// The caller's audio thread pushes a block and pulls as many frames of all stems; the model runs on
// a thread of the stream's own. Push() and Pull() never wait, lock or allocate. What is pulled is
// the stems of what was pushed latency_frames() earlier, to the frame and always: a stem that is
// not there in time is silence, is counted, and is left out when it comes.
//
// Latency: one segment of the model, the time until the next one is due (a stride, in which a
// machine that keeps up at all has computed the last one), and what conversion holds back where the
// rates differ.
//
// A model that normalises by the whole song (Demucs) is given, in place of the song's mean and
// deviation, those of each segment: what is to come is not known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/visibility.h"
#include "separate/runtime.h"

namespace stemsmith {

struct LiveStreamOptions {
  int sample_rate_hz = 0;          // of what is pushed and pulled; 0: the model's
  int channels = 0;                // the same
  std::vector<std::string> stems;  // which, in this order; empty: all of the model's
  // Share of a segment that neighbours have in common; negative: what the model advises. More takes
  // more computing, and makes the latency a little shorter.
  double overlap = -1;
};

class STEMSMITH_PUBLIC LiveStream {
 public:
  // Starts the thread. `runtime` must outlive the stream. Throws Error: unknown stem, overlap, rate
  // or number of channels out of range.
  explicit LiveStream(Runtime& runtime, const LiveStreamOptions& options = {});
  // Waits for the segment in work, if any.
  ~LiveStream();
  LiveStream(const LiveStream&) = delete;
  LiveStream& operator=(const LiveStream&) = delete;

  const std::vector<std::string>& stems() const;
  int sample_rate_hz() const;
  int channels() const;
  std::size_t latency_frames() const;

  // The next frames, in[c][0 … frames). One thread at a time; Pull() may be on another. Frames for
  // which there is no room, because the model does not keep up, are silence for it, and counted.
  void Push(const float* const* in, std::size_t frames) noexcept;
  // The next frames of every stem, out[s · channels + c][0 … frames); null: not wanted. One thread
  // at a time. The first latency_frames() frames are silence.
  void Pull(float* const* out, std::size_t frames) noexcept;

  // Of any thread. Frames pulled as silence because the stems were not there yet.
  std::uint64_t underrun_frames() const noexcept;
  // Frames pushed that there was no room for.
  std::uint64_t overrun_frames() const noexcept;
  // What stopped the stream's thread; from then on all is silence. Allocates: not for audio
  // threads.
  std::optional<Error> failure() const;

 private:
  struct STEMSMITH_PRIVATE Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stemsmith
