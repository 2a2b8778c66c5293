// Part of the module libstemsmith_libav.so: the mp4 family (audio/encode_libav.h). Errors leave as
// stemsmith::Error.
#include "audio/libav_encoder.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
}

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "audio/libav_log.h"
#include "audio/tags.h"
#include "core/error.h"

namespace stemsmith {
namespace {

// The channels that an encoder of libav knows of each number, in WAVE's order. (libav's own default
// for three is 2.1, whose third channel AAC cuts off at 120 Hz.)
constexpr std::array<std::uint64_t, 6> kLayouts = {
    AV_CH_LAYOUT_MONO,    AV_CH_LAYOUT_STEREO,       AV_CH_LAYOUT_SURROUND,
    AV_CH_LAYOUT_4POINT0, AV_CH_LAYOUT_5POINT0_BACK, AV_CH_LAYOUT_5POINT1_BACK};

std::uint64_t LayoutOf(LibavCodec codec, int channels) {
  if (channels == 7) return AV_CH_LAYOUT_6POINT1_BACK;
  if (channels == 8)
    return codec == LibavCodec::kAac ? AV_CH_LAYOUT_7POINT1 : AV_CH_LAYOUT_7POINT1_WIDE_BACK;
  return kLayouts.at(static_cast<std::size_t>(channels - 1));
}

void CheckLibav(int result, const std::string& what, const std::string& shown) {
  if (result >= 0) return;
  throw Error::Input(what + ": " + LibavText(result), shown,
                     result == AVERROR(ENOSPC) ? "make room on the disk" : "");
}

struct CloseOutput {
  void operator()(AVFormatContext* p) const {
    avio_closep(&p->pb);
    avformat_free_context(p);
  }
};

class LibavEncoder : public Encoder {
 public:
  LibavEncoder(const EncodeJob& job, LibavCodec codec)
      : shown_(job.shown.string()), channels_(static_cast<std::size_t>(job.channels)) {
    AVFormatContext* raw = nullptr;
    Check(avformat_alloc_output_context2(&raw, nullptr, "ipod", nullptr), "cannot write m4a");
    output_.reset(raw);
    output_->flags |= AVFMT_FLAG_BITEXACT;  // neither the date nor libav's version in the file
    for (const auto& [key, value] : job.options.tags)
      av_dict_set(&output_->metadata, key.c_str(), value.c_str(), 0);
    const std::vector<std::string>& names = job.options.streams;
    for (std::size_t s = 0; s < job.streams(); ++s)
      AddStream(names.empty() ? "" : names[s], job, codec);
    if (!job.options.cover.empty()) AddCover(job.options.cover);
    // The prefix keeps names with a colon from being taken for a protocol.
    Check(avio_open(&output_->pb, ("file:" + job.file.string()).c_str(), AVIO_FLAG_WRITE),
          "cannot write");
    // Edit lists count in the movie's time: in milliseconds, as libav has it, the end would be
    // rounded.
    AVDictionary* settings = nullptr;
    av_dict_set_int(&settings, "movie_timescale", job.sample_rate_hz, 0);
    const int begun = avformat_write_header(output_.get(), &settings);
    av_dict_free(&settings);
    Check(begun, "cannot write m4a");
    packet_.reset(av_packet_alloc());
    if (packet_ == nullptr) Fail("out of memory");
    if (!job.options.cover.empty()) WriteCover(job.options.cover);
  }

  void Write(const float* samples, std::size_t frames) override { Append(samples, frames); }
  void Write(const std::int32_t* samples, std::size_t frames) override { Append(samples, frames); }

  void Finish() override {
    if (!waiting_.empty()) Encode(0, waiting_.size() / step());
    if (position_ == 0) Fail("no audio to write");
    for (std::size_t s = 0; s < codecs_.size(); ++s) Send(s, nullptr);
    Check(av_write_trailer(output_.get()), "cannot write");
    avio_flush(output_->pb);
    Check(output_->pb->error, "cannot write");
    Check(avio_closep(&output_->pb), "cannot write");
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw Error::Input(what, shown_); }
  void Check(int result, const char* what) const { CheckLibav(result, what, shown_); }

  std::size_t block_frames() const { return static_cast<std::size_t>(codecs_[0]->frame_size); }
  std::size_t step() const { return channels_ * codecs_.size(); }

  void AddStream(const std::string& name, const EncodeJob& job, LibavCodec codec) {
    CodecHandle context = OpenLibavEncoder({.codec = codec,
                                            .sample_format = job.sample_format,
                                            .sample_rate_hz = job.sample_rate_hz,
                                            .channels = job.channels,
                                            .bit_rate = job.bit_rate},
                                           shown_);
    AVStream* stream = avformat_new_stream(output_.get(), nullptr);
    if (stream == nullptr) Fail("out of memory");
    Check(avcodec_parameters_from_context(stream->codecpar, context.get()), "cannot write m4a");
    stream->time_base = context->time_base;
    // Players start with the first stream; the others wait to be chosen.
    if (codecs_.empty()) stream->disposition = AV_DISPOSITION_DEFAULT;
    if (!name.empty()) {
      av_dict_set(&stream->metadata, "title", name.c_str(), 0);
      av_dict_set(&stream->metadata, "handler_name", name.c_str(), 0);
    }
    codecs_.push_back(std::move(context));
  }

  // A picture is a stream of one packet, which the file then has among its tags.
  void AddCover(const std::string& cover) {
    AVStream* stream = avformat_new_stream(output_.get(), nullptr);
    if (stream == nullptr) Fail("out of memory");
    const bool png = PictureType(cover) == "image/png";
    stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    stream->codecpar->codec_id = png ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG;
    stream->codecpar->width = stream->codecpar->height = 1;  // asked for, and not written
    stream->disposition = AV_DISPOSITION_ATTACHED_PIC;
  }

  void WriteCover(const std::string& cover) {
    Check(av_new_packet(packet_.get(), static_cast<int>(cover.size())), "out of memory");
    std::memcpy(packet_->data, cover.data(), cover.size());
    packet_->stream_index = static_cast<int>(codecs_.size());
    packet_->pts = packet_->dts = 0;
    packet_->flags |= AV_PKT_FLAG_KEY;
    Check(av_interleaved_write_frame(output_.get(), packet_.get()), "cannot write the cover");
  }

  // Samples of both kinds have four bytes, and are only cut into frames here.
  void Append(const void* samples, std::size_t frames) {
    const std::size_t before = waiting_.size();
    waiting_.resize(before + frames * step());
    std::memcpy(waiting_.data() + before, samples, frames * step() * sizeof waiting_[0]);
    std::size_t begin = 0;
    const std::size_t block = block_frames() * step();
    for (; waiting_.size() - begin >= block; begin += block) Encode(begin, block_frames());
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(begin));
  }

  // Encodes `frames` frames of all streams, in turn, so that they lie side by side in the file.
  void Encode(std::size_t begin, std::size_t frames) {
    for (std::size_t s = 0; s < codecs_.size(); ++s) {
      FrameHandle frame(av_frame_alloc());
      if (frame == nullptr) Fail("out of memory");
      frame->nb_samples = static_cast<int>(frames);
      frame->format = codecs_[s]->sample_fmt;
      frame->sample_rate = codecs_[s]->sample_rate;
      frame->pts = position_;
      Check(av_channel_layout_copy(&frame->ch_layout, &codecs_[s]->ch_layout), "out of memory");
      Check(av_frame_get_buffer(frame.get(), 0), "out of memory");
      const bool short_samples = codecs_[s]->sample_fmt == AV_SAMPLE_FMT_S16P;
      for (std::size_t c = 0; c < channels_; ++c) {
        const std::int32_t* in = waiting_.data() + begin + s * channels_ + c;
        auto* out = reinterpret_cast<std::int32_t*>(frame->extended_data[c]);
        auto* short_out = reinterpret_cast<std::int16_t*>(frame->extended_data[c]);
        for (std::size_t t = 0; t < frames; ++t, in += step()) {
          if (short_samples)
            short_out[t] = static_cast<std::int16_t>(*in >> 16);
          else
            out[t] = *in;
        }
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

  std::string shown_;
  std::size_t channels_;
  std::unique_ptr<AVFormatContext, CloseOutput> output_;
  std::vector<CodecHandle> codecs_;
  PacketHandle packet_;
  std::vector<std::int32_t> waiting_;  // less than a block; the bits of floats or integers
  std::int64_t position_ = 0;          // frames encoded
};

}  // namespace

CodecHandle OpenLibavEncoder(const LibavEncoderSettings& settings, const std::string& shown) {
  const bool is_aac = settings.codec == LibavCodec::kAac;
  const AVCodec* codec = avcodec_find_encoder(is_aac ? AV_CODEC_ID_AAC : AV_CODEC_ID_ALAC);
  if (codec == nullptr)
    throw Error::Input(std::string("libav has no encoder for ") + (is_aac ? "AAC" : "ALAC"), shown);
  CodecHandle context(avcodec_alloc_context3(codec));
  if (context == nullptr) throw Error::Input("out of memory", shown);
  context->sample_rate = settings.sample_rate_hz;
  context->time_base = {1, settings.sample_rate_hz};
  context->thread_count = 1;
  context->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_GLOBAL_HEADER;
  CheckLibav(
      av_channel_layout_from_mask(&context->ch_layout, LayoutOf(settings.codec, settings.channels)),
      "no such channels", shown);
  AVDictionary* others = nullptr;
  if (is_aac) {
    context->sample_fmt = AV_SAMPLE_FMT_FLTP;
    context->bit_rate = settings.bit_rate;
    // The thorough search for scale factors takes five times as long and gains little at these
    // rates.
    av_dict_set(&others, "aac_coder", "fast", 0);
  } else {
    const bool is_short = settings.sample_format == SampleFormat::kInt16;
    context->sample_fmt = is_short ? AV_SAMPLE_FMT_S16P : AV_SAMPLE_FMT_S32P;
    context->bits_per_raw_sample = is_short ? 16 : 24;
  }
  const int opened = avcodec_open2(context.get(), codec, &others);
  av_dict_free(&others);
  CheckLibav(opened, std::string(is_aac ? "AAC" : "ALAC") + " cannot hold this audio", shown);
  return context;
}

}  // namespace stemsmith

extern "C" __attribute__((visibility("default"))) stemsmith::Encoder* stemsmith_open_encoder(
    const stemsmith::EncodeJob& job, stemsmith::LibavCodec codec) {
  stemsmith::ListenToLibav();
  return new stemsmith::LibavEncoder(job, codec);
}
