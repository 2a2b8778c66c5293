// The module libstemsmith_libav.so: decoding of what libsndfile does not know (mp4, m4a, aac,
// .stem.mp4, mkv, wma …) with libav. Every call of libav is in this file and in the module's
// others, libav_encoder.cpp and libav_round_trip.cpp. Errors leave as stemsmith::Error.
//
// Encoder delay at the start and padding at the end are taken out by libav itself (skip-samples
// side data), so that the result equals `ffmpeg -i FILE -f f32le`.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/log.h>
#include <libswresample/swresample.h>
}

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/decode_backend.h"
#include "core/error.h"
#include "core/libav_handles.h"
#include "core/text.h"
#include "core/vector_types.h"

namespace stemsmith {
namespace {

struct CloseInput {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
};
struct FreeResampler {
  void operator()(SwrContext* p) const { swr_free(&p); }
};

// One stream being decoded: a queue of samples that wait for the other streams.
struct Track {
  int index = -1;  // in the container
  int channels = 0;
  int sample_rate_hz = 0;
  CodecHandle codec;
  std::unique_ptr<SwrContext, FreeResampler> convert;  // to planar float; no change of rate
  AVSampleFormat convert_from = AV_SAMPLE_FMT_NONE;
  std::vector<std::vector<float>> queue;  // by channel
  std::size_t queue_begin = 0;            // first waiting frame
  std::int64_t decoded_frames = 0;
  std::int64_t promised_frames = -1;  // by the container, nearly
  bool drained = false;

  std::size_t waiting_frames() const { return queue.front().size() - queue_begin; }
};

class LibavReader : public AudioReader {
 public:
  LibavReader(std::filesystem::path path, const DecodeOptions& options)
      : path_(std::move(path)), options_(options) {
    Open();
  }

  const AudioInfo& info() const override { return info_; }

  std::size_t Read(float* out, std::size_t frames) override {
    if (frames == 0) return 0;
    std::size_t count = 0;
    while ((count = Available()) == 0) {
      if (!Pump()) return 0;
    }
    count = std::min(count, frames);
    Interleave(count, out);
    for (Track& track : tracks_) Forget(track, count);
    return count;
  }

  void Rewind() override { Open(); }

 private:
  [[noreturn]] void Fail(const std::string& what, const std::string& advice = "") const {
    throw Error::Input(what, path_.string(), advice);
  }

  void Open() {
    tracks_.clear();
    at_end_ = false;
    AVFormatContext* raw = nullptr;
    // The prefix keeps names with a colon from being taken for a protocol.
    int result = avformat_open_input(&raw, ("file:" + path_.string()).c_str(), nullptr, nullptr);
    if (result < 0) {
      Fail("not an audio file, or damaged: " + LibavText(result), "convert it to wav or flac");
    }
    input_.reset(raw);
    result = avformat_find_stream_info(input_.get(), nullptr);
    if (result < 0)
      Fail("not an audio file, or damaged: " + LibavText(result), "convert it to wav or flac");

    std::vector<int> audio_streams;
    for (unsigned i = 0; i < input_->nb_streams; ++i) {
      if (input_->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        audio_streams.push_back(static_cast<int>(i));
      }
      input_->streams[i]->discard = AVDISCARD_ALL;
    }
    if (audio_streams.empty()) Fail("holds no audio stream", "give a file with audio");
    const int count = static_cast<int>(audio_streams.size());
    std::vector<int> wanted = options_.streams;
    if (wanted.empty() && !options_.all_streams) wanted = {options_.stream};
    for (const int stream : wanted) {
      if (stream >= 0 && stream < count) continue;
      Fail("holds " + std::to_string(count) + (count == 1 ? " audio stream" : " audio streams") +
               ", there is no stream " + std::to_string(stream),
           "streams are counted from 0");
    }
    if (wanted.empty()) {
      for (const int index : audio_streams) OpenTrack(index);
    } else {
      for (const int stream : wanted) OpenTrack(audio_streams[static_cast<std::size_t>(stream)]);
    }
    FillInfo(count);
    packet_.reset(av_packet_alloc());
    frame_.reset(av_frame_alloc());
    if (packet_ == nullptr || frame_ == nullptr) Fail("out of memory");
  }

  void OpenTrack(int index) {
    AVStream* stream = input_->streams[index];
    stream->discard = AVDISCARD_DEFAULT;
    const AVCodec* codec = avcodec_find_decoder(stream->codecpar->codec_id);
    if (codec == nullptr) {
      Fail(std::string("no decoder for ") + avcodec_get_name(stream->codecpar->codec_id),
           "convert it to wav or flac");
    }
    Track track;
    track.index = index;
    track.codec.reset(avcodec_alloc_context3(codec));
    if (track.codec == nullptr) Fail("out of memory");
    int result = avcodec_parameters_to_context(track.codec.get(), stream->codecpar);
    track.codec->pkt_timebase = stream->time_base;  // without it delay and padding stay in
    track.codec->thread_count = 1;
    if (result >= 0) result = avcodec_open2(track.codec.get(), codec, nullptr);
    if (result < 0) Fail("its audio cannot be decoded: " + LibavText(result));
    track.channels = stream->codecpar->ch_layout.nb_channels;
    track.sample_rate_hz = stream->codecpar->sample_rate;
    if (track.channels < 1 || track.sample_rate_hz < 1)
      Fail("damaged: no channels or no sample rate", "copy or download the file anew");
    track.queue.resize(static_cast<std::size_t>(track.channels));
    const AVRational per_frame{1, track.sample_rate_hz};
    if (stream->duration != AV_NOPTS_VALUE) {
      track.promised_frames = av_rescale_q(stream->duration, stream->time_base, per_frame);
    } else if (input_->duration != AV_NOPTS_VALUE) {
      track.promised_frames = av_rescale_q(input_->duration, AV_TIME_BASE_Q, per_frame);
    }
    tracks_.push_back(std::move(track));
  }

  void FillInfo(int streams) {
    info_ = {};
    info_.streams = streams;
    info_.sample_rate_hz = tracks_.front().sample_rate_hz;
    info_.bits = 16;
    const std::string names = input_->iformat->name;
    info_.format =
        names.find("mp4") != std::string::npos ? "mp4" : names.substr(0, names.find(','));
    for (const Track& track : tracks_) {
      if (track.sample_rate_hz != info_.sample_rate_hz ||
          track.channels != tracks_.front().channels) {
        Fail("its audio streams differ in sample rate or channels",
             "read one stream, or convert them alike");
      }
      info_.channels += track.channels;
      info_.expected_frames = std::max(info_.expected_frames, track.promised_frames);
      const AVCodecDescriptor* codec = avcodec_descriptor_get(track.codec->codec_id);
      const bool lossless = codec != nullptr && (codec->props & AV_CODEC_PROP_LOSSLESS) != 0 &&
                            (codec->props & AV_CODEC_PROP_LOSSY) == 0;
      const AVSampleFormat format = av_get_packed_sample_fmt(track.codec->sample_fmt);
      int bits = 32;
      if (lossless && (format == AV_SAMPLE_FMT_S16 || format == AV_SAMPLE_FMT_U8)) bits = 16;
      if (lossless && (format == AV_SAMPLE_FMT_S32 || format == AV_SAMPLE_FMT_S64)) bits = 24;
      info_.bits = std::max(info_.bits, bits);
    }
    // The container's length is in its own time base (often milliseconds), so it is not exact.
    promises_length_ = info_.format == "mp4" || info_.format == "matroska";
  }

  // Frames that can be given now. A stream that has ended is silent while others go on.
  std::size_t Available() const {
    std::size_t open = SIZE_MAX, ended = 0;
    for (const Track& track : tracks_) {
      if (track.drained)
        ended = std::max(ended, track.waiting_frames());
      else
        open = std::min(open, track.waiting_frames());
    }
    return open == SIZE_MAX ? ended : open;
  }

  // The first waiting frames of all streams, side by side.
  void Interleave(std::size_t frames, float* out) const {
    constexpr std::size_t kBlock = 256;  // stays in the first-level cache
    const auto step = static_cast<std::size_t>(info_.channels);
    std::vector<const float*> columns;
    std::size_t real = frames;  // of the stream that ends first
    for (const Track& track : tracks_) {
      real = std::min(real, track.waiting_frames());
      for (const std::vector<float>& samples : track.queue)
        columns.push_back(samples.data() + track.queue_begin);
    }
    for (std::size_t begin = 0; begin < real; begin += kBlock) {
      const std::size_t end = std::min(real, begin + kBlock);
      std::size_t c = 0;
      for (; c + 4 <= step; c += 4) InterleaveFour(&columns[c], begin, end, out + c, step);
      for (; c < step; ++c)
        for (std::size_t t = begin; t < end; ++t) out[t * step + c] = columns[c][t];
    }
    if (real == frames) return;
    std::size_t c = 0;
    for (const Track& track : tracks_) {
      const std::size_t own = std::min(frames, track.waiting_frames());
      for (std::size_t k = 0; k < track.queue.size(); ++k, ++c) {
        for (std::size_t t = real; t < own; ++t) out[t * step + c] = columns[c][t];
        for (std::size_t t = own; t < frames; ++t) out[t * step + c] = 0.0f;
      }
    }
  }

  // Frames from `begin` to `end` of four columns beside each other, in squares of 4 · 4.
  static void InterleaveFour(const float* const* in, std::size_t begin, std::size_t end, float* out,
                             std::size_t step) {
    using Four = Vector<float, 4>;
    std::size_t t = begin;
    for (; t + 4 <= end; t += 4) {
      Four a, b, c, d;
      std::memcpy(&a, in[0] + t, sizeof a);
      std::memcpy(&b, in[1] + t, sizeof b);
      std::memcpy(&c, in[2] + t, sizeof c);
      std::memcpy(&d, in[3] + t, sizeof d);
      const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Four ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Four cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const Four rows[4] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5),
                            __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                            __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5),
                            __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7)};
      for (std::size_t i = 0; i < 4; ++i) std::memcpy(out + (t + i) * step, &rows[i], sizeof(Four));
    }
    for (; t < end; ++t)
      for (std::size_t k = 0; k < 4; ++k) out[t * step + k] = in[k][t];
  }

  static void Forget(Track& track, std::size_t frames) {
    track.queue_begin += std::min(frames, track.waiting_frames());
    const bool all = track.waiting_frames() == 0;
    if (!all && track.queue_begin < (std::size_t{1} << 17)) return;
    for (std::vector<float>& samples : track.queue) {
      if (all)
        samples.clear();
      else
        samples.erase(samples.begin(),
                      samples.begin() + static_cast<std::ptrdiff_t>(track.queue_begin));
    }
    track.queue_begin = 0;
  }

  // Decodes one more packet; false when all has been decoded.
  bool Pump() {
    if (at_end_) return false;
    const int result = av_read_frame(input_.get(), packet_.get());
    if (result == AVERROR_EOF) {
      at_end_ = true;
      for (Track& track : tracks_) {
        Decode(track, nullptr);
        track.drained = true;
        CheckLength(track);
      }
      return true;
    }
    if (result < 0) {
      Fail("damaged or truncated: audio can be read up to " + Reached() + ": " + LibavText(result),
           "copy or download the file anew");
    }
    for (Track& track : tracks_) {
      if (track.index == packet_->stream_index) Decode(track, packet_.get());
    }
    av_packet_unref(packet_.get());
    return true;
  }

  std::string Reached() const {
    std::int64_t frames = INT64_MAX;
    for (const Track& track : tracks_) frames = std::min(frames, track.decoded_frames);
    return SecondsText(frames, info_.sample_rate_hz);
  }

  void CheckLength(const Track& track) const {
    const std::int64_t slack = track.sample_rate_hz / 5;  // more than a packet of any common codec
    if (!promises_length_ || track.promised_frames - track.decoded_frames <= slack) return;
    Fail("truncated: audio ends at " + Reached() + ", the header promises " +
             SecondsText(track.promised_frames, track.sample_rate_hz),
         "copy or download the file anew");
  }

  void Decode(Track& track, const AVPacket* packet) {
    int result = avcodec_send_packet(track.codec.get(), packet);
    if (result < 0 && result != AVERROR_EOF) FailDecode(result);
    while ((result = avcodec_receive_frame(track.codec.get(), frame_.get())) >= 0) {
      Queue(track, *frame_);
      av_frame_unref(frame_.get());
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF) FailDecode(result);
  }

  [[noreturn]] void FailDecode(int error) const {
    Fail("damaged at " + Reached() + ": " + LibavText(error), "copy or download the file anew");
  }

  void Queue(Track& track, const AVFrame& frame) {
    if (frame.sample_rate != track.sample_rate_hz ||
        frame.ch_layout.nb_channels != track.channels) {
      Fail("sample rate or channels change at " + Reached(), "convert it to wav or flac");
    }
    const auto format = static_cast<AVSampleFormat>(frame.format);
    if (format == AV_SAMPLE_FMT_FLTP) {  // as AAC and most lossy codecs give them
      for (std::size_t c = 0; c < track.queue.size(); ++c) {
        const auto* samples = reinterpret_cast<const float*>(frame.extended_data[c]);
        track.queue[c].insert(track.queue[c].end(), samples, samples + frame.nb_samples);
      }
    } else {
      QueueConverted(track, frame, format);
    }
    track.decoded_frames += frame.nb_samples;
  }

  void QueueConverted(Track& track, const AVFrame& frame, AVSampleFormat format) {
    if (track.convert == nullptr || track.convert_from != format) {
      SwrContext* raw = nullptr;
      AVChannelLayout layout{};
      av_channel_layout_default(&layout,
                                track.channels);  // the same on both sides: nothing is mixed
      int result = swr_alloc_set_opts2(&raw, &layout, AV_SAMPLE_FMT_FLTP, track.sample_rate_hz,
                                       &layout, format, track.sample_rate_hz, 0, nullptr);
      av_channel_layout_uninit(&layout);
      track.convert.reset(raw);
      if (result >= 0) result = swr_init(raw);
      if (result < 0) FailDecode(result);
      track.convert_from = format;
    }
    const std::size_t old_size = track.queue.front().size();
    std::vector<std::uint8_t*> out;
    for (std::vector<float>& samples : track.queue) {
      samples.resize(old_size + static_cast<std::size_t>(frame.nb_samples));
      out.push_back(reinterpret_cast<std::uint8_t*>(samples.data() + old_size));
    }
    const int count =
        swr_convert(track.convert.get(), out.data(), frame.nb_samples,
                    const_cast<const std::uint8_t**>(frame.extended_data), frame.nb_samples);
    if (count != frame.nb_samples) FailDecode(count < 0 ? count : AVERROR_INVALIDDATA);
  }

  std::filesystem::path path_;
  DecodeOptions options_;
  AudioInfo info_;
  std::unique_ptr<AVFormatContext, CloseInput> input_;
  std::vector<Track> tracks_;
  PacketHandle packet_;
  FrameHandle frame_;
  bool at_end_ = false, promises_length_ = false;
};

}  // namespace
}  // namespace stemsmith

extern "C" __attribute__((visibility("default"))) stemsmith::AudioReader* stemsmith_open_libav(
    const std::filesystem::path& path, const stemsmith::DecodeOptions& options) {
  av_log_set_level(AV_LOG_QUIET);  // what goes wrong is told by Error
  return new stemsmith::LibavReader(path, options);
}
