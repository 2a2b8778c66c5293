#include "html/html.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/text.h"
#include "picture/picture_axis.h"
#include "picture/stem_colours.h"

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

std::string ScriptJson(const nlohmann::json& json) {
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;  // nothing may look like a tag
  safe.reserve(text.size());
  for (const char letter : text) letter == '<' ? safe += "\\u003c" : safe += letter;
  return safe;
}

std::string FilledIn(std::string page,
                     const std::vector<std::pair<const char*, std::string>>& parts) {
  std::size_t at = 0;
  for (const auto& [mark, text] : parts) {
    at = page.find(mark, at);
    page.replace(at, std::string_view(mark).size(), text);
    at += text.size();
  }
  return page;
}

std::string FigureText(const char* format, double value) {
  return std::isfinite(value) ? Formatted(format, value) : "–";
}

std::string Fact(const std::string& name, const std::string& value) {
  return "<div><dt>" + name + "</dt><dd>" + Escaped(value) + "</dd></div>\n";
}

std::string Palette() {
  const auto rules = [](bool dark) {
    std::string text = ":root {";
    for (int i = 0; i < kStemColours; ++i)
      text += " --c" + std::to_string(i + 1) + ": " + HexColour(StemColour(i, dark)) + ";";
    return text + " }";
  };
  return rules(false) + "\n@media screen and (prefers-color-scheme: dark) { " + rules(true) + " }";
}

std::string ColourDot(int colour) {
  return "<span class=\"dot\" style=\"background:var(--c" + std::to_string(colour + 1) +
         ")\"></span>";
}

std::string SpectrogramAxes(double seconds, int sample_rate_hz) {
  std::string html;
  const auto add = [&](const AxisMark& mark, const std::string& style) {
    html += "<span class=\"" + style + FigureText("%.1f", 100 * mark.place) + "%\">" + mark.label +
            "</span>";
  };
  for (const AxisMark& mark : FrequencyMarks(sample_rate_hz)) add(mark, "hertz\" style=\"bottom:");
  for (const AxisMark& mark : TimeMarks(seconds)) add(mark, "seconds\" style=\"left:");
  return html;
}

}  // namespace stemsmith
