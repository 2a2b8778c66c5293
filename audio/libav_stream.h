// One audio stream of a container, decoded by libav into a queue of planar float samples. Private
// to the module libstemsmith_libav.so.
//
// Where a packet cannot be decoded, or the container tells that some are missing, time is lost. The
// stream decides what that means when the next good packet arrives: a packet that is broken at the
// very end is a recording that was switched off, and nothing is missing.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswresample/swresample.h>
}

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/decode_backend.h"
#include "audio/libav_handles.h"

namespace stemsmith {

class LibavStream {
 public:
  struct Options {
    std::filesystem::path path;
    OnDamage on_damage = OnDamage::kFail;
    // The container is a row of frames without times of their own (mp3, adts, ac3 …): lost time is
    // told from the bytes that were passed over.
    bool counts_bytes = false;
    // A jump of the container's times is lost audio also where nothing was said about damage (Ogg,
    // whose pages say how many samples came before).
    bool times_are_samples = false;
    // Length by the file's own exact word, in frames; -1 where there is none.
    std::int64_t promised_frames = -1;
    std::vector<SkippedBytes> skipped;  // by the container, without a word
    bool promise_cuts = false;  // what is decoded beyond it, by less than two packets, is padding
  };

  // Throws Error where there is no decoder.
  LibavStream(const AVStream& stream, Options options);

  int index() const { return index_; }
  int channels() const { return channels_; }
  int sample_rate_hz() const { return sample_rate_hz_; }
  int bits() const;
  // WAVE's speaker bits of the channels as they are given; 0 where the stream does not say.
  std::uint32_t channel_mask() const { return channel_mask_; }
  // Frames decoded so far, silence for lost ones among them; after Finish() the stream's length.
  std::int64_t decoded_frames() const { return decoded_frames_ + silence_due_; }
  const std::vector<Damage>& damage() const { return damage_; }

  // Decodes a packet of this stream; `suspicious` where the container reported an error since the
  // packet before. Throws Error for damage inside, unless it is to be concealed.
  void Decode(const AVPacket& packet, const std::string& suspicious);
  // The stream has ended: what the decoder still holds is given, and the length is compared with
  // the promised one.
  void Finish();
  bool finished() const { return finished_; }
  // After Finish(): some more of the silence that a promised length ends in; false without any.
  bool GiveSilence();

  // The queue: frames that can be given now, their samples by channel, and dropping of the first.
  std::size_t waiting_frames() const;
  const float* waiting(int channel) const { return queue_[order_[channel]].data() + queue_begin_; }
  void Forget(std::size_t frames);

 private:
  struct FreeResampler {
    void operator()(SwrContext* p) const { swr_free(&p); }
  };

  [[noreturn]] void Fail(const std::string& what, const std::string& advice = "") const;
  void ReadLayout(const AVChannelLayout& layout);
  std::int64_t TimeOf(const AVPacket& packet) const;
  void OpenDecoder();
  void BeginNext(const AVPacket& packet);
  void DecodePiece(const AVPacket& packet, std::int64_t time);
  void Lose(std::int64_t bytes, const std::string& why);
  bool IsNearLastDamage(double seconds) const;
  void NoticeGap(const AVPacket& packet, std::int64_t time, const std::string& suspicious);
  void Settle();
  void Silence(std::int64_t frames);
  void Queue(const AVFrame& frame);
  void QueueConverted(const AVFrame& frame);
  std::string Now() const;

  Options options_;
  int index_;
  int channels_ = 0, sample_rate_hz_ = 0;
  std::uint32_t channel_mask_ = 0;
  std::vector<int> order_;  // WAVE's channel → the decoder's
  AVRational time_base_;
  ParametersHandle parameters_;
  CodecHandle codec_;
  FrameHandle frame_;
  std::unique_ptr<SwrContext, FreeResampler> convert_;  // to planar float; no change of rate
  int convert_from_ = AV_SAMPLE_FMT_NONE;
  std::vector<std::vector<float>> queue_;  // by the decoder's channel
  std::size_t queue_begin_ = 0;            // first waiting frame
  std::int64_t decoded_frames_ = 0;
  std::int64_t next_time_ = AV_NOPTS_VALUE;        // after the last good packet, in time_base_
  double mean_packet_bytes_ = 0;                   // of the good packets
  std::int64_t usual_frames_ = 0;                  // of a packet
  std::int64_t packets_ = 0;                       // so far
  std::int64_t lost_frames_ = 0, lost_bytes_ = 0;  // not yet settled
  std::string lost_why_;                           // empty: nothing was lost
  std::vector<Damage> damage_;
  bool concealed_ = false;        // silence was put in
  std::int64_t held_back_ = 0;    // frames that wait for Finish
  std::int64_t silence_due_ = 0;  // after Finish
  bool finished_ = false;
};

}  // namespace stemsmith
