// The module libstemsmith_rubberband.so: pitch and tempo by Rubber Band (GPL). Every call of Rubber
// Band is in this file.
#include <rubberband/rubberband-c.h>

#include <algorithm>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "augment/stretch.h"

namespace stemsmith {
namespace {

struct DeleteStretcher {
  void operator()(RubberBandState state) const { rubberband_delete(state); }
};
using Stretcher = std::unique_ptr<std::remove_pointer_t<RubberBandState>, DeleteStretcher>;

constexpr std::int64_t kBlock = 4096;

// Offline: all input is studied first. No threads of its own: the loader has them. Crisp
// transients, the default, start the phases again where a steady tone beats as well, and shift it
// by up to 30 cents.
Stretcher MakeStretcher(const StretchRequest& request) {
  constexpr RubberBandOptions kOptions =
      RubberBandOptionProcessOffline | RubberBandOptionThreadingNever |
      RubberBandOptionPitchHighQuality | RubberBandOptionTransientsMixed;
  Stretcher stretcher(rubberband_new(static_cast<unsigned>(request.sample_rate_hz),
                                     static_cast<unsigned>(request.channels), kOptions,
                                     request.time_ratio, request.pitch_scale));
  if (stretcher == nullptr) throw std::bad_alloc();
  rubberband_set_debug_level(stretcher.get(), 0);
  rubberband_set_expected_input_duration(stretcher.get(), static_cast<unsigned>(request.frames_in));
  rubberband_set_max_process_size(stretcher.get(), static_cast<unsigned>(kBlock));
  return stretcher;
}

void Stretch(const StretchRequest& request) {
  const Stretcher stretcher = MakeStretcher(request);
  const auto channels = static_cast<std::size_t>(request.channels);
  std::vector<const float*> in(channels);
  std::vector<float*> out(channels);
  std::vector<float> surplus;
  std::int64_t written = 0;
  const auto feed = [&](auto call, auto after) {
    for (std::int64_t begin = 0; begin < request.frames_in; begin += kBlock) {
      const std::int64_t length = std::min(kBlock, request.frames_in - begin);
      for (std::size_t c = 0; c < channels; ++c) in[c] = request.in[c] + begin;
      call(stretcher.get(), in.data(), static_cast<unsigned>(length),
           begin + length == request.frames_in ? 1 : 0);
      after();
    }
  };
  const auto take = [&] {
    int available = 0;
    while ((available = rubberband_available(stretcher.get())) > 0) {
      const std::int64_t room = request.frames_out - written;
      const std::int64_t count = std::min<std::int64_t>(available, room > 0 ? room : kBlock);
      if (room <= 0) surplus.resize(static_cast<std::size_t>(kBlock));
      for (std::size_t c = 0; c < channels; ++c)
        out[c] = room > 0 ? request.out[c] + written : surplus.data();
      const unsigned got =
          rubberband_retrieve(stretcher.get(), out.data(), static_cast<unsigned>(count));
      if (got == 0) return;
      if (room > 0) written += got;
    }
  };
  feed(rubberband_study, [] {});
  feed(rubberband_process, take);
  take();
  for (std::size_t c = 0; c < channels; ++c)
    std::fill(request.out[c] + written, request.out[c] + request.frames_out, 0.0f);
}

}  // namespace
}  // namespace stemsmith

extern "C" __attribute__((visibility("default"))) void stemsmith_stretch(
    const stemsmith::StretchRequest& request) {
  stemsmith::Stretch(request);
}
