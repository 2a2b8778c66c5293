// Parts that many messages are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

namespace stemsmith {

// The text that printf would write.
[[gnu::format(printf, 1, 2)]] std::string Formatted(const char* format, ...);

// "drums, bass, vocals": the items (texts or numbers), or what `name` (a member or a function)
// gives of each, with `between` between them.
template <typename Range, typename Name = std::identity>
std::string JoinNames(const Range& items, std::string_view between = ", ", Name name = {}) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += between;
    if constexpr (std::is_arithmetic_v<std::decay_t<std::invoke_result_t<Name, decltype(item)>>>)
      text += std::to_string(std::invoke(name, item));
    else
      text += std::invoke(name, item);
  }
  return text;
}

// With small letters for capital ones, of ASCII alone.
std::string LowerCase(std::string text);

// Up to the first line feed.
std::string_view FirstLine(std::string_view text);

bool Holds(std::string_view text, std::string_view part);

// 75 → "1:15", 3700 → "1:01:40".
std::string FormatDuration(double seconds);
// 1536 → "1.5 KiB".
std::string FormatBytes(double bytes);
// "2.35 s".
std::string SecondsText(double seconds);
std::string SecondsText(std::int64_t frames, int sample_rate_hz);

}  // namespace stemsmith
