// What LibTorch's distributed part says of its failures.
#pragma once

#include <exception>
#include <string>

#include "core/text.h"

namespace stemsmith {

// Messages of c10d and Gloo go on with stack traces and hints for Python.
inline std::string FirstSentence(const std::exception& error) {
  std::string text(FirstLine(error.what()));
  if (text.starts_with('[')) {  // "[file:line] "
    if (const auto end = text.find("] "); end != std::string::npos) text = text.substr(end + 2);
  }
  text = text.substr(0, text.find(". "));
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace stemsmith
