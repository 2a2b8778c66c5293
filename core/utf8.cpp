#include "core/utf8.h"

#include <locale.h>
#include <wctype.h>

#include "core/text.h"

namespace stemsmith {
namespace {

// Length of the UTF-8 sequence at `at`, 0 when there is none (RFC 3629: no surrogates, no overlong
// forms).
std::size_t Utf8Length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned second = byte(at + 1);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return tail(at + 1) && tail(at + 2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned second = byte(at + 1);
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
    return tail(at + 1) && tail(at + 2) && tail(at + 3) ? 4 : 0;
  }
  return 0;
}

// The letter of these bytes, which are UTF-8.
wint_t Decoded(const std::string& text, std::size_t at, std::size_t length) {
  if (length == 1) return static_cast<unsigned char>(text[at]);
  wint_t letter = static_cast<unsigned char>(text[at]) & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i)
    letter = letter << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
  return letter;
}

void Append(std::string& text, wint_t letter) {
  if (letter < 0x80) {
    text += static_cast<char>(letter);
    return;
  }
  const int tails = letter < 0x800 ? 1 : letter < 0x10000 ? 2 : 3;
  text += static_cast<char>((0xFF00u >> (tails + 1)) | letter >> (6 * tails));
  for (int i = tails - 1; i >= 0; --i)
    text += static_cast<char>(0x80u | (letter >> (6 * i) & 0x3Fu));
}

}  // namespace

std::string AsUtf8(const std::string& bytes, bool* changed) {
  std::string text;
  *changed = false;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = Utf8Length(bytes, at);
    if (length == 0) {
      text += Formatted("\\x%02X", static_cast<unsigned char>(bytes[at]));
      *changed = true;
      ++at;
    } else {
      text.append(bytes, at, length);
      at += length;
    }
  }
  return text;
}

std::string WithSmallLetters(const std::string& text) {
  // Debian's C library always has this locale; without it only ASCII has small letters.
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (locale == nullptr) return LowerCase(text);
  std::string small;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = Utf8Length(text, at);
    if (length == 0)
      small += text[at];
    else
      Append(small, towlower_l(Decoded(text, at, length), locale));
    at += length == 0 ? 1 : length;
  }
  return small;
}

}  // namespace stemsmith
