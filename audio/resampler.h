// Another sample rate for audio that comes block by block (libsoxr, very high quality). Sample 0
// stays at time 0, and the whole has round(frames · out / in) frames. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

struct soxr;

namespace stemsmith {

// round(frames · rate_out / rate_in).
std::int64_t ResampledFrames(std::int64_t frames, int rate_in, int rate_out);

class Resampler {
 public:
  Resampler(int rate_in, int rate_out, int channels);
  ~Resampler();
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;

  // Takes `frames` frames, interleaved, and appends to `out` what can be given by now.
  void Add(const float* in, std::size_t frames, std::vector<float>& out);
  // After the last: appends the rest, cut or filled with silence to the exact length.
  void Finish(std::vector<float>& out);

 private:
  struct Delete {
    void operator()(soxr* p) const;
  };
  std::size_t Process(const float* in, std::size_t frames, std::size_t* consumed,
                      std::vector<float>& out, std::size_t room);

  int rate_in_, rate_out_;
  std::size_t channels_;
  std::unique_ptr<soxr, Delete> soxr_;
  std::int64_t taken_ = 0, given_ = 0;  // frames
};

}  // namespace stemsmith
