#include <sndfile.h>

#include "audio/embedded_tags.h"
#include "audio/encode_sndfile.h"

namespace stemsmith {

std::unique_ptr<Encoder> OpenFlac(const EncodeJob& job) {
  const bool small = job.sample_format == SampleFormat::kInt16;
  constexpr std::int64_t kBehindStreamInfo = 42;  // which is never the last block
  return OpenSndfile(job,
                     {.format = SF_FORMAT_FLAC | (small ? SF_FORMAT_PCM_16 : SF_FORMAT_PCM_24),
                      .insert_at = kBehindStreamInfo,
                      .insert = FlacPicture(job.options)});
}

}  // namespace stemsmith
