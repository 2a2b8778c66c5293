// References and estimates of a song in files, read as a stream.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "audio/decode.h"
#include "evaluate/stem_pair.h"

namespace stemsmith {

struct StemFile {
  std::filesystem::path path;
  DecodeOptions decode;
};

struct SongFiles {
  std::string name;
  std::vector<std::string> stems;               // S names
  std::vector<StemFile> references, estimates;  // S of each
};

struct AlignOptions {
  // Estimates get the references' rate, channels and length, and are moved by `delay_frames`.
  bool align = false;
  std::int64_t delay_frames = 0;  // by which the estimates come too late
};

// All files open at once; memory is that of the stretch that is asked for.
class StemFiles : public StemPair {
 public:
  // Throws Error where files cannot be read, where references differ in rate, channels or length,
  // and, without `align`, where an estimate differs from them.
  StemFiles(const SongFiles& song, const AlignOptions& options = {});
  ~StemFiles() override;
  int sources() const override { return static_cast<int>(streams_.size() / 2); }
  int channels() const override { return channels_; }
  std::size_t frames() const override { return frames_; }
  int sample_rate_hz() const { return sample_rate_hz_; }
  // What `align` had to change of estimates but a few frames at their ends, one line each.
  const std::vector<std::string>& changes() const { return changes_; }
  // Silence behind the end of an estimate that is shorter. Throws Error for damaged files.
  void Read(std::size_t begin, std::size_t end, float* out) override;

 private:
  struct Stream;
  std::vector<std::unique_ptr<Stream>> streams_;  // references, then estimates
  std::vector<std::string> changes_;
  int channels_ = 0, sample_rate_hz_ = 0;
  std::size_t frames_ = 0;
};

// By how many frames the estimates come later than the references, at most `most` either way; 0
// where shifting them would not make them much more alike. Looks at the sums of all stems over the
// first two minutes. `likeness`: the correlation coefficient of both sums at that delay.
std::int64_t FindDelay(StemPair& song, std::int64_t most, double* likeness = nullptr);

}  // namespace stemsmith
