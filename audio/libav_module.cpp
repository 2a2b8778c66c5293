// The module libstemsmith_libav.so: decoding of what libsndfile does not know (mp4, m4a, aac,
// .stem.mp4, mkv, wma …) with libav, and of mp3 and Ogg. This file reads containers,
// libav_stream.cpp decodes a stream; every call of libav is in the module's files. Errors leave as
// stemsmith::Error.
//
// Encoder delay at the start and padding at the end are taken out where libav does so itself
// (skip-samples side data; for AAC in mp4 its versions up to 8.1 leave the last packet whole), so
// that the result equals `ffmpeg -i FILE -f f32le` of the same version.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <algorithm>
#include <cstring>
#include <vector>

#include "audio/decode_backend.h"
#include "audio/libav_handles.h"
#include "audio/libav_log.h"
#include "audio/libav_stream.h"
#include "core/error.h"
#include "core/option.h"
#include "core/text.h"
#include "core/vector_types.h"

namespace stemsmith {
namespace {

// Streams of one recording may differ in length by this much.
constexpr double kStreamToleranceSeconds = 0.1;

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
    for (LibavStream& stream : streams_) stream.Forget(count);
    return count;
  }

  void Rewind() override { Open(); }

  std::vector<Damage> damage() const override {
    std::vector<Damage> all = damage_;
    for (const LibavStream& stream : streams_)
      all.insert(all.end(), stream.damage().begin(), stream.damage().end());
    std::stable_sort(all.begin(), all.end(), [](const Damage& a, const Damage& b) {
      return a.begin_seconds < b.begin_seconds;
    });
    return all;
  }

 private:
  [[noreturn]] void Fail(const std::string& what, const std::string& advice = "") const {
    throw Error::Input(what, path_.string(), advice);
  }

  void Open() {
    streams_.clear();
    damage_.clear();
    at_end_ = false;
    AVFormatContext* raw = nullptr;
    // The prefix keeps names with a colon from being taken for a protocol.
    int result = avformat_open_input(&raw, ("file:" + path_.string()).c_str(), nullptr, nullptr);
    if (result >= 0) {
      input_.reset(raw);
      result = avformat_find_stream_info(input_.get(), nullptr);
    }
    if (result < 0)
      Fail("not an audio file, or damaged: " + LibavText(result), "convert it to wav or flac");
    TakeLibavWords();

    std::vector<int> audio_streams;
    for (unsigned i = 0; i < input_->nb_streams; ++i) {
      if (input_->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        audio_streams.push_back(static_cast<int>(i));
      }
      input_->streams[i]->discard = AVDISCARD_ALL;
    }
    if (audio_streams.empty()) Fail("holds no audio stream", "give a file with audio");
    const int count = static_cast<int>(audio_streams.size());
    info_ = {};
    for (const int index : audio_streams) info_.streams.push_back(StreamInfo(index));
    std::vector<int> wanted = options_.streams;
    if (wanted.empty() && !options_.all_streams)
      wanted = {ChosenStream(info_.streams, options_, path_)};
    for (int& stream : wanted) {
      if (stream == kDefaultStream) stream = ChosenStream(info_.streams, options_, path_);
    }
    info_.stream = wanted.empty() ? 0 : wanted.front();
    for (const int stream : wanted) {
      if (stream >= 0 && stream < count) continue;
      Fail("holds " + std::to_string(count) + (count == 1 ? " audio stream" : " audio streams") +
               ", there is no stream " + std::to_string(stream),
           "streams are counted from 0");
    }
    if (wanted.empty()) {
      for (const int index : audio_streams) OpenStream(index);
    } else {
      for (const int stream : wanted) OpenStream(audio_streams[static_cast<std::size_t>(stream)]);
    }
    FillInfo();
    packet_.reset(av_packet_alloc());
    if (packet_ == nullptr) Fail("out of memory");
  }

  bool Is(const char* format) const {
    return std::strstr(input_->iformat->name, format) != nullptr;
  }

  // Formats whose headers count the samples.
  bool IsLossless() const { return Is("flac") || Is("tta") || Is("wv") || Is("ape") || Is("tak"); }

  void OpenStream(int index) {
    AVStream& stream = *input_->streams[index];
    stream.discard = AVDISCARD_DEFAULT;
    LibavStream::Options options{.path = path_, .on_damage = options_.on_damage};
    // Formats without times of their own get an index made by libav.
    const int flags = input_->iformat->flags;
    options.counts_bytes = (flags & AVFMT_GENERIC_INDEX) != 0 && (flags & AVFMT_TS_DISCONT) == 0;
    options.times_are_samples = Is("ogg") || Is("flac");
    if (std::string(input_->iformat->name) == "aac") options.skipped = FindSkippedAdtsBytes(path_);
    const AVRational per_frame{1, std::max(stream.codecpar->sample_rate, 1)};
    if (Is("mp3")) {
      options.promised_frames = Mp3PromisedFrames(path_);
      options.promise_cuts = options.promised_frames >= 0;
    } else if ((Is("mp4") || IsLossless()) && stream.duration != AV_NOPTS_VALUE) {
      options.promised_frames = av_rescale_q(stream.duration, stream.time_base, per_frame);
    } else if (Is("ogg") && stream.codecpar->codec_id == AV_CODEC_ID_VORBIS &&
               stream.duration != AV_NOPTS_VALUE && stream.start_time <= 0 &&
               WalkOggPages(path_).links == 1) {
      options.promised_frames = stream.duration;
      options.promise_cuts = true;
    }
    // For progress bars a container's length will do, which the track's need not have.
    std::int64_t expected = -1;
    if (stream.duration != AV_NOPTS_VALUE)
      expected = av_rescale_q(stream.duration, stream.time_base, per_frame);
    else if (input_->duration != AV_NOPTS_VALUE)
      expected = av_rescale_q(input_->duration, AV_TIME_BASE_Q, per_frame);
    info_.expected_frames = std::max(info_.expected_frames, expected);
    streams_.emplace_back(stream, std::move(options));
  }

  AudioStreamInfo StreamInfo(int index) const {
    const AVStream& stream = *input_->streams[index];
    const auto tag = [&](const char* key) {
      const AVDictionaryEntry* entry = av_dict_get(stream.metadata, key, nullptr, 0);
      return std::string(entry == nullptr ? "" : entry->value);
    };
    AudioStreamInfo info;
    info.channels = stream.codecpar->ch_layout.nb_channels;
    info.sample_rate_hz = stream.codecpar->sample_rate;
    info.title = tag("title");
    if (info.title.empty()) info.title = tag("handler_name");
    info.language = tag("language");
    if (info.language == "und") info.language.clear();
    info.is_default = (stream.disposition & AV_DISPOSITION_DEFAULT) != 0;
    return info;
  }

  void FillInfo() {
    const LibavStream& first = streams_.front();
    info_.sample_rate_hz = first.sample_rate_hz();
    info_.bits = 16;
    const std::string names = input_->iformat->name;
    info_.format = Is("mp4") ? "mp4" : names.substr(0, names.find(','));
    for (const LibavStream& stream : streams_) {
      if (stream.sample_rate_hz() != first.sample_rate_hz() ||
          stream.channels() != first.channels()) {
        Fail("its audio streams differ in sample rate or channels",
             "read one stream, or convert them alike");
      }
      info_.channels += stream.channels();
      info_.bits = std::max(info_.bits, stream.bits());
    }
    if (streams_.size() == 1) info_.channel_mask = first.channel_mask();
  }

  // Frames that can be given now. A stream that has ended is silent while others go on.
  std::size_t Available() const {
    std::size_t open = SIZE_MAX, ended = 0;
    for (const LibavStream& stream : streams_) {
      if (stream.finished())
        ended = std::max(ended, stream.waiting_frames());
      else
        open = std::min(open, stream.waiting_frames());
    }
    return open == SIZE_MAX ? ended : open;
  }

  // The first waiting frames of all streams, side by side.
  void Interleave(std::size_t frames, float* out) const {
    constexpr std::size_t kBlock = 256;  // stays in the first-level cache
    const auto step = static_cast<std::size_t>(info_.channels);
    std::vector<const float*> columns;
    std::size_t real = frames;  // of the stream that ends first
    for (const LibavStream& stream : streams_) {
      real = std::min(real, stream.waiting_frames());
      for (int c = 0; c < stream.channels(); ++c) columns.push_back(stream.waiting(c));
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
    for (const LibavStream& stream : streams_) {
      const std::size_t own = std::min(frames, stream.waiting_frames());
      for (int k = 0; k < stream.channels(); ++k, ++c) {
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

  // Decodes one more packet; false when all has been decoded.
  bool Pump() {
    if (at_end_) {
      bool more = false;
      for (LibavStream& stream : streams_) more |= stream.GiveSilence();
      return more;
    }
    const int result = av_read_frame(input_.get(), packet_.get());
    if (result < 0) {
      at_end_ = true;
      if (result != AVERROR_EOF) FailReading(result);
      for (LibavStream& stream : streams_) stream.Finish();
      CheckTogether();
      return true;
    }
    const std::string words = TakeLibavWords().container;
    if (!words.empty()) suspicious_ = words;
    for (LibavStream& stream : streams_) {
      if (stream.index() != packet_->stream_index) continue;
      stream.Decode(*packet_, suspicious_);
      if (&stream == &streams_.back()) suspicious_.clear();
    }
    av_packet_unref(packet_.get());
    return true;
  }

  void FailReading(int error) {
    std::int64_t frames = INT64_MAX;
    for (const LibavStream& stream : streams_) frames = std::min(frames, stream.decoded_frames());
    const std::string what = "audio can be read up to " +
                             SecondsText(frames, info_.sample_rate_hz) + ": " + LibavText(error);
    if (options_.on_damage == OnDamage::kFail)
      Fail("damaged or truncated: " + what, "copy or download the file again");
    damage_.push_back({static_cast<double>(frames) / info_.sample_rate_hz, -1, what});
  }

  // Streams that belong together end together.
  void CheckTogether() {
    const auto by_length = [](const LibavStream& a, const LibavStream& b) {
      return a.decoded_frames() < b.decoded_frames();
    };
    const auto [shortest, longest] =
        std::minmax_element(streams_.begin(), streams_.end(), by_length);
    const std::int64_t missing = longest->decoded_frames() - shortest->decoded_frames();
    if (static_cast<double>(missing) <= kStreamToleranceSeconds * info_.sample_rate_hz) return;
    const std::string what = "audio stream " + std::to_string(shortest->index()) + " ends at " +
                             SecondsText(shortest->decoded_frames(), info_.sample_rate_hz) +
                             ", stream " + std::to_string(longest->index()) + " at " +
                             SecondsText(longest->decoded_frames(), info_.sample_rate_hz);
    if (options_.on_damage == OnDamage::kFail) Fail(what, ConcealAdvice());
    damage_.push_back({static_cast<double>(shortest->decoded_frames()) / info_.sample_rate_hz,
                       static_cast<double>(missing) / info_.sample_rate_hz, what});
  }

  std::filesystem::path path_;
  DecodeOptions options_;
  AudioInfo info_;
  std::unique_ptr<AVFormatContext, CloseInput> input_;
  std::vector<LibavStream> streams_;
  PacketHandle packet_;
  std::vector<Damage> damage_;
  std::string suspicious_;  // what the container reported since the last packet of ours
  bool at_end_ = false;
};

}  // namespace
}  // namespace stemsmith

extern "C" __attribute__((visibility("default"))) stemsmith::AudioReader* stemsmith_open_libav(
    const std::filesystem::path& path, const stemsmith::DecodeOptions& options) {
  stemsmith::ListenToLibav();
  return new stemsmith::LibavReader(path, options);
}
