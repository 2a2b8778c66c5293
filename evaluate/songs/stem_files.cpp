#include "evaluate/songs/stem_files.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

constexpr std::size_t kDecodedAtOnce = 16384;
constexpr double kFewSeconds = 0.1;  // that codecs add or take at the end

std::size_t Length(AudioReader& reader) {
  if (reader.info().frames >= 0) return static_cast<std::size_t>(reader.info().frames);
  std::vector<float> block(kDecodedAtOnce * static_cast<std::size_t>(reader.info().channels));
  std::size_t frames = 0;
  while (const std::size_t read = reader.Read(block.data(), kDecodedAtOnce)) frames += read;
  reader.Rewind();
  return frames;
}

std::string Seconds(std::size_t frames, int rate) {
  return std::to_string(frames) + " frames (" +
         SecondsText(static_cast<std::int64_t>(frames), rate) + ")";
}

}  // namespace

struct StemFiles::Stream {
  std::unique_ptr<AudioReader> reader;
  std::filesystem::path path;
  std::int64_t shift = 0;     // frame t of the song is frame t + shift of the file
  std::vector<float> buffer;  // interleaved, from frame `begin` of the file on
  std::size_t begin = 0;

  std::size_t channels() const { return static_cast<std::size_t>(reader->info().channels); }
  std::size_t end() const { return begin + buffer.size() / channels(); }

  // Frames [from, to) of the file into planar rows; zeros behind its end.
  void Read(std::size_t from, std::size_t to, float* out, std::size_t row) {
    if (from < begin) {
      reader->Rewind();
      buffer.clear();
      begin = 0;
    }
    while (end() < to) {
      const std::size_t drop = std::min(from, end()) - std::min(begin, from);
      if (drop > 0) {
        buffer.erase(buffer.begin(),
                     buffer.begin() + static_cast<std::ptrdiff_t>(drop * channels()));
        begin += drop;
      }
      const std::size_t had = buffer.size();
      buffer.resize(had + kDecodedAtOnce * channels());
      const std::size_t read = reader->Read(buffer.data() + had, kDecodedAtOnce);
      buffer.resize(had + read * channels());
      if (read == 0) break;
    }
    for (std::size_t t = from; t < std::min(to, end()); ++t)
      for (std::size_t c = 0; c < channels(); ++c)
        out[c * row + (t - from)] = buffer[(t - begin) * channels() + c];
  }
};

StemFiles::StemFiles(const SongFiles& song, const AlignOptions& options) {
  for (const bool estimate : {false, true}) {
    for (const StemFile& file : estimate ? song.estimates : song.references) {
      auto stream = std::make_unique<Stream>();
      stream->path = file.path;
      stream->reader = OpenAudio(file.path, file.decode);
      const AudioInfo info = stream->reader->info();
      const auto differs = [&](const std::string& what, const std::string& here,
                               const std::string& there) {
        return Error::Input(
            what + " is " + here + ", but that of " + streams_[0]->path.string() + " " + there,
            file.path.string(),
            estimate ? "make estimates like their references, or pass " + Option("align")
                     : "the references of a song must have one rate, channel count and length");
      };
      if (streams_.empty()) {
        sample_rate_hz_ = info.sample_rate_hz;
        channels_ = info.channels;
      } else if (!(estimate && options.align)) {
        if (info.sample_rate_hz != sample_rate_hz_)
          throw differs("the sample rate", std::to_string(info.sample_rate_hz) + " Hz",
                        std::to_string(sample_rate_hz_) + " Hz");
        if (info.channels != channels_)
          throw differs("the channel count", std::to_string(info.channels),
                        std::to_string(channels_));
      }
      const auto changed = [&](const std::string& what) {
        changes_.push_back(file.path.filename().string() + " " + what);
      };
      if (info.sample_rate_hz != sample_rate_hz_)
        changed("was resampled from " + std::to_string(info.sample_rate_hz) + " Hz");
      if (info.channels != channels_)
        changed("was remixed from " + std::to_string(info.channels) + " channels");
      if (estimate && options.align)
        stream->reader = ConvertAudio(std::move(stream->reader), sample_rate_hz_, channels_);
      const std::size_t frames = Length(*stream->reader);
      if (streams_.empty()) {
        frames_ = frames;
      } else if (frames != frames_ && !(estimate && options.align)) {
        throw differs("the length", Seconds(frames, sample_rate_hz_),
                      Seconds(frames_, sample_rate_hz_));
      }
      const double longer =
          (static_cast<double>(frames) - static_cast<double>(frames_)) / sample_rate_hz_;
      if (std::abs(longer) > kFewSeconds)
        changed(Formatted(
            longer > 0 ? "was cut by %.2f s at its end" : "got %.2f s of silence at its end",
            std::abs(longer)));
      if (estimate) stream->shift = options.delay_frames;
      streams_.push_back(std::move(stream));
    }
  }
}

StemFiles::~StemFiles() = default;

void StemFiles::Read(std::size_t begin, std::size_t end, float* out) {
  const std::size_t row = end - begin;
  std::fill_n(out, streams_.size() * static_cast<std::size_t>(channels_) * row, 0.0f);
  for (const auto& stream : streams_) {
    const std::int64_t from = static_cast<std::int64_t>(begin) + stream->shift;
    const std::int64_t to = static_cast<std::int64_t>(end) + stream->shift;
    const std::int64_t first = std::max<std::int64_t>(0, from);  // zeros before the file's start
    if (to > first) {
      stream->Read(static_cast<std::size_t>(first), static_cast<std::size_t>(to),
                   out + (first - from), row);
    }
    out += static_cast<std::size_t>(channels_) * row;
  }
}

}  // namespace stemsmith
