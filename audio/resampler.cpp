#include "audio/resampler.h"

#include <soxr.h>

#include <algorithm>
#include <string>

#include "core/error.h"

namespace stemsmith {
namespace {

void Check(soxr_error_t error, int rate_in, int rate_out) {
  if (error == nullptr) return;
  throw Error::Input(std::string("cannot resample: ") + error,
                     std::to_string(rate_in) + " Hz to " + std::to_string(rate_out) + " Hz");
}

}  // namespace

std::int64_t ResampledFrames(std::int64_t frames, int rate_in, int rate_out) {
  return static_cast<std::int64_t>((static_cast<__int128>(frames) * rate_out * 2 + rate_in) /
                                   (2 * __int128{rate_in}));
}

void Resampler::Delete::operator()(soxr* p) const { soxr_delete(p); }

Resampler::Resampler(int rate_in, int rate_out, int channels)
    : rate_in_(rate_in), rate_out_(rate_out), channels_(static_cast<std::size_t>(channels)) {
  soxr_error_t error = nullptr;
  const soxr_io_spec_t samples = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_VHQ, 0);
  const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
  soxr_.reset(soxr_create(rate_in, rate_out, static_cast<unsigned>(channels), &error, &samples,
                          &quality, &runtime));
  Check(error, rate_in, rate_out);
}

Resampler::~Resampler() = default;
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;

// in == nullptr: no more input. Appends up to `room` frames and returns how many.
std::size_t Resampler::Process(const float* in, std::size_t frames, std::size_t* consumed,
                               std::vector<float>& out, std::size_t room) {
  const std::size_t before = out.size();
  out.resize(before + room * channels_);
  std::size_t count = 0;
  Check(soxr_process(soxr_.get(), in, frames, consumed, out.data() + before, room, &count),
        rate_in_, rate_out_);
  out.resize(before + count * channels_);
  given_ += static_cast<std::int64_t>(count);
  return count;
}

void Resampler::Add(const float* in, std::size_t frames, std::vector<float>& out) {
  taken_ += static_cast<std::int64_t>(frames);
  const std::size_t room = 16 + static_cast<std::size_t>(ResampledFrames(
                                    static_cast<std::int64_t>(frames), rate_in_, rate_out_));
  std::size_t given = room;
  while (frames > 0 || given == room) {  // a full block may not be all
    std::size_t consumed = 0;
    // Without more of it, an input that is there: soxr takes null for the end.
    given = Process(in, frames, &consumed, out, room);
    in += consumed * channels_;
    frames -= consumed;
  }
}

void Resampler::Finish(std::vector<float>& out) {
  const std::int64_t all = ResampledFrames(taken_, rate_in_, rate_out_);
  while (given_ < all) {
    if (Process(nullptr, 0, nullptr, out, static_cast<std::size_t>(all - given_)) == 0) break;
  }
  const std::int64_t lacking = all - given_;  // negative: too many
  out.resize(static_cast<std::size_t>(std::max<std::int64_t>(
      0, static_cast<std::int64_t>(out.size()) + lacking * static_cast<std::int64_t>(channels_))));
  given_ = all;
}

}  // namespace stemsmith
