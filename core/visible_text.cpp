#include "core/visible_text.h"

#include "core/text.h"

namespace stemsmith {

std::string VisibleText(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // In UTF-8 U+0080 to U+009F, which terminals obey as they do ESC, are two bytes.
    const bool is_pair = byte == 0xc2 && i + 1 < text.size() && (text[i + 1] & 0xe0) == 0x80;
    if (is_pair)
      shown += Formatted("\\x%02x", static_cast<unsigned char>(text[++i]));
    else if (byte == '\n')
      shown += "\\n";
    else if (byte == '\t')
      shown += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      shown += Formatted("\\x%02x", byte);
    else
      shown += text[i];
  }
  return shown;
}

}  // namespace stemsmith
