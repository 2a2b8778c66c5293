// Part of the module libstemsmith_libav.so: mp4 files with AAC streams (audio/encode_mp4.h). Errors
// leave as stemsmith::Error.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
}

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "audio/encode_backend.h"
#include "audio/libav_handles.h"
#include "audio/libav_log.h"
#include "core/error.h"

namespace stemsmith {
namespace {

struct CloseOutput {
  void operator()(AVFormatContext* p) const {
    avio_closep(&p->pb);
    avformat_free_context(p);
  }
};

class LibavMp4Encoder : public Mp4Encoder {
 public:
  LibavMp4Encoder(const std::filesystem::path& file, std::filesystem::path shown,
                  const Mp4Options& options)
      : shown_(std::move(shown)), channels_(static_cast<std::size_t>(options.channels)) {
    AVFormatContext* raw = nullptr;
    Check(avformat_alloc_output_context2(&raw, nullptr, "mp4", nullptr), "cannot write mp4");
    output_.reset(raw);
    output_->flags |= AVFMT_FLAG_BITEXACT;  // neither the date nor libav's version in the file
    for (const auto& [key, value] : options.tags)
      av_dict_set(&output_->metadata, key.c_str(), value.c_str(), 0);
    for (const std::string& title : options.titles) AddStream(title, options);
    // The prefix keeps names with a colon from being taken for a protocol.
    Check(avio_open(&output_->pb, ("file:" + file.string()).c_str(), AVIO_FLAG_WRITE),
          "cannot write");
    Check(avformat_write_header(output_.get(), nullptr), "cannot write mp4");
    packet_.reset(av_packet_alloc());
    if (packet_ == nullptr) Fail("out of memory");
  }

  void Write(const float* interleaved, std::size_t frames) override {
    waiting_.insert(waiting_.end(), interleaved, interleaved + frames * channels_ * codecs_.size());
    std::size_t begin = 0;
    const std::size_t step = block_frames() * channels_ * codecs_.size();
    for (; waiting_.size() - begin >= step; begin += step) Encode(begin, block_frames());
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(begin));
  }

  void Finish() override {
    if (!waiting_.empty()) Encode(0, waiting_.size() / channels_ / codecs_.size());
    for (std::size_t s = 0; s < codecs_.size(); ++s) Send(s, nullptr);
    Check(av_write_trailer(output_.get()), "cannot write");
    avio_flush(output_->pb);
    Check(output_->pb->error, "cannot write");
    Check(avio_closep(&output_->pb), "cannot write");
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const {
    throw Error::Input(what, shown_.string());
  }

  void Check(int result, const char* what) const {
    if (result >= 0) return;
    throw Error::Input(std::string(what) + ": " + LibavText(result), shown_.string(),
                       result == AVERROR(ENOSPC) ? "make room on the disk" : "");
  }

  std::size_t block_frames() const { return static_cast<std::size_t>(codecs_[0]->frame_size); }

  void AddStream(const std::string& title, const Mp4Options& options) {
    const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
    if (codec == nullptr) Fail("libav has no AAC encoder");
    CodecHandle context(avcodec_alloc_context3(codec));
    AVStream* stream = avformat_new_stream(output_.get(), nullptr);
    if (context == nullptr || stream == nullptr) Fail("out of memory");
    context->sample_fmt = AV_SAMPLE_FMT_FLTP;
    context->sample_rate = options.sample_rate_hz;
    context->bit_rate = options.bit_rate;
    context->time_base = {1, options.sample_rate_hz};
    context->thread_count = 1;
    context->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_GLOBAL_HEADER;
    av_channel_layout_default(&context->ch_layout, options.channels);
    // The thorough search for scale factors takes five times as long and gains little at these
    // rates.
    AVDictionary* settings = nullptr;
    av_dict_set(&settings, "aac_coder", "fast", 0);
    const int opened = avcodec_open2(context.get(), codec, &settings);
    av_dict_free(&settings);
    Check(opened, "AAC cannot hold this audio");
    Check(avcodec_parameters_from_context(stream->codecpar, context.get()), "cannot write mp4");
    stream->time_base = context->time_base;
    // Players start with the first stream; the others wait to be chosen.
    if (codecs_.empty()) stream->disposition = AV_DISPOSITION_DEFAULT;
    av_dict_set(&stream->metadata, "title", title.c_str(), 0);
    av_dict_set(&stream->metadata, "handler_name", title.c_str(), 0);
    codecs_.push_back(std::move(context));
  }

  // Encodes `frames` frames of all streams, in turn, so that they lie side by side in the file.
  void Encode(std::size_t begin, std::size_t frames) {
    const std::size_t step = channels_ * codecs_.size();
    for (std::size_t s = 0; s < codecs_.size(); ++s) {
      FrameHandle frame(av_frame_alloc());
      if (frame == nullptr) Fail("out of memory");
      frame->nb_samples = static_cast<int>(frames);
      frame->format = codecs_[s]->sample_fmt;
      frame->sample_rate = codecs_[s]->sample_rate;
      frame->pts = position_;
      Check(av_channel_layout_copy(&frame->ch_layout, &codecs_[s]->ch_layout), "out of memory");
      Check(av_frame_get_buffer(frame.get(), 0), "out of memory");
      for (std::size_t c = 0; c < channels_; ++c) {
        auto* out = reinterpret_cast<float*>(frame->extended_data[c]);
        const float* in = waiting_.data() + begin + s * channels_ + c;
        for (std::size_t t = 0; t < frames; ++t) out[t] = in[t * step];
      }
      Send(s, frame.get());
    }
    position_ += static_cast<std::int64_t>(frames);
  }

  void Send(std::size_t s, const AVFrame* frame) {
    Check(avcodec_send_frame(codecs_[s].get(), frame), "this audio cannot be encoded");
    int result = 0;
    while ((result = avcodec_receive_packet(codecs_[s].get(), packet_.get())) >= 0) {
      const AVStream* stream = output_->streams[s];
      av_packet_rescale_ts(packet_.get(), codecs_[s]->time_base, stream->time_base);
      packet_->stream_index = stream->index;
      Check(av_interleaved_write_frame(output_.get(), packet_.get()), "cannot write");
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF)
      Check(result, "this audio cannot be encoded");
  }

  std::filesystem::path shown_;
  std::size_t channels_;
  std::unique_ptr<AVFormatContext, CloseOutput> output_;
  std::vector<CodecHandle> codecs_;
  PacketHandle packet_;
  std::vector<float> waiting_;  // less than a frame of AAC
  std::int64_t position_ = 0;   // frames encoded
};

}  // namespace
}  // namespace stemsmith

extern "C" __attribute__((visibility("default"))) stemsmith::Mp4Encoder* stemsmith_encode_mp4(
    const std::filesystem::path& file, const std::filesystem::path& shown,
    const stemsmith::Mp4Options& options) {
  stemsmith::ListenToLibav();
  return new stemsmith::LibavMp4Encoder(file, shown, options);
}
