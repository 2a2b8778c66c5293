#include "core/numbers.h"

#include <charconv>
#include <cmath>

#include "core/text.h"

namespace stemsmith {
namespace {

// What std::from_chars reads, and of the plus that people write the number behind it.
template <typename T>
std::optional<T> Whole(std::string_view text) {
  const bool plus = text.starts_with('+');
  if (plus) text.remove_prefix(1);
  const bool digit = text.find_first_of("0123456789") != std::string_view::npos;
  if (!digit || (plus && text.starts_with('-'))) return std::nullopt;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Whole numbers beyond this are not exact as double.
constexpr double kLargestExact = 9007199254740992.0;

template <typename T>
std::optional<T> Integer(std::string_view text) {
  if (const auto value = Whole<T>(text)) return value;
  const auto number = ParseNumber(text);
  if (!number || *number != std::floor(*number) || std::abs(*number) > kLargestExact)
    return std::nullopt;
  if (std::unsigned_integral<T> && *number < 0) return std::nullopt;
  return static_cast<T>(*number);
}

}  // namespace

std::optional<double> ParseNumber(std::string_view text) {
  const auto value = Whole<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  return Integer<std::int64_t>(text);
}

std::optional<std::uint64_t> ParseUnsigned(std::string_view text) {
  return Integer<std::uint64_t>(text);
}

std::string NumberText(double value) {
  // Without an exponent where there is no fraction, as people write lengths.
  if (value == std::floor(value) && std::abs(value) < 1e15) return Formatted("%.0f", value);
  std::string text;
  for (int digits = 6; digits <= 17; ++digits) {
    text = Formatted("%.*g", digits, value);
    if (ParseNumber(text) == value) break;
  }
  return text;
}

}  // namespace stemsmith
