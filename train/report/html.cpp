#include "train/report/html.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace stemsmith {

std::string Escaped(std::string_view text) {
  // nlohmann's writer knows what is UTF-8.
  const nlohmann::json checked =
      nlohmann::json::parse(nlohmann::json(std::string(text))
                                .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::string escaped;
  for (const char letter : checked.get<std::string>()) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

std::string DataUri(const std::string& type, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string uri = "data:" + type + ";base64,";
  uri.reserve(uri.size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t b = 0; b < 3; ++b)
      group = group << 8 | (b < count ? static_cast<std::uint8_t>(bytes[i + b]) : 0u);
    for (std::size_t digit = 0; digit < 4; ++digit)
      uri += digit <= count ? kDigits[group >> (18 - 6 * digit) & 63] : '=';
  }
  return uri;
}

}  // namespace stemsmith
