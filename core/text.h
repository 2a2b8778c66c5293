// Parts that many messages are made of.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

namespace stemsmith {

// "drums, bass, vocals": the items, or what `name` (a member or a function) gives of each.
template <typename Range, typename Name = std::identity>
std::string JoinNames(const Range& items, Name name = {}) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += ", ";
    text += std::invoke(name, item);
  }
  return text;
}

// "2.35 s".
inline std::string SecondsText(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", seconds);
  return text;
}
inline std::string SecondsText(std::int64_t frames, int sample_rate_hz) {
  return SecondsText(static_cast<double>(frames) / sample_rate_hz);
}

}  // namespace stemsmith
