// AAC and Apple Lossless in .m4a.
#include "audio/encode_libav.h"
#include "core/module.h"

namespace stemsmith {

std::unique_ptr<Encoder> OpenLibav(const EncodeJob& job, LibavCodec codec) {
  auto* open = reinterpret_cast<OpenEncoderFunction*>(LoadModuleSymbol(
      "libav", "stemsmith_open_encoder", "writing " + job.shown.filename().string()));
  return std::unique_ptr<Encoder>(open(job, codec));
}

std::unique_ptr<Encoder> OpenM4a(const EncodeJob& job) { return OpenLibav(job, LibavCodec::kAac); }
std::unique_ptr<Encoder> OpenAlac(const EncodeJob& job) {
  return OpenLibav(job, LibavCodec::kAlac);
}

}  // namespace stemsmith
