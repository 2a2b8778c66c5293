// Decoding with libsndfile: wav, RF64, w64, aiff, au, caf, flac, ogg, opus, mp3.
#include <sndfile.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/decode_backend.h"
#include "core/error.h"
#include "core/text.h"

namespace stemsmith {
namespace {

// An mp3 file without a length tag: libsndfile estimates its length from the bit rate of the first
// frame and stops there, which cuts most of a variable-rate file off. Told that the file is far
// longer, it estimates too much and reads to the real end.
class UnboundedFile {
 public:
  explicit UnboundedFile(const std::filesystem::path& path)
      : file_(std::fopen(path.c_str(), "rb"), &std::fclose) {}
  bool ok() const { return file_ != nullptr; }
  static SF_VIRTUAL_IO Calls() {
    SF_VIRTUAL_IO calls{};
    calls.get_filelen = [](void*) -> sf_count_t { return kLength; };
    calls.seek = [](sf_count_t offset, int whence, void* self) -> sf_count_t {
      std::FILE* file = Get(self);
      if (whence == SEEK_END) offset += kLength, whence = SEEK_SET;
      return fseeko(file, offset, whence) == 0 ? ftello(file) : -1;
    };
    calls.read = [](void* out, sf_count_t count, void* self) -> sf_count_t {
      return static_cast<sf_count_t>(
          std::fread(out, 1, static_cast<std::size_t>(count), Get(self)));
    };
    calls.write = [](const void*, sf_count_t, void*) -> sf_count_t { return 0; };
    calls.tell = [](void* self) -> sf_count_t { return ftello(Get(self)); };
    return calls;
  }

 private:
  static constexpr sf_count_t kLength = sf_count_t{1} << 40;
  static std::FILE* Get(void* self) { return static_cast<UnboundedFile*>(self)->file_.get(); }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
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

class SndfileReader : public AudioReader {
 public:
  explicit SndfileReader(std::filesystem::path path) : path_(std::move(path)) {
    Open();
    if (file_ == nullptr) return;
    info_.sample_rate_hz = format_.samplerate;
    info_.channels = format_.channels;
    info_.format = FormatName(format_.format);
    info_.bits = Bits(format_.format);
    info_.streams = {{.channels = info_.channels,
                      .sample_rate_hz = info_.sample_rate_hz,
                      .title = {},
                      .language = {},
                      .is_default = true}};
    mp3_ = info_.format == "mp3";
    if (mp3_ && !Mp3SaysItsLength(path_)) {
      info_.expected_frames = format_.frames;
      unbounded_ = true;
      Open();
      return;
    }
    // A flac stream that was written to a pipe says 0, which libsndfile turns into the largest
    // number.
    const bool known = format_.frames < (sf_count_t{1} << 48);
    info_.frames = info_.expected_frames = known ? format_.frames : -1;
  }

  bool ok() const { return file_ != nullptr; }
  // Headerless formats are only guessed by libsndfile, from the name.
  bool guessed() const { return (format_.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_RAW; }
  const AudioInfo& info() const override { return info_; }

  std::size_t Read(float* out, std::size_t frames) override {
    sf_count_t count = sf_readf_float(file_.get(), out, static_cast<sf_count_t>(frames));
    if (count < 0 || (count == 0 && sf_error(file_.get()) != SF_ERR_NO_ERROR)) {
      throw Error::Input("damaged at " + SecondsText(position_, info_.sample_rate_hz) + ": " +
                             sf_strerror(file_.get()),
                         path_.string(), "copy or convert the file anew");
    }
    if (count == 0 && mp3_ && info_.frames > position_ && info_.frames - position_ <= kMp3Slack) {
      // Some encoders count their information frame as audio: the promised length is kept with
      // silence.
      count = std::min<sf_count_t>(info_.frames - position_, static_cast<sf_count_t>(frames));
      std::fill_n(out, count * info_.channels, 0.0f);
    }
    position_ += count;
    return static_cast<std::size_t>(count);
  }

  // Opened anew: exact for every format, where seeking in mp3 and ogg is only nearly so.
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
    virtual_file_.reset();
    format_ = {};
    if (unbounded_) {
      virtual_file_ = std::make_unique<UnboundedFile>(path_);
      SF_VIRTUAL_IO calls = UnboundedFile::Calls();
      if (virtual_file_->ok()) {
        file_.reset(sf_open_virtual(&calls, SFM_READ, &format_, virtual_file_.get()));
      }
    } else {
      file_.reset(sf_open(path_.c_str(), SFM_READ, &format_));
    }
  }

  struct Close {
    void operator()(SNDFILE* file) const { sf_close(file); }
  };
  std::filesystem::path path_;
  bool unbounded_ = false, mp3_ = false;
  std::unique_ptr<UnboundedFile> virtual_file_;  // outlives file_
  std::unique_ptr<SNDFILE, Close> file_;
  SF_INFO format_{};
  AudioInfo info_;
  std::int64_t position_ = 0;
};

}  // namespace

SndfileResult OpenSndfile(const std::filesystem::path& path) {
  SndfileResult result;
  auto reader = std::make_unique<SndfileReader>(path);
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
