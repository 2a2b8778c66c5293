#include "apps/standard_streams.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "apps/output.h"
#include "audio/encode_formats.h"
#include "audio/encode_pcm.h"
#include "audio/encode_wav.h"
#include "audio/quantize.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/names.h"
#include "core/numbers.h"
#include "separate/stem_stream.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// More than fits into the 32 bits of a header; readers then read to the end.
constexpr std::uint64_t kUnknownBytes = 0xffffff00;

std::string HeaderOf(const RawFormat& raw, std::uint64_t data_bytes) {
  return WavHeader(raw.sample_rate_hz, raw.channels, raw.sample_format, 0, data_bytes);
}

// A file that is gone from its folder and lives as long as it is open.
class NamelessFile {
 public:
  NamelessFile() {
    std::error_code error;
    folder_ = fs::temp_directory_path(error);
    std::string name = (folder_ / "stemsmith-XXXXXX").string();
    file_ = mkostemp(name.data(), O_CLOEXEC);
    if (file_ < 0) Fail();
    unlink(name.c_str());
  }
  void Write(const void* bytes, std::size_t count, std::uint64_t at) const {
    for (const char* from = static_cast<const char*>(bytes); count > 0;) {
      const ssize_t written = pwrite(file_, from, count, static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) Fail();
      from += written, at += static_cast<std::uint64_t>(written);
      count -= static_cast<std::size_t>(written);
    }
  }
  fs::path path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  [[noreturn]] void Fail() const {
    throw Error::Write("cannot keep standard input", folder_.string());
  }
  fs::path folder_;
  int file_ = -1;
};

// What is there next; 0 at the end.
std::size_t ReadInput(char* out, std::size_t count) {
  for (;;) {
    StopIfInterrupted("interrupted while standard input was read");
    pollfd ready = {STDIN_FILENO, POLLIN, 0};
    constexpr int kPatienceMs = 500;
    if (poll(&ready, 1, kPatienceMs) <= 0) continue;
    const ssize_t got = read(STDIN_FILENO, out, count);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR && errno != EAGAIN)
      throw Error::System("cannot read standard input", "", "give a file, or a pipe");
  }
}

}  // namespace

SampleFormat SampleFormatNamed(const std::string& bits, const std::string& option) {
  const auto& formats = FindFormat("wav").sample_formats;
  std::vector<std::string> names;
  for (const SampleFormat format : formats) names.emplace_back(SampleFormatName(format));
  return formats[RequireName(bits, names, "there are no samples of '" + bits + "' bits", option)];
}

RawFormat ParseRawFormat(const std::string& text, const std::string& option) {
  std::vector<std::string> parts(1);
  for (const char letter : text) {
    if (letter == ',')
      parts.emplace_back();
    else
      parts.back() += letter;
  }
  if (parts.size() < 2 || parts.size() > 3)
    throw Error::Usage("'" + text + "' is no format of samples", option,
                       "give RATE,CHANNELS or RATE,CHANNELS,BITS: 44100,2,16");
  RawFormat raw;
  raw.sample_rate_hz = RequireNumber<int>(parts[0], {}, "the sample rate of " + option, "");
  raw.channels = RequireNumber<int>(parts[1], {}, "the number of channels of " + option, "");
  StemStream::CheckLayout(raw.sample_rate_hz, raw.channels, option);
  if (parts.size() == 3) raw.sample_format = SampleFormatNamed(parts[2], option);
  return raw;
}

fs::path KeepStandardInput(const std::optional<RawFormat>& raw) {
  if (isatty(STDIN_FILENO) != 0)
    throw Error::Usage("standard input is a terminal", "-", "send a song: separate MODEL - < SONG");
  const NamelessFile file;
  const std::uint64_t header = raw ? HeaderOf(*raw, 0).size() : 0;
  std::vector<char> block(std::size_t{1} << 18);
  std::uint64_t bytes = 0;
  while (const std::size_t got = ReadInput(block.data(), block.size())) {
    file.Write(block.data(), got, header + bytes);
    bytes += got;
  }
  if (bytes == 0)
    throw Error::Input("standard input is empty", "-", "send a song: separate MODEL - < SONG");
  if (raw) {
    const std::string head = HeaderOf(*raw, bytes);
    file.Write(head.data(), head.size(), 0);
  }
  return file.path();
}

void SampleOutput::Begin(const AudioInfo& info) {
  channels_ = static_cast<std::size_t>(info.channels);
  if (!header_) return;
  const auto frame_bytes = static_cast<std::uint64_t>(info.channels * BytesPerSample(format_));
  const std::uint64_t bytes =
      info.frames >= 0 ? static_cast<std::uint64_t>(info.frames) * frame_bytes : kUnknownBytes;
  WriteOutputBytes(
      WavHeader(info.sample_rate_hz, info.channels, format_, info.channel_mask, bytes));
}

void SampleOutput::Write(const float* interleaved, std::size_t frames) {
  const std::size_t count = frames * channels_;
  const auto size = static_cast<std::size_t>(BytesPerSample(format_));
  bytes_.resize(count * size);
  if (format_ == SampleFormat::kFloat32) {
    std::memcpy(bytes_.data(), interleaved, bytes_.size());
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      const auto value =
          static_cast<std::int32_t>(QuantizeSample(interleaved[i], static_cast<int>(8 * size)));
      std::memcpy(bytes_.data() + i * size, &value, size);
    }
  }
  data_bytes_ += bytes_.size();
  WriteOutputBytes(bytes_);
}

void SampleOutput::Finish() {
  if (header_ && data_bytes_ % 2 == 1) WriteOutputBytes(std::string(1, '\0'));
}

}  // namespace stemsmith
