// Options in messages. A library knows an option by its name alone ("overlap"); whether people give
// it as a flag, as a field of a struct or of a request is known to who shows the message.
#pragma once

#include <string>
#include <string_view>

namespace stemsmith {

// The option `name`, and what to give for it, within a text: marked, so that ShowOptions finds it.
std::string Option(std::string_view name, std::string_view value = "");

// The name of the option that `text` begins with, or "".
std::string OptionIn(std::string_view text);

enum class OptionStyle {
  kFlag,  // --device cpu
  kName,  // device=cpu
};
// `text` as people read it.
std::string ShowOptions(std::string_view text, OptionStyle style);

}  // namespace stemsmith
