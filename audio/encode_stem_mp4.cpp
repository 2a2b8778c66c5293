// Native Instruments' Stems: one stream of AAC or ALAC for the mixture and one for each stem, and
// an atom `stem` in the movie's user data (moov.udta.stem) that says in JSON what players show. The
// format knows four stems; readers of data sets take any number.
#include <array>
#include <nlohmann/json.hpp>

#include "audio/encode_libav.h"
#include "audio/encode_pcm.h"
#include "audio/output_file.h"
#include "core/error.h"

namespace stemsmith {
namespace {

// Colours that differ for the colour-blind, too (Okabe and Ito), as stempeg has them.
constexpr std::array kColors = {"#009E73", "#D55E00", "#CC79A7", "#56B4E9"};

std::string StemJson(const std::vector<std::string>& streams) {
  nlohmann::json stems = nlohmann::json::array();
  for (std::size_t s = 1; s < streams.size(); ++s)  // the first is the mixture
    stems.push_back({{"name", streams[s]}, {"color", kColors[(s - 1) % kColors.size()]}});
  // What is done to the sum of the stems while they are played: nothing.
  const nlohmann::json compressor = {{"enabled", false}, {"input_gain", 0.5}, {"output_gain", 0.5},
                                     {"threshold", 0},   {"ratio", 3},        {"attack", 0.003},
                                     {"release", 0.3},   {"hp_cutoff", 300},  {"dry_wet", 50}};
  const nlohmann::json limiter = {
      {"enabled", false}, {"release", 0.05}, {"threshold", 0}, {"ceiling", -0.35}};
  return nlohmann::json{{"version", 1},
                        {"mastering_dsp", {{"compressor", compressor}, {"limiter", limiter}}},
                        {"stems", stems}}
      .dump();
}

std::string BigEndian32(std::uint64_t value) {
  std::string bytes;
  AppendBigEndian(bytes, value, 4);
  return bytes;
}

struct Box {
  std::uint64_t begin = 0, end = 0;
};

// The finished file with one box more. libav writes the description (moov) behind the audio and the
// user data last in it, so that nothing has to move.
class MovieFile {
 public:
  MovieFile(const EncodeJob& job) : shown_(job.shown.string()), file_(job.file, job.shown) {
    end_ = static_cast<std::uint64_t>(file_.Seek(0, SEEK_END));
  }

  void AddUserData(const char* type, const std::string& content) {
    const Box movie = Last("moov", {0, end_});
    const Box user = Last("udta", {movie.begin + 8, movie.end});
    const std::string box = BigEndian32(8 + content.size()) + type + content;
    Write(end_, box);
    for (const Box& grown : {movie, user})
      Write(grown.begin, BigEndian32(grown.end - grown.begin + box.size()));
    file_.Close();
    file_.Check();
  }

 private:
  // The last box inside `outer`, which must be of this type.
  Box Last(const std::string& type, const Box& outer) {
    Box box;
    std::array<unsigned char, 16> head{};
    for (std::uint64_t at = outer.begin; at + 8 <= outer.end; at = box.end) {
      file_.Seek(static_cast<std::int64_t>(at), SEEK_SET);
      file_.Read(head.data(), head.size());
      std::uint64_t size = Number(head.data(), 4);
      if (size == 1) size = Number(head.data() + 8, 8);
      if (size < 8 || size > outer.end - at) break;
      box = {at, at + size};
    }
    const bool found =
        box.end == outer.end && std::string(head.begin() + 4, head.begin() + 8) == type;
    if (!found) throw Error::Input("libav ends an mp4 file with no '" + type + "'", shown_);
    return box;
  }

  static std::uint64_t Number(const unsigned char* bytes, int count) {
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
    return value;
  }

  void Write(std::uint64_t at, const std::string& bytes) {
    file_.Seek(static_cast<std::int64_t>(at), SEEK_SET);
    file_.Write(bytes.data(), bytes.size());
    file_.Check();
  }

  std::string shown_;
  OutputFile file_;
  std::uint64_t end_ = 0;
};

class StemMp4Encoder : public Encoder {
 public:
  explicit StemMp4Encoder(const EncodeJob& job)
      : job_(job),
        streams_(OpenLibav(job, job.bit_rate > 0 ? LibavCodec::kAac : LibavCodec::kAlac)) {}

  void Write(const float* samples, std::size_t frames) override {
    streams_->Write(samples, frames);
  }
  void Write(const std::int32_t* samples, std::size_t frames) override {
    streams_->Write(samples, frames);
  }
  void Finish() override {
    streams_->Finish();
    MovieFile(job_).AddUserData("stem", StemJson(job_.options.streams));
  }

 private:
  EncodeJob job_;
  std::unique_ptr<Encoder> streams_;
};

}  // namespace

std::unique_ptr<Encoder> OpenStemMp4(const EncodeJob& job) {
  return std::make_unique<StemMp4Encoder>(job);
}

}  // namespace stemsmith
