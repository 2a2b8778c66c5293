// The streams of include/stemsmith/stemsmith.h.
#include "separate/c_handles.h"

using namespace stemsmith;     // NOLINT: the functions of C lie outside
using namespace stemsmith::c;  // NOLINT

stemsmith_code stemsmith_stream_start(stemsmith_model* model, int sample_rate_hz, int channels,
                                      const stemsmith_options* options, stemsmith_stream** stream) {
  return Guarded([&] {
    NeedHandle(model, "model");
    Need(stream, "stream");
    LiveStreamOptions live{.sample_rate_hz = sample_rate_hz, .channels = channels};
    if (options != nullptr) {
      NeedHandle(options, "options");
      const StemChoice& chosen = options->separator.files;
      if (!chosen.preset.empty() || !chosen.mixes.empty())
        throw Error::Usage("presets and mixes are for songs, not for streams", "",
                           "choose stems, and add them up");
      live.stems = chosen.stems;
      live.overlap = options->separator.stream.overlap;
    }
    auto started = std::make_unique<stemsmith_stream>();
    started->runtime = model->runtime;
    started->live = std::make_unique<LiveStream>(*started->runtime, live);
    Remember(started.get());
    *stream = started.release();
  });
}

void stemsmith_stream_stop(stemsmith_stream* stream) { Close(stream); }

int64_t stemsmith_stream_latency(const stemsmith_stream* stream) {
  return GuardedResult<int64_t>(0, [&] {
    NeedHandle(stream, "stream");
    return static_cast<int64_t>(stream->live->latency_frames());
  });
}

// The audio thread's: nothing here may lock, so that handles are only compared with null.
stemsmith_code stemsmith_stream_push(stemsmith_stream* stream, const float* const* in,
                                     size_t frames) {
  if (stream == nullptr || in == nullptr) return STEMSMITH_WRONG_USE;
  for (int c = 0; c < stream->live->channels(); ++c)
    if (in[c] == nullptr) return STEMSMITH_WRONG_USE;
  stream->live->Push(in, frames);
  return STEMSMITH_OK;
}

stemsmith_code stemsmith_stream_pull(stemsmith_stream* stream, float* const* stems, size_t frames) {
  if (stream == nullptr || stems == nullptr) return STEMSMITH_WRONG_USE;
  stream->live->Pull(stems, frames);
  return STEMSMITH_OK;
}

uint64_t stemsmith_stream_underruns(const stemsmith_stream* stream) {
  return stream == nullptr ? 0 : stream->live->underrun_frames();
}

uint64_t stemsmith_stream_overruns(const stemsmith_stream* stream) {
  return stream == nullptr ? 0 : stream->live->overrun_frames();
}

stemsmith_code stemsmith_stream_status(const stemsmith_stream* stream) {
  return Guarded([&] {
    NeedHandle(stream, "stream");
    if (const auto failure = stream->live->failure()) throw *failure;
  });
}
