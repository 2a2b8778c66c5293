#include "core/utc_text.h"

namespace stemsmith {

std::string UtcText(const char* format, std::time_t when) {
  std::tm utc{};
  gmtime_r(&when, &utc);
  char text[100];
  return std::string(text, std::strftime(text, sizeof text, format, &utc));
}

}  // namespace stemsmith
