#include "audio/libav_stream.h"

extern "C" {
#include <libavutil/channel_layout.h>
}

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "audio/libav_log.h"
#include "audio/libav_packets.h"
#include "core/error.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

constexpr int kWaveSpeakers = 18;  // libav's first channels are WAVE's speaker bits
// Jumps up to this long are rounding of the container's times.
constexpr double kSmallestGapSeconds = 0.05;
// Silence is not put in for more than this: such a jump is a damaged number, not lost audio.
constexpr double kLargestGapSeconds = 300;
// The same of what a header promises behind the end.
constexpr double kLongestRestSeconds = 3600;
constexpr std::int64_t kSilenceAtOnce = 65'536;  // frames
// Complaints of a decoder that lie closer are one place.
constexpr double kOnePlaceSeconds = 0.5;

}  // namespace

LibavStream::LibavStream(const AVStream& stream, Options options)
    : options_(std::move(options)), index_(stream.index), time_base_(stream.time_base) {
  frame_.reset(av_frame_alloc());
  parameters_.reset(avcodec_parameters_alloc());
  if (frame_ == nullptr || parameters_ == nullptr ||
      avcodec_parameters_copy(parameters_.get(), stream.codecpar) < 0)
    Fail("out of memory");
  OpenDecoder();
  channels_ = stream.codecpar->ch_layout.nb_channels;
  sample_rate_hz_ = stream.codecpar->sample_rate;
  if (channels_ < 1 || sample_rate_hz_ < 1)
    Fail("damaged: no channels or no sample rate", "copy or download the file again");
  queue_.resize(static_cast<std::size_t>(channels_));
  ReadLayout(stream.codecpar->ch_layout);
}

void LibavStream::OpenDecoder() {
  const AVCodec* codec = avcodec_find_decoder(parameters_->codec_id);
  if (codec == nullptr) {
    Fail(std::string("no decoder for ") + avcodec_get_name(parameters_->codec_id),
         "convert it to wav or flac");
  }
  codec_.reset(avcodec_alloc_context3(codec));
  if (codec_ == nullptr) Fail("out of memory");
  int result = avcodec_parameters_to_context(codec_.get(), parameters_.get());
  codec_->pkt_timebase = time_base_;  // without it delay and padding stay in
  codec_->thread_count = 1;
  codec_->err_recognition = AV_EF_CRCCHECK | AV_EF_BUFFER;
  if (HasChecksum(parameters_->codec_id)) codec_->err_recognition |= AV_EF_EXPLODE;
  if (result >= 0) result = avcodec_open2(codec_.get(), codec, nullptr);
  if (result < 0) Fail("its audio cannot be decoded: " + LibavText(result));
}

int LibavStream::bits() const {
  const AVCodecDescriptor* codec = avcodec_descriptor_get(codec_->codec_id);
  const bool lossless = codec != nullptr && (codec->props & AV_CODEC_PROP_LOSSLESS) != 0 &&
                        (codec->props & AV_CODEC_PROP_LOSSY) == 0;
  const AVSampleFormat format = av_get_packed_sample_fmt(codec_->sample_fmt);
  if (lossless && (format == AV_SAMPLE_FMT_S16 || format == AV_SAMPLE_FMT_U8)) return 16;
  if (lossless && (format == AV_SAMPLE_FMT_S32 || format == AV_SAMPLE_FMT_S64)) return 24;
  return 32;
}

void LibavStream::Fail(const std::string& what, const std::string& advice) const {
  throw Error::Input(what, options_.path.string(), advice);
}

std::string LibavStream::Now() const { return SecondsText(decoded_frames_, sample_rate_hz_); }

// The order in which channels are given: WAVE's, wherever all of them are speakers of WAVE.
void LibavStream::ReadLayout(const AVChannelLayout& layout) {
  order_.resize(static_cast<std::size_t>(channels_));
  std::iota(order_.begin(), order_.end(), 0);
  std::vector<int> speakers;
  for (int c = 0; c < channels_; ++c) {
    const AVChannel channel =
        av_channel_layout_channel_from_index(&layout, static_cast<unsigned>(c));
    if (channel < 0 || channel >= kWaveSpeakers) return;
    speakers.push_back(channel);
  }
  std::uint32_t mask = 0;
  for (const int speaker : speakers) mask |= 1U << speaker;
  if (__builtin_popcount(mask) != channels_) return;
  channel_mask_ = mask;
  std::sort(order_.begin(), order_.end(), [&](int a, int b) { return speakers[a] < speakers[b]; });
}

void LibavStream::Decode(const AVPacket& packet, const std::string& suspicious) {
  const std::int64_t time = TimeOf(packet);
  NoticeGap(packet, time, suspicious);
  for (const SkippedBytes& skipped : options_.skipped) {
    if (skipped.frame == packets_) Lose(skipped.bytes, "no frame where one should be");
  }
  ++packets_;
  const FrameRow row{codec_->codec_id, sample_rate_hz_, channels_};
  if (!options_.counts_bytes || row.FrameBytes(packet.data, packet.size) == packet.size ||
      IsTag(packet)) {
    DecodePiece(packet, time);
    return;
  }
  // A row of frames is cut where the next header is found: damage leaves several in one packet.
  AVPacket piece = packet;
  for (std::int64_t at = 0; at < packet.size; at += piece.size) {
    const std::int64_t left = packet.size - at;
    const std::int64_t bytes = row.FrameBytes(packet.data + at, left);
    const std::int64_t skip = bytes > 0 ? 0 : row.BytesToNextFrame(packet.data + at, left);
    piece.data = packet.data + at;
    piece.size = static_cast<int>(bytes > 0 ? std::min(bytes, left) : skip);
    if (bytes > 0 || piece.size == packet.size) {  // a frame, or of a codec not looked into
      DecodePiece(piece, time);
    } else {
      Lose(skip, "no frame where one should be");
    }
  }
}

void LibavStream::Lose(std::int64_t bytes, const std::string& why) {
  if (options_.counts_bytes)
    lost_bytes_ += bytes;
  else
    lost_frames_ += usual_frames_ > 0 ? usual_frames_ : std::max(codec_->frame_size, 1);
  if (lost_why_.empty()) lost_why_ = why;
}

// Ogg files one after the other: each begins with its headers, which libav hands to the decoder or
// keeps to itself. The decoder starts again, so that nothing of the file before reaches into it,
// and its run-in is cut (RFC 7845, 4.2 and 7).
void LibavStream::BeginNext(const AVPacket& packet) {
  const std::string_view bytes(reinterpret_cast<const char*>(packet.data),
                               static_cast<std::size_t>(packet.size));
  if (codec_->codec_id == AV_CODEC_ID_VORBIS && bytes.starts_with("\x01vorbis"))
    avcodec_flush_buffers(codec_.get());
  if (codec_->codec_id != AV_CODEC_ID_OPUS || decoded_frames_ == 0) return;
  if (bytes.starts_with("OpusHead")) {
    std::uint8_t* header = static_cast<std::uint8_t*>(
        av_mallocz(bytes.size() + static_cast<std::size_t>(AV_INPUT_BUFFER_PADDING_SIZE)));
    if (header == nullptr) Fail("out of memory");
    std::copy(bytes.begin(), bytes.end(), header);
    av_freep(&parameters_->extradata);
    parameters_->extradata = header;
    parameters_->extradata_size = packet.size;
  } else if (IsTag(packet) || packet.pts == AV_NOPTS_VALUE || packet.pts >= 0) {
    return;
  }
  OpenDecoder();
}

void LibavStream::DecodePiece(const AVPacket& packet, std::int64_t time) {
  BeginNext(packet);
  TakeLibavWords();
  int result = avcodec_send_packet(codec_.get(), &packet);
  const std::int64_t before = decoded_frames_;
  std::int64_t got = 0;
  if (result >= 0) {
    while ((result = avcodec_receive_frame(codec_.get(), frame_.get())) >= 0) {
      if (!lost_why_.empty()) Settle();
      Queue(*frame_);
      got += frame_->nb_samples;
      av_frame_unref(frame_.get());
    }
  }
  const std::string complaint = TakeLibavWords().decoder;
  const bool failed = result != AVERROR(EAGAIN) && result != AVERROR_EOF;
  if (failed && IsTag(packet)) return;
  // A packet that damage made of several frames has no duration, and may fail behind the first.
  std::int64_t duration = failed ? 0 : packet.duration;
  if (duration <= 0) duration = av_rescale_q(got, AVRational{1, sample_rate_hz_}, time_base_);
  if (!failed || got > 0) next_time_ = time == AV_NOPTS_VALUE ? time : time + duration;
  if (failed) {
    Lose(packet.size, complaint.empty() ? LibavText(result) : complaint);
    return;
  }
  if (got == 0) return;
  usual_frames_ = std::max(usual_frames_, got);
  // libav cuts the padding off the end but in two cases: where frames before it are lost, and in
  // Ogg files of one page. The last packets wait for Finish, which then does it.
  const bool waits = options_.promise_cuts && (options_.times_are_samples || concealed_);
  held_back_ = waits ? 2 * usual_frames_ : 0;
  mean_packet_bytes_ += (packet.size - mean_packet_bytes_) * (mean_packet_bytes_ == 0 ? 1 : 0.1);
  if (complaint.empty()) return;
  // Decoded all the same: it may sound wrong, but nothing is shifted.
  const double now = static_cast<double>(before) / sample_rate_hz_;
  if (!IsNearLastDamage(now)) damage_.push_back({now, 0, complaint});
}

bool LibavStream::IsNearLastDamage(double seconds) const {
  return !damage_.empty() &&
         seconds - (damage_.back().begin_seconds + damage_.back().seconds) < kOnePlaceSeconds;
}

// Where a packet says that it belongs, in time_base_; AV_NOPTS_VALUE where it does not say.
std::int64_t LibavStream::TimeOf(const AVPacket& packet) const {
  if (!options_.counts_bytes) return packet.pts;
  if (codec_->codec_id != AV_CODEC_ID_FLAC) return AV_NOPTS_VALUE;
  const std::int64_t position = FlacPosition(packet);
  return position < 0 ? AV_NOPTS_VALUE
                      : av_rescale_q(position, AVRational{1, sample_rate_hz_}, time_base_);
}

// Packets that are missing where the container's times go on. What was lost is told by these times
// rather than by what the broken packets look like.
void LibavStream::NoticeGap(const AVPacket& packet, std::int64_t time,
                            const std::string& suspicious) {
  if (time == AV_NOPTS_VALUE || next_time_ == AV_NOPTS_VALUE) return;
  const bool corrupt = (packet.flags & AV_PKT_FLAG_CORRUPT) != 0 || !suspicious.empty();
  const bool pending = !lost_why_.empty();
  if (!corrupt && !pending && !options_.times_are_samples) return;
  const AVRational per_frame{1, sample_rate_hz_};
  std::int64_t gap = av_rescale_q(time - next_time_, time_base_, per_frame);
  const double seconds = static_cast<double>(gap) / sample_rate_hz_;
  if (seconds > kLargestGapSeconds || seconds < (pending ? 0 : kSmallestGapSeconds)) return;
  // Times in milliseconds are too coarse for samples, but say how many packets there were.
  const std::int64_t tick = av_rescale_q(1, time_base_, per_frame);
  if (tick > 1 && usual_frames_ > 4 * tick) {
    const std::int64_t packets = (gap + usual_frames_ / 2) / usual_frames_;
    if (std::abs(gap - packets * usual_frames_) <= 2 * tick) gap = packets * usual_frames_;
  }
  lost_frames_ = gap;
  if (!pending && gap > 0) lost_why_ = suspicious.empty() ? "packets are missing" : suspicious;
}

// Audio goes on after the loss: it lay inside.
void LibavStream::Settle() {
  const std::string why = std::exchange(lost_why_, {});
  std::int64_t frames = std::exchange(lost_frames_, 0);
  // In a row of frames all bytes of a loss together tell how many there were.
  const std::int64_t bytes = std::exchange(lost_bytes_, 0);
  if (bytes > 0 && frames == 0 && mean_packet_bytes_ > 0) {
    const double packets = static_cast<double>(bytes) / mean_packet_bytes_;
    frames = usual_frames_ * std::max<std::int64_t>(1, std::llround(packets));
  }
  if (options_.on_damage == OnDamage::kFail) {
    Fail("damaged at " + Now() + ", " + SecondsText(frames, sample_rate_hz_) + " are lost: " + why,
         ConcealAdvice());
  }
  const double now = static_cast<double>(decoded_frames_) / sample_rate_hz_;
  const double seconds = static_cast<double>(frames) / sample_rate_hz_;
  if (IsNearLastDamage(now)) {  // one place, as are the decoder's complaints just before
    Damage& last = damage_.back();
    if (last.seconds == 0) last = {now, 0, why};
    last.seconds = now + seconds - last.begin_seconds;
  } else {
    damage_.push_back({now, seconds, why});
  }
  concealed_ = true;
  Silence(frames);
}

void LibavStream::Silence(std::int64_t frames) {
  for (std::vector<float>& samples : queue_)
    samples.resize(samples.size() + static_cast<std::size_t>(frames), 0.0f);
  decoded_frames_ += frames;
}

void LibavStream::Finish() {
  avcodec_send_packet(codec_.get(), nullptr);
  while (avcodec_receive_frame(codec_.get(), frame_.get()) >= 0) {
    if (!lost_why_.empty()) Settle();
    Queue(*frame_);
    av_frame_unref(frame_.get());
  }
  finished_ = true;
  if (options_.promised_frames < 0) return;
  const std::int64_t excess = decoded_frames_ - options_.promised_frames;
  if (held_back_ && excess > 0 && excess <= held_back_) {
    const std::size_t drop =
        std::min(static_cast<std::size_t>(excess), queue_.front().size() - queue_begin_);
    for (std::vector<float>& samples : queue_) samples.resize(samples.size() - drop);
    decoded_frames_ -= static_cast<std::int64_t>(drop);
    return;
  }
  // More than a packet of any common codec, and than the frames some encoders count too many.
  const std::int64_t slack = sample_rate_hz_ / 5;
  if (-excess <= slack) return;
  const std::string what = "ends at " + Now() + ", the header promises " +
                           SecondsText(options_.promised_frames, sample_rate_hz_);
  if (options_.on_damage == OnDamage::kFail) Fail("truncated: audio " + what, ConcealAdvice());
  const double seconds = static_cast<double>(-excess) / sample_rate_hz_;
  const bool fills = seconds <= kLongestRestSeconds;
  damage_.push_back({static_cast<double>(decoded_frames_) / sample_rate_hz_, fills ? seconds : -1,
                     "the file " + what});
  if (fills) silence_due_ = -excess;
}

bool LibavStream::GiveSilence() {
  const std::int64_t frames = std::min(silence_due_, kSilenceAtOnce);
  Silence(frames);
  silence_due_ -= frames;
  return frames > 0;
}

std::size_t LibavStream::waiting_frames() const {
  const std::size_t waiting = queue_.front().size() - queue_begin_;
  return finished_ ? waiting : waiting - std::min(waiting, static_cast<std::size_t>(held_back_));
}

void LibavStream::Forget(std::size_t frames) {
  queue_begin_ += std::min(frames, queue_.front().size() - queue_begin_);
  const bool all = queue_.front().size() == queue_begin_;
  if (!all && queue_begin_ < (std::size_t{1} << 17)) return;
  for (std::vector<float>& samples : queue_) {
    if (all)
      samples.clear();
    else
      samples.erase(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(queue_begin_));
  }
  queue_begin_ = 0;
}

void LibavStream::Queue(const AVFrame& frame) {
  if (frame.sample_rate != sample_rate_hz_ || frame.ch_layout.nb_channels != channels_)
    Fail("sample rate or channels change at " + Now(), "convert it to wav or flac");
  if (frame.format == AV_SAMPLE_FMT_FLTP) {  // as AAC and most lossy codecs give them
    for (int c = 0; c < channels_; ++c) {
      const auto* samples = reinterpret_cast<const float*>(frame.extended_data[c]);
      queue_[c].insert(queue_[c].end(), samples, samples + frame.nb_samples);
    }
  } else {
    QueueConverted(frame);
  }
  decoded_frames_ += frame.nb_samples;
}

void LibavStream::QueueConverted(const AVFrame& frame) {
  if (convert_ == nullptr || convert_from_ != frame.format) {
    SwrContext* raw = nullptr;
    AVChannelLayout layout{};
    av_channel_layout_default(&layout, channels_);  // the same on both sides: nothing is mixed
    int result =
        swr_alloc_set_opts2(&raw, &layout, AV_SAMPLE_FMT_FLTP, sample_rate_hz_, &layout,
                            static_cast<AVSampleFormat>(frame.format), sample_rate_hz_, 0, nullptr);
    av_channel_layout_uninit(&layout);
    convert_.reset(raw);
    if (result >= 0) result = swr_init(raw);
    if (result < 0) Fail("its samples cannot be converted: " + LibavText(result));
    convert_from_ = frame.format;
  }
  const std::size_t old_size = queue_.front().size();
  std::vector<std::uint8_t*> out;
  for (std::vector<float>& samples : queue_) {
    samples.resize(old_size + static_cast<std::size_t>(frame.nb_samples));
    out.push_back(reinterpret_cast<std::uint8_t*>(samples.data() + old_size));
  }
  const int count =
      swr_convert(convert_.get(), out.data(), frame.nb_samples,
                  const_cast<const std::uint8_t**>(frame.extended_data), frame.nb_samples);
  if (count != frame.nb_samples) Fail("its samples cannot be converted at " + Now());
}

}  // namespace stemsmith
