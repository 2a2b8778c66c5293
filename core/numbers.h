// Numbers from outside (command lines, configurations, tables, the environment): the one reader of
// them all. The whole text must be the number, written with a point whatever the locale; "", " 1",
// "nan", "inf", "1e999", "0x10" and "1,5" are none.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace stemsmith {

// Finite.
std::optional<double> ParseNumber(std::string_view text);
// "8" and, as people write steps, "1e6" and "8.0"; no fraction.
std::optional<std::int64_t> ParseInteger(std::string_view text);
// The same of what may be larger than any int64_t: seeds.
std::optional<std::uint64_t> ParseUnsigned(std::string_view text);

// As short as it reads back the same: "0.25", "44100".
std::string NumberText(double value);
template <std::integral T>
std::string NumberText(T value) {
  return std::to_string(value);
}

// What a number may be, ends included.
template <typename T>
struct Range {
  T low = std::numeric_limits<T>::lowest();
  T high = std::numeric_limits<T>::max();
  bool Holds(T value) const { return value >= low && value <= high; }
};
// "a whole number from 1 to 64", "a number of at least 0", "a whole number".
template <typename T>
std::string RangeText(const Range<T>& range) {
  std::string text = std::integral<T> ? "a whole number" : "a number";
  const bool low = range.low != std::numeric_limits<T>::lowest() || std::unsigned_integral<T>;
  const bool high = range.high != std::numeric_limits<T>::max();
  if (low && high) return text + " from " + NumberText(range.low) + " to " + NumberText(range.high);
  if (low) return text + " of at least " + NumberText(range.low);
  if (high) return text + " of at most " + NumberText(range.high);
  return text;
}

// The number that `text` is, where it lies in the range.
template <typename T>
std::optional<T> NumberIn(std::string_view text, const Range<T>& range) {
  if constexpr (std::floating_point<T>) {
    const auto value = ParseNumber(text);
    if (value && range.Holds(*value)) return *value;
  } else if constexpr (std::unsigned_integral<T>) {
    const auto value = ParseUnsigned(text);
    if (value && *value <= std::numeric_limits<T>::max() && range.Holds(static_cast<T>(*value)))
      return static_cast<T>(*value);
  } else {
    const auto value = ParseInteger(text);
    if (value && *value >= std::numeric_limits<T>::lowest() &&
        *value <= std::numeric_limits<T>::max() && range.Holds(static_cast<T>(*value)))
      return static_cast<T>(*value);
  }
  return std::nullopt;
}

// The same; throws Error "--overlap must be a number from 0 to 1, not 'nan'".
template <typename T>
T RequireNumber(std::string_view text, const Range<T>& range, const std::string& name,
                const std::string& where, const std::string& advice = "") {
  if (const auto value = NumberIn(text, range)) return *value;
  throw Error::Usage(
      name + " must be " + RangeText(range) + ", not '" + std::string(text.substr(0, 100)) + "'",
      where, advice);
}

}  // namespace stemsmith
