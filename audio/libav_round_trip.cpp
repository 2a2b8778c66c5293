// Part of the module libstemsmith_libav.so: AAC there and back (audio/aac_round_trip.h). Errors
// leave as stemsmith::Error.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
}

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "audio/libav_encoder.h"
#include "audio/libav_log.h"
#include "core/error.h"

namespace stemsmith {
namespace {

constexpr char kWhere[] = "AAC round trip";

void Check(int result, const char* what) {
  if (result >= 0) return;
  throw Error::Input(std::string(what) + ": " + LibavText(result), kWhere);
}

template <typename T>
T* Require(T* pointer, const char* what) {
  if (pointer == nullptr) throw Error::Input(what, kWhere);
  return pointer;
}

class RoundTrip {
 public:
  RoundTrip(float* planar, int channels, std::size_t frames, int sample_rate_hz, int bit_rate)
      : out_(planar),
        in_(planar, planar + static_cast<std::size_t>(channels) * frames),
        channels_(channels),
        frames_(static_cast<std::int64_t>(frames)) {
    encoder_ = OpenLibavEncoder(
        {.sample_rate_hz = sample_rate_hz, .channels = channels, .bit_rate = bit_rate}, kWhere);

    const AVCodec* back = Require(avcodec_find_decoder(AV_CODEC_ID_AAC), "no AAC decoder");
    decoder_.reset(Require(avcodec_alloc_context3(back), "out of memory"));
    AVCodecParameters* parameters = Require(avcodec_parameters_alloc(), "out of memory");
    int result = avcodec_parameters_from_context(parameters, encoder_.get());
    if (result >= 0) result = avcodec_parameters_to_context(decoder_.get(), parameters);
    avcodec_parameters_free(&parameters);
    Check(result, "AAC cannot be decoded");
    decoder_->pkt_timebase = encoder_->time_base;
    decoder_->thread_count = 1;
    Check(avcodec_open2(decoder_.get(), back, nullptr), "AAC cannot be decoded");
    packet_.reset(Require(av_packet_alloc(), "out of memory"));
    frame_.reset(Require(av_frame_alloc(), "out of memory"));
  }

  void Run() {
    std::fill_n(out_, in_.size(), 0.0f);
    for (std::int64_t begin = 0; begin < frames_; begin += encoder_->frame_size) Encode(begin);
    Send(nullptr);
    Decode(nullptr);
  }

 private:
  void Encode(std::int64_t begin) {
    const std::int64_t count = std::min<std::int64_t>(encoder_->frame_size, frames_ - begin);
    const FrameHandle frame(Require(av_frame_alloc(), "out of memory"));
    frame->nb_samples = static_cast<int>(count);
    frame->format = encoder_->sample_fmt;
    frame->sample_rate = encoder_->sample_rate;
    frame->pts = begin;
    Check(av_channel_layout_copy(&frame->ch_layout, &encoder_->ch_layout), "out of memory");
    Check(av_frame_get_buffer(frame.get(), 0), "out of memory");
    for (int c = 0; c < channels_; ++c)
      std::memcpy(frame->extended_data[c], in_.data() + c * frames_ + begin,
                  static_cast<std::size_t>(count) * sizeof(float));
    Send(frame.get());
  }

  void Send(const AVFrame* frame) {
    Check(avcodec_send_frame(encoder_.get(), frame), "this audio cannot be encoded");
    int result = 0;
    while ((result = avcodec_receive_packet(encoder_.get(), packet_.get())) >= 0) {
      Decode(packet_.get());
      av_packet_unref(packet_.get());
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF)
      Check(result, "this audio cannot be encoded");
  }

  void Decode(const AVPacket* packet) {
    Check(avcodec_send_packet(decoder_.get(), packet), "AAC cannot be decoded");
    int result = 0;
    while ((result = avcodec_receive_frame(decoder_.get(), frame_.get())) >= 0) {
      // The first packet's time is before 0 by the encoder's delay.
      const std::int64_t begin = std::max<std::int64_t>(0, frame_->pts);
      const std::int64_t end = std::min(frames_, frame_->pts + frame_->nb_samples);
      const bool fits = frame_->format == AV_SAMPLE_FMT_FLTP && frame_->pts != AV_NOPTS_VALUE &&
                        frame_->ch_layout.nb_channels == channels_;
      if (!fits) Check(AVERROR_INVALIDDATA, "AAC comes back in another shape");
      for (int c = 0; c < channels_ && begin < end; ++c)
        std::memcpy(out_ + c * frames_ + begin,
                    reinterpret_cast<const float*>(frame_->extended_data[c]) + begin - frame_->pts,
                    static_cast<std::size_t>(end - begin) * sizeof(float));
      av_frame_unref(frame_.get());
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) Check(result, "AAC cannot be decoded");
  }

  float* out_;
  std::vector<float> in_;
  int channels_;
  std::int64_t frames_;
  CodecHandle encoder_, decoder_;
  PacketHandle packet_;
  FrameHandle frame_;
};

}  // namespace
}  // namespace stemsmith

extern "C" __attribute__((visibility("default"))) void stemsmith_through_aac(
    float* planar, int channels, std::size_t frames, int sample_rate_hz, int bit_rate) {
  stemsmith::ListenToLibav();
  stemsmith::RoundTrip(planar, channels, frames, sample_rate_hz, bit_rate).Run();
}
