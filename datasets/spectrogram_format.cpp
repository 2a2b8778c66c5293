#include "datasets/spectrogram_format.h"

namespace stemsmith {

nlohmann::json ToJson(const SpectrogramFormat& format) {
  return {
      {"n_fft", format.n_fft}, {"hop", format.hop}, {"window", "hann"}, {"bins", format.bins()}};
}

std::optional<SpectrogramFormat> SpectrogramFormatFrom(const nlohmann::json& json) {
  SpectrogramFormat format;
  try {
    json.at("n_fft").get_to(format.n_fft);
    json.at("hop").get_to(format.hop);
    const bool valid = format.n_fft >= 2 && format.n_fft <= SpectrogramFormat::kLargestFft &&
                       format.n_fft % 2 == 0 && format.hop >= 1 && format.hop <= format.half() &&
                       json.at("window") == "hann" && json.at("bins") == format.bins();
    return valid ? std::optional(format) : std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace stemsmith
