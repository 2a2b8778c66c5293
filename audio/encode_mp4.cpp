#include "audio/encode_mp4.h"

#include "audio/encode_backend.h"
#include "core/error.h"
#include "core/files.h"
#include "core/module.h"

namespace stemsmith {

struct Mp4Writer::Impl {
  Impl(const std::filesystem::path& path, const Mp4Options& options) : pending(path) {
    auto* open = reinterpret_cast<EncodeMp4Function*>(
        LoadModuleSymbol("libav", "stemsmith_encode_mp4", "writing " + path.filename().string()));
    encoder.reset(open(pending.path(), path, options));
  }
  PendingFile pending;
  std::unique_ptr<Mp4Encoder> encoder;
  bool written = false, finished = false;
};

Mp4Writer::Mp4Writer(const std::filesystem::path& path, const Mp4Options& options) {
  if (options.titles.empty() || options.channels < 1 || options.channels > 8)
    throw Error::Usage("an mp4 file of " + std::to_string(options.titles.size()) +
                           " streams with " + std::to_string(options.channels) + " channels",
                       path.string(), "give at least one stream with 1 to 8 channels");
  impl_ = std::make_unique<Impl>(path, options);
}

Mp4Writer::~Mp4Writer() = default;

void Mp4Writer::Write(const float* interleaved, std::size_t frames) {
  if (frames == 0) return;
  impl_->encoder->Write(interleaved, frames);
  impl_->written = true;
}

void Mp4Writer::Finish() {
  if (impl_->finished) return;
  if (!impl_->written) throw Error::Input("no audio to write", impl_->pending.target().string());
  impl_->encoder->Finish();
  impl_->encoder.reset();
  impl_->pending.Commit();
  impl_->finished = true;
}

}  // namespace stemsmith
