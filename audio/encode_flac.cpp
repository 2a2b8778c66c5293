#include <sndfile.h>

#include "audio/encode_sndfile.h"

namespace stemsmith {

std::unique_ptr<Encoder> OpenFlac(const EncodeJob& job) {
  const bool small = job.sample_format == SampleFormat::kInt16;
  return OpenSndfile(job,
                     {.format = SF_FORMAT_FLAC | (small ? SF_FORMAT_PCM_16 : SF_FORMAT_PCM_24)});
}

}  // namespace stemsmith
