// What a cache of spectrograms holds: magnitudes under a periodic Hann window, of the stems and of
// the mixture, which is no sum of theirs. Frame k of a song is centred at sample k · hop, with
// silence beyond both ends; all frames that the song reaches into are kept, as rows.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

namespace stemsmith {

struct SpectrogramFormat {
  static constexpr int kLargestFft = 65536;

  int n_fft = 4096;  // even, kLargestFft at most
  int hop = 1024;    // 1 … n_fft / 2
  bool operator==(const SpectrogramFormat&) const = default;

  int bins() const { return n_fft / 2 + 1; }  // F
  int half() const { return n_fft / 2; }
  // Rows before that of frame 0.
  std::int64_t lead_rows() const { return (half() + hop - 1) / hop - 1; }
  // All rows of a song of T frames of audio.
  std::int64_t rows(std::int64_t frames) const {
    return lead_rows() + (frames + half() + hop - 1) / hop;
  }
};

// {"n_fft":, "hop":, "window": "hann", "bins":}, as index and track files say it, and back: none
// for anything else.
nlohmann::json ToJson(const SpectrogramFormat& format);
std::optional<SpectrogramFormat> SpectrogramFormatFrom(const nlohmann::json& json);

}  // namespace stemsmith
