// What the pages that we write have in common: text as HTML, data in it, the look.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stemsmith {

// The rules of style that all pages begin with; Palette() comes before them.
extern const char kBaseCss[];

// Text as it may stand between tags and in quoted attributes; bytes that are no UTF-8 become "?".
std::string Escaped(std::string_view text);
// "data:TYPE;base64,…".
std::string DataUri(const std::string& type, std::string_view bytes);
// As it may stand within <script>; bytes that are no UTF-8 become "?".
std::string ScriptJson(const nlohmann::json& json);
// `page` with its marks ("{{TITLE}}"), which `parts` names in their order, filled in. What is
// filled in is not looked at again: a song may be called {{DATA}}.
std::string FilledIn(std::string page,
                     const std::vector<std::pair<const char*, std::string>>& parts);

// A number by a format of printf, or "–" where it is none.
std::string FigureText(const char* format, double value);
// An item of <dl class="facts">. Escapes the value.
std::string Fact(const std::string& name, const std::string& value);
// --c1 to --c8, the colours of stems, for both grounds.
std::string Palette();
// A dot in one of them, of StemColourIndices().
std::string ColourDot(int colour);
// Around a spectrogram (class `view`): frequencies at the left, seconds below.
std::string SpectrogramAxes(double seconds, int sample_rate_hz);

}  // namespace stemsmith
