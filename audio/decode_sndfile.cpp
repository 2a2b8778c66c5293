// Decoding with libsndfile: wav, RF64, w64, aiff, au, caf, flac; and, in builds without libav, ogg,
// opus and mp3.
#include <fcntl.h>
#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <mutex>
#include <numeric>
#include <vector>

#include "audio/decode_backend.h"
#include "audio/decode_bytes.h"
#include "audio/xiph_channels.h"
#include "core/error.h"
#include "core/text.h"

namespace stemsmith {
namespace {

// A file whose header is read otherwise than it stands there: with a length that was never filled
// in put right, or as the samples alone, without a header.
class MendedFile {
 public:
  explicit MendedFile(const std::filesystem::path& path)
      : file_(std::fopen(path.c_str(), "rb"), &std::fclose) {
    if (ok()) fseeko(file_.get(), 0, SEEK_END);
    if (ok()) length_ = ftello(file_.get());
    if (ok()) std::rewind(file_.get());
  }
  bool ok() const { return file_ != nullptr; }
  // Only what lies behind this.
  void StartAt(std::uint64_t begin) {
    begin_ = static_cast<sf_count_t>(begin);
    length_ -= begin_;
    fseeko(file_.get(), begin_, SEEK_SET);
  }
  void FillIn(const DataChunk& data) {
    patch_at_ = static_cast<sf_count_t>(data.size_field);
    const auto size = static_cast<std::uint64_t>(data.present_bytes + data.size_field_extra);
    for (int i = 0; i < data.size_field_bytes; ++i) {
      const int place = data.size_field_is_big_endian ? data.size_field_bytes - 1 - i : i;
      patch_.push_back(static_cast<unsigned char>(size >> (8 * place)));
    }
  }
  static SF_VIRTUAL_IO Calls() {
    SF_VIRTUAL_IO calls{};
    calls.get_filelen = [](void* self) -> sf_count_t { return Get(self).length_; };
    calls.seek = [](sf_count_t offset, int whence, void* self) -> sf_count_t {
      if (whence == SEEK_END) offset += Get(self).length_, whence = SEEK_SET;
      std::FILE* file = Get(self).file_.get();
      if (whence == SEEK_SET) offset += Get(self).begin_;
      return fseeko(file, offset, whence) == 0 ? ftello(file) - Get(self).begin_ : -1;
    };
    calls.read = [](void* out, sf_count_t count, void* self) -> sf_count_t {
      return Get(self).Read(static_cast<unsigned char*>(out), count);
    };
    calls.write = [](const void*, sf_count_t, void*) -> sf_count_t { return 0; };
    calls.tell = [](void* self) -> sf_count_t {
      return ftello(Get(self).file_.get()) - Get(self).begin_;
    };
    return calls;
  }

 private:
  static MendedFile& Get(void* self) { return *static_cast<MendedFile*>(self); }
  sf_count_t Read(unsigned char* out, sf_count_t count) {
    const sf_count_t begin = ftello(file_.get());
    const auto got =
        static_cast<sf_count_t>(std::fread(out, 1, static_cast<std::size_t>(count), file_.get()));
    for (std::size_t i = 0; i < patch_.size(); ++i) {
      const sf_count_t at = patch_at_ + static_cast<sf_count_t>(i) - begin;
      if (at >= 0 && at < got) out[at] = patch_[i];
    }
    return got;
  }

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  sf_count_t length_ = 0, begin_ = 0, patch_at_ = 0;
  std::vector<unsigned char> patch_;
};

// libmpg123, which libsndfile reads mp3 with, writes its notes to the terminal. Builds without
// libav have no other reader: what is written while this lives goes nowhere.
class QuietTerminal {
 public:
  explicit QuietTerminal(bool needed) : lock_(Mutex(), std::defer_lock) {
    if (!needed) return;
    lock_.lock();
    std::fflush(stderr);
    before_ = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (before_ >= 0 && nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    if (nowhere >= 0) close(nowhere);
  }
  ~QuietTerminal() {
    if (before_ < 0) return;
    std::fflush(stderr);
    dup2(before_, STDERR_FILENO);
    close(before_);
  }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

 private:
  static std::mutex& Mutex() {
    static std::mutex mutex;
    return mutex;
  }
  std::unique_lock<std::mutex> lock_;
  int before_ = -1;
};

const char* FormatName(int format) {
  switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
      return "wav";
    case SF_FORMAT_RF64:
      return "rf64";
    case SF_FORMAT_W64:
      return "w64";
    case SF_FORMAT_AIFF:
      return "aiff";
    case SF_FORMAT_AU:
      return "au";
    case SF_FORMAT_CAF:
      return "caf";
    case SF_FORMAT_FLAC:
      return "flac";
    case SF_FORMAT_OGG:
      return (format & SF_FORMAT_SUBMASK) == SF_FORMAT_OPUS ? "opus" : "ogg";
    case SF_FORMAT_MPEG:
      return "mp3";
    default:
      return "other";
  }
}

int Bits(int format) {
  switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
    case SF_FORMAT_ALAC_16:
      return 16;
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_ALAC_20:
    case SF_FORMAT_ALAC_24:
    case SF_FORMAT_ALAC_32:
      return 24;
    default:
      return 32;
  }
}

int SampleKind(const DataChunk& data) {
  if (data.tag == 3) return data.bits == 64 ? SF_FORMAT_DOUBLE : SF_FORMAT_FLOAT;
  if (data.tag == 6) return SF_FORMAT_ALAW;
  if (data.tag == 7) return SF_FORMAT_ULAW;
  return data.bits <= 8    ? SF_FORMAT_PCM_U8
         : data.bits <= 16 ? SF_FORMAT_PCM_16
         : data.bits <= 24 ? SF_FORMAT_PCM_24
                           : SF_FORMAT_PCM_32;
}

// WAVE's speaker bit for one of libsndfile's channel names, -1 where it has none.
int WaveSpeaker(int channel) {
  switch (channel) {
    case SF_CHANNEL_MAP_LEFT:
    case SF_CHANNEL_MAP_FRONT_LEFT:
      return 0;
    case SF_CHANNEL_MAP_RIGHT:
    case SF_CHANNEL_MAP_FRONT_RIGHT:
      return 1;
    case SF_CHANNEL_MAP_MONO:
    case SF_CHANNEL_MAP_CENTER:
    case SF_CHANNEL_MAP_FRONT_CENTER:
      return 2;
    case SF_CHANNEL_MAP_LFE:
      return 3;
    case SF_CHANNEL_MAP_REAR_LEFT:
      return 4;
    case SF_CHANNEL_MAP_REAR_RIGHT:
      return 5;
    case SF_CHANNEL_MAP_FRONT_LEFT_OF_CENTER:
      return 6;
    case SF_CHANNEL_MAP_FRONT_RIGHT_OF_CENTER:
      return 7;
    case SF_CHANNEL_MAP_REAR_CENTER:
      return 8;
    case SF_CHANNEL_MAP_SIDE_LEFT:
      return 9;
    case SF_CHANNEL_MAP_SIDE_RIGHT:
      return 10;
    default:
      return -1;
  }
}

// libsndfile looks for mp3 in whatever it knows by no other mark.
bool StartsAsOtherThanMp3(const std::filesystem::path& path) {
  HeaderFile file(path);
  std::array<unsigned char, 4> head{};
  constexpr std::array<const char*, 9> kMarks = {"RIFF", "RF64", "riff", "FORM", "fLaC",
                                                 ".snd", "dns.", "caff", "OggS"};
  return file.Read(0, head.data(), head.size()) &&
         std::any_of(kMarks.begin(), kMarks.end(),
                     [&](const char* mark) { return StartsWith(head.data(), mark); });
}

class SndfileReader : public AudioReader {
 public:
  SndfileReader(std::filesystem::path path, const DataChunk& data)
      : path_(std::move(path)), data_(data), may_be_mp3_(!StartsAsOtherThanMp3(path_)) {
    Open();
    if (file_ == nullptr) return;
    info_.sample_rate_hz = format_.samplerate;
    info_.channels = format_.channels;
    info_.format = data_.beyond_32_bits ? "wav" : FormatName(format_.format);
    info_.bits = Bits(format_.format);
    info_.streams = {{.channels = info_.channels,
                      .sample_rate_hz = info_.sample_rate_hz,
                      .title = {},
                      .language = {},
                      .is_default = true}};
    ReadLayout();
    mp3_ = info_.format == "mp3";
    // A flac stream that was written to a pipe says 0, which libsndfile turns into the largest
    // number.
    const bool known = format_.frames < (sf_count_t{1} << 48);
    info_.frames = info_.expected_frames = known ? format_.frames : -1;
  }

  bool ok() const { return file_ != nullptr; }
  // Headerless formats are only guessed by libsndfile, from the name.
  bool guessed() const {
    return !data_.beyond_32_bits && (format_.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_RAW;
  }
  const AudioInfo& info() const override { return info_; }

  std::size_t Read(float* out, std::size_t frames) override {
    sf_count_t count = 0;
    {
      const QuietTerminal quiet(mp3_);
      count = sf_readf_float(file_.get(), out, static_cast<sf_count_t>(frames));
    }
    // libFLAC gives what it has before an error, and says nothing the next time.
    if (problem_.empty() && sf_error(file_.get()) != SF_ERR_NO_ERROR)
      problem_ = sf_strerror(file_.get());
    if (count < 0 || (count == 0 && !problem_.empty())) {
      throw Error::Input(
          "damaged at " + SecondsText(position_, info_.sample_rate_hz) + ": " + problem_,
          path_.string(), "copy or convert the file again");
    }
    if (count == 0 && mp3_ && info_.frames > position_ && info_.frames - position_ <= kMp3Slack) {
      // Some encoders count their information frame as audio: the promised length is kept with
      // silence.
      count = std::min<sf_count_t>(info_.frames - position_, static_cast<sf_count_t>(frames));
      std::fill_n(out, count * info_.channels, 0.0f);
    }
    if (!order_.empty()) Reorder(out, static_cast<std::size_t>(count));
    position_ += count;
    return static_cast<std::size_t>(count);
  }

  // Opened again: exact for every format, where seeking in mp3 and ogg is only nearly so.
  void Rewind() override {
    Open();
    if (file_ == nullptr) {
      throw Error::Input("cannot be opened a second time: " + std::string(sf_strerror(nullptr)),
                         path_.string());
    }
    position_ = 0;
  }

 private:
  static constexpr std::int64_t kMp3Slack = 2 * 1152;  // two mp3 frames

  void Open() {
    file_.reset();
    mended_.reset();
    format_ = {};
    problem_.clear();
    const QuietTerminal quiet(may_be_mp3_);
    if (!data_.open_ended) {
      file_.reset(sf_open(path_.c_str(), SFM_READ, &format_));
      return;
    }
    mended_ = std::make_unique<MendedFile>(path_);
    if (!mended_->ok()) return;
    if (data_.beyond_32_bits) {
      mended_->StartAt(data_.begin);
      format_ = {.frames = 0,
                 .samplerate = data_.sample_rate_hz,
                 .channels = data_.channels,
                 .format = SF_FORMAT_RAW | SF_ENDIAN_LITTLE | SampleKind(data_),
                 .sections = 0,
                 .seekable = 0};
    } else if (data_.open_ended) {
      mended_->FillIn(data_);
    }
    SF_VIRTUAL_IO calls = MendedFile::Calls();
    file_.reset(sf_open_virtual(&calls, SFM_READ, &format_, mended_.get()));
  }

  // WAVE's order, and which speakers these are where the file says it.
  void ReadLayout() {
    std::vector<int> speakers;
    if (info_.format == "flac") {
      info_.channel_mask = FlacChannelMask(path_, info_.channels);
      return;
    }
    if (info_.format == "ogg" || info_.format == "opus") {
      speakers = XiphSpeakers(info_.channels);
    } else {
      // libsndfile 1.2 makes room for the channels that a layout names and that it knows of by
      // then, and reads beyond it for the others: all of them in AIFF files of ffmpeg, where the
      // layout stands first, and where it is a bitmap.
      const bool core_audio = info_.format == "aiff" || info_.format == "caf";
      const auto layout = core_audio ? ReadCoreAudioLayout(path_) : std::nullopt;
      if (layout && layout->tag == CoreAudioLayout::kBitmap) {
        if (__builtin_popcount(layout->bitmap) == info_.channels)
          info_.channel_mask = layout->bitmap;
        return;
      }
      if (layout &&
          (layout->before_channels || static_cast<int>(layout->tag & 0xffff) < info_.channels))
        return;
      std::vector<int> names(static_cast<std::size_t>(info_.channels));
      if (sf_command(file_.get(), SFC_GET_CHANNEL_MAP_INFO, names.data(),
                     static_cast<int>(names.size() * sizeof(int))) == SF_TRUE) {
        for (const int name : names) speakers.push_back(WaveSpeaker(name));
      }
    }
    std::uint32_t mask = 0;
    for (const int speaker : speakers) {
      if (speaker < 0 || (mask & 1U << speaker) != 0) return;
      mask |= 1U << speaker;
    }
    info_.channel_mask = mask;
    if (std::is_sorted(speakers.begin(), speakers.end())) return;
    order_ = OrderOfSpeakers(speakers);
    one_frame_.resize(order_.size());
  }

  void Reorder(float* interleaved, std::size_t frames) {
    for (std::size_t t = 0; t < frames; ++t, interleaved += order_.size()) {
      std::copy_n(interleaved, order_.size(), one_frame_.begin());
      for (std::size_t c = 0; c < order_.size(); ++c) interleaved[c] = one_frame_[order_[c]];
    }
  }

  struct Close {
    void operator()(SNDFILE* file) const { sf_close(file); }
  };
  std::filesystem::path path_;
  DataChunk data_;
  bool may_be_mp3_, mp3_ = false;
  std::vector<std::size_t> order_;  // WAVE's channel → the file's; empty: the same
  std::vector<float> one_frame_;
  std::unique_ptr<MendedFile> mended_;  // outlives file_
  std::unique_ptr<SNDFILE, Close> file_;
  SF_INFO format_{};
  AudioInfo info_;
  std::int64_t position_ = 0;
  std::string problem_;  // libsndfile's first
};

}  // namespace

SndfileResult OpenSndfile(const std::filesystem::path& path, const DataChunk& data) {
  SndfileResult result;
  auto reader = std::make_unique<SndfileReader>(path, data);
  if (!reader->ok()) {
    result.recognised = sf_error(nullptr) != SF_ERR_UNRECOGNISED_FORMAT;
    result.problem = sf_strerror(nullptr);
    return result;
  }
  if (reader->guessed()) return result;
  result.recognised = true;
  result.reader = std::move(reader);
  return result;
}

}  // namespace stemsmith
