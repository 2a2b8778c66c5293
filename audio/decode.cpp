#include "audio/decode.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <fstream>

#include "audio/decode_backend.h"
#include "core/error.h"
#include "core/files.h"
#include "core/module.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr int kLowestRateHz = 1000;
constexpr int kHighestRateHz = 1'000'000;
// A header that promises more than this behind the end is wrong, not cut off.
constexpr double kLongestRestSeconds = 3600;

// What a file lacks that was cut off, where that is to be concealed.
struct CutOff {
  std::int64_t promised_frames = -1;  // by the header; -1 where the readable ones are all
  std::string what;                   // empty: nothing lacks
};

// Keeps the promises of OpenAudio whatever the backend does: finite samples, and the length that
// was said.
class CheckedReader : public AudioReader {
 public:
  CheckedReader(std::unique_ptr<AudioReader> inner, fs::path path, OnDamage on_damage, CutOff cut)
      : inner_(std::move(inner)),
        info_(inner_->info()),
        path_(std::move(path)),
        conceals_(on_damage == OnDamage::kConceal),
        cut_(std::move(cut)) {
    if (cut_.promised_frames > info_.frames)
      info_.frames = info_.expected_frames = cut_.promised_frames;
  }

  const AudioInfo& info() const override { return info_; }

  std::size_t Read(float* out, std::size_t frames) override {
    if (info_.frames >= 0) {
      frames = static_cast<std::size_t>(
          std::min<std::int64_t>(static_cast<std::int64_t>(frames), info_.frames - position_));
    }
    if (frames == 0) return 0;
    std::size_t count = ended_ ? 0 : ReadInner(out, frames);
    if (count > 0) {
      CheckFinite(out, count);
    } else {
      if (position_ == 0 && info_.frames <= 0) throw Error::Input("holds no audio", path_.string());
      if (position_ >= info_.frames) {
        if (!ended_ && !cut_.what.empty() && inner_->damage().empty())
          damage_.push_back({Seconds(position_), -1, cut_.what});
        ended_ = true;
        return 0;
      }
      if (!ended_) EndEarly(cut_.what.empty() ? "the file ends here" : cut_.what);
      count = frames;
      std::fill_n(out, count * static_cast<std::size_t>(info_.channels), 0.0f);
    }
    position_ += static_cast<std::int64_t>(count);
    return count;
  }

  void Rewind() override {
    inner_->Rewind();
    position_ = 0;
    ended_ = false;
    damage_.clear();
  }

  std::vector<Damage> damage() const override {
    std::vector<Damage> all = inner_->damage();
    all.insert(all.end(), damage_.begin(), damage_.end());
    return all;
  }

 private:
  // Where the length is known, a decoder that gives up leaves a rest that can be silent.
  std::size_t ReadInner(float* out, std::size_t frames) {
    try {
      return inner_->Read(out, frames);
    } catch (const Error& error) {
      if (!conceals_ || info_.frames < 0) throw;
      EndEarly(error.problem());
      return 0;
    }
  }

  void EndEarly(const std::string& why) {
    if (!conceals_) {
      throw Error::Input(
          "truncated: audio ends at " + SecondsText(position_, info_.sample_rate_hz) +
              ", the header promises " + SecondsText(info_.frames, info_.sample_rate_hz),
          path_.string(), ConcealAdvice());
    }
    ended_ = true;
    damage_.push_back({Seconds(position_), Seconds(info_.frames - position_), why});
  }

  void CheckFinite(float* samples, std::size_t frames) {
    const std::size_t count = frames * static_cast<std::size_t>(info_.channels);
    // A full exponent carries into the sign bit. No branch: this vectorises.
    std::uint32_t carries = 0;
    for (std::size_t i = 0; i < count; ++i)
      carries |= (std::bit_cast<std::uint32_t>(samples[i]) & 0x7fffffffU) + 0x00800000U;
    if ((carries & 0x80000000U) == 0) return;
    float* bad = std::find_if(samples, samples + count, [](float x) { return !std::isfinite(x); });
    const std::int64_t frame = position_ + (bad - samples) / info_.channels;
    const std::string what =
        std::isnan(*bad) ? "a sample that is not a number" : "an infinite sample";
    if (!conceals_) {
      throw Error::Input(what + " at " + SecondsText(frame, info_.sample_rate_hz), path_.string(),
                         "render or export the file again");
    }
    const auto lost =
        std::count_if(bad, samples + count, [](float x) { return !std::isfinite(x); });
    std::replace_if(
        bad, samples + count, [](float x) { return !std::isfinite(x); }, 0.0f);
    damage_.push_back(
        {Seconds(frame), Seconds((lost + info_.channels - 1) / info_.channels), what});
  }

  double Seconds(std::int64_t frames) const {
    return static_cast<double>(frames) / info_.sample_rate_hz;
  }

  std::unique_ptr<AudioReader> inner_;
  AudioInfo info_;
  fs::path path_;
  bool conceals_;
  CutOff cut_;
  std::int64_t position_ = 0;
  bool ended_ = false;  // before its time: the rest is silent
  std::vector<Damage> damage_;
};

void CheckIsReadable(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw Error::Input("no such file", path.string());
  if (fs::is_directory(status)) throw Error::Input("a folder, not an audio file", path.string());
  CheckIsFile(path);
  errno = 0;
  if (!std::ifstream(path)) throw Error::System("cannot be opened", path.string());
  if (fs::is_regular_file(status) && fs::file_size(path, error) == 0) {
    throw Error::Input("the file is empty", path.string(), "copy or download the file again");
  }
}

// A file that was cut off is an error before work starts.
CutOff FindCutOff(const AudioInfo& info, const DataChunk& data, const fs::path& path,
                  OnDamage on_damage) {
  const bool is_row = data.promised_bytes >= 0;
  std::int64_t missing = 0, whole = data.promised_bytes;
  const auto frames = static_cast<double>(info.frames);
  const auto present = static_cast<double>(data.present_bytes);
  if (is_row) {
    missing = data.promised_bytes - data.present_bytes;
    // Less than a frame may be missing: present_bytes / frames is the size of one.
    if (frames > 0 && static_cast<double>(missing) * frames < present) return {};
  } else {
    missing = MissingBytesAtEnd(path);
    std::error_code error;
    whole = missing + static_cast<std::int64_t>(fs::file_size(path, error));
  }
  if (missing <= 0) return {};
  // Of Ogg only the last page is known to be cut.
  const bool by_page = LookAtStart(path) == FileStart::kOgg;
  const std::string what = (by_page ? "at least " + std::to_string(missing)
                                    : std::to_string(missing) + " of " + std::to_string(whole)) +
                           " bytes are missing at the end";
  if (on_damage == OnDamage::kConceal) {
    const double promised =
        is_row && present > 0 ? frames * static_cast<double>(whole) / present : 0;
    const bool fills = frames > 0 && promised - frames <= kLongestRestSeconds * info.sample_rate_hz;
    return {fills ? static_cast<std::int64_t>(promised) : -1, "truncated: " + what};
  }
  // Where the length is the whole file's, its share that is there can be read.
  const double share =
      by_page ? 1 : static_cast<double>(whole - missing) / static_cast<double>(whole);
  std::string readable;
  if (info.frames >= 0)
    readable = "audio can be read up to " + SecondsText(info.frames, info.sample_rate_hz) + ", ";
  else if (!is_row && info.expected_frames > 0)
    readable =
        "audio can be read up to about " +
        SecondsText(share * static_cast<double>(info.expected_frames) / info.sample_rate_hz) + ", ";
  throw Error::Input("truncated: " + readable + what, path.string(), ConcealAdvice());
}

void CheckInfo(const AudioInfo& info, const fs::path& path) {
  if (info.channels < 1) throw Error::Input("has no channels", path.string());
  if (info.sample_rate_hz < kLowestRateHz || info.sample_rate_hz > kHighestRateHz) {
    throw Error::Input("a sample rate of " + std::to_string(info.sample_rate_hz) + " Hz",
                       path.string(), "1 kHz to 1 MHz can be read");
  }
  if (info.frames == 0) throw Error::Input("holds no audio", path.string());
}

// Null where this installation lacks the module.
OpenLibavFunction* FindLibav() {
  try {
    return reinterpret_cast<OpenLibavFunction*>(
        LoadModuleSymbol("libav", "stemsmith_open_libav", "reading"));
  } catch (const Error&) {
    return nullptr;
  }
}

// For what libsndfile could not read; where it knew the format, its word for what is wrong counts.
std::unique_ptr<AudioReader> OpenInLibav(const fs::path& path, const DecodeOptions& options,
                                         const SndfileResult& sndfile) {
  OpenLibavFunction* open = nullptr;
  try {
    open = reinterpret_cast<OpenLibavFunction*>(
        LoadModuleSymbol("libav", "stemsmith_open_libav", "reading " + path.filename().string()));
    return std::unique_ptr<AudioReader>(open(path, options));
  } catch (const Error&) {
    if (!sndfile.recognised) throw;
    std::string problem = sndfile.problem;
    while (!problem.empty() && (problem.back() == '.' || problem.back() == '\n'))
      problem.pop_back();
    if (open == nullptr)
      throw Error::Input(
          "damaged, or for the module libav, which this installation lacks: " + problem,
          path.string(), "copy or download the file again, or build the module");
    throw Error::Input("damaged: " + problem, path.string(), "copy or download the file again");
  }
}

// libsndfile ends mp3 and Ogg where a header, its estimate or the first of several joined streams
// does. Without libav that is an error.
void CheckLibsndfileReadsAll(const fs::path& path, bool mpeg, std::int64_t frames) {
  constexpr char kAdvice[] = "convert it to wav or flac, or build stemsmith with libav";
  if (!mpeg) {
    const int links = WalkOggPages(path).links;
    if (links == 1) return;
    throw Error::Input("holds " + std::to_string(links) +
                           " streams one after another, of which only the first can be read",
                       path.string(), kAdvice);
  }
  const MpegFrames walk = WalkMpegFrames(path);
  if (walk.sample_rate_hz == 0) return;
  if (walk.damaged_at_frame >= 0) {
    throw Error::Input("damaged at " + SecondsText(walk.damaged_at_frame, walk.sample_rate_hz) +
                           ": no frame there",
                       path.string(), kAdvice);
  }
  constexpr std::int64_t kPads = 4 * 1152;  // delay, padding, the information frame
  if (!walk.goes_on_behind_tag && walk.frames <= frames + kPads) return;
  throw Error::Input(
      "goes on behind " + SecondsText(frames, walk.sample_rate_hz) + ", where it can be read to",
      path.string(), kAdvice);
}

// Lossy formats go to libav, where it is there, as in every other tool of the field, so that stems
// line up with what those tools made; what is exact by nature goes to libsndfile. docs/decoding.md
std::unique_ptr<AudioReader> OpenBackend(const fs::path& path, const DecodeOptions& options,
                                         const DataChunk& data) {
  OpenLibavFunction* libav = FindLibav();
  const FileStart start = LookAtStart(path);
  const bool lossy = start == FileStart::kOgg || start == FileStart::kMpeg;
  const bool conceals_flac = start == FileStart::kFlac && options.on_damage == OnDamage::kConceal;
  if (libav != nullptr && (lossy || conceals_flac || data.wants_libav))
    return std::unique_ptr<AudioReader>(libav(path, options));
  if (data.misread_by_libsndfile) {
    throw Error::Input("float samples in a w64 with an extensible header need libav", path.string(),
                       "convert it to wav or flac, or build stemsmith with libav");
  }
  SndfileResult sndfile = OpenSndfile(path, data);
  // An mp3 that starts with something else.
  if (libav != nullptr && sndfile.reader != nullptr && sndfile.reader->info().format == "mp3")
    return std::unique_ptr<AudioReader>(libav(path, options));
  if (sndfile.reader == nullptr) return OpenInLibav(path, options, sndfile);
  if (lossy)
    CheckLibsndfileReadsAll(path, start == FileStart::kMpeg, sndfile.reader->info().frames);
  std::vector<int> streams = options.streams;
  if (streams.empty() && !options.all_streams)
    streams = {ChosenStream(sndfile.reader->info().streams, options, path)};
  for (const int stream : streams) {
    if (stream == 0 || stream == kDefaultStream) continue;
    throw Error::Input("holds one audio stream, there is no stream " + std::to_string(stream),
                       path.string(), "streams are counted from 0");
  }
  return std::move(sndfile.reader);
}

}  // namespace

std::unique_ptr<AudioReader> OpenAudio(const fs::path& path, const DecodeOptions& options) {
  CheckIsReadable(path);
  if (LooksLikeText(path))
    throw Error::Input("a text file, not audio", path.string(), "give an audio file");
  const DataChunk data = FindDataChunk(path);
  std::unique_ptr<AudioReader> reader = OpenBackend(path, options, data);
  CutOff cut = FindCutOff(reader->info(), data, path, options.on_damage);
  CheckInfo(reader->info(), path);
  return std::make_unique<CheckedReader>(std::move(reader), path, options.on_damage,
                                         std::move(cut));
}

Error WithoutConcealing(const Error& error) {
  if (error.advice() != ConcealAdvice()) return error;
  return Error(error.code(), error.problem(), error.where(), kCopyAdvice);
}

}  // namespace stemsmith
