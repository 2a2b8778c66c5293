#include "core/option.h"

namespace stemsmith {
namespace {

// Brackets, and a character that is not seen and that nobody writes: file names may hold brackets.
constexpr std::string_view kOpen = "⟨\u2063", kClose = "\u2063⟩";

}  // namespace

std::string Option(std::string_view name, std::string_view value) {
  std::string text(kOpen);
  text += name;
  if (!value.empty()) (text += ' ') += value;
  return text += kClose;
}

std::string OptionIn(std::string_view text) {
  if (!text.starts_with(kOpen)) return "";
  text.remove_prefix(kOpen.size());
  const std::size_t end = text.find(kClose);
  if (end == text.npos) return "";
  return std::string(text.substr(0, std::min(end, text.find(' '))));
}

std::string ShowOptions(std::string_view text, OptionStyle style) {
  std::string shown;
  for (;;) {
    const std::size_t begin = text.find(kOpen), end = text.find(kClose, begin);
    if (end == text.npos) return shown += text;
    std::string option(text.substr(begin + kOpen.size(), end - begin - kOpen.size()));
    if (style == OptionStyle::kName) {
      if (const std::size_t space = option.find(' '); space != option.npos) option[space] = '=';
    }
    ((shown += text.substr(0, begin)) += style == OptionStyle::kFlag ? "--" : "") += option;
    text.remove_prefix(end + kClose.size());
  }
}

}  // namespace stemsmith
