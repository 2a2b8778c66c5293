#include "datasets/cache/spectrogram_format.h"

#include "core/json_fields.h"

namespace stemsmith {

nlohmann::json ToJson(const SpectrogramFormat& format) {
  return {
      {"n_fft", format.n_fft}, {"hop", format.hop}, {"window", "hann"}, {"bins", format.bins()}};
}

std::optional<SpectrogramFormat> SpectrogramFormatFrom(const nlohmann::json& json) {
  try {
    const JsonFields fields(json,
                            [](const std::string& problem) { return Error::Input(problem, ""); });
    SpectrogramFormat format;
    format.n_fft = fields.Number<int>("n_fft", {2, SpectrogramFormat::kLargestFft});
    format.hop = fields.Number<int>("hop", {1, format.half()});
    const bool valid = format.n_fft % 2 == 0 && fields.Text("window") == "hann" &&
                       fields.Number<std::int64_t>("bins") == format.bins();
    return valid ? std::optional(format) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace stemsmith
