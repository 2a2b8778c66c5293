// Options of the programs whose values CLI11 would let pass: its numbers may be "nan", wrap -1, and
// an empty text is the default; an empty list is none.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/device.h"
#include "core/names.h"
#include "core/numbers.h"
#include "core/text.h"

namespace stemsmith {

namespace checked_options {
template <typename T>
struct Value {
  using Type = T;
};
template <typename T>
struct Value<std::optional<T>> {
  using Type = T;
};
}  // namespace checked_options

// Adds an option "--overlap" whose value, a number or an optional one, is of the range; throws
// Error (wrong use) in the parse where it is not. `value` must outlive the parse.
template <typename T>
CLI::Option* AddNumber(CLI::App& app, const std::string& names, T& value,
                       const Range<typename checked_options::Value<T>::Type>& range,
                       const std::string& description) {
  using Number = typename checked_options::Value<T>::Type;
  const std::string name = names.substr(names.rfind(',') + 1);
  CLI::Option* option = app.add_option_function<std::string>(
      names,
      [&value, range, name](const std::string& text) {
        value = RequireNumber(text, range, name, "");
      },
      description);
  const bool whole = std::integral<Number>;
  std::string kind = whole ? "INT" : "NUMBER";
  if (range.high != Range<Number>().high)
    kind += " in [" + NumberText(range.low) + " - " + NumberText(range.high) + "]";
  option->type_name(kind);
  if constexpr (std::is_same_v<T, Number>)
    option->default_function([&value] { return NumberText(value); });
  return option;
}

// Adds "--device"; throws Error (wrong use) in the parse for what is none. `device` must outlive
// the parse.
inline CLI::Option* AddDevice(CLI::App& app, Device& device, const std::string& description) {
  return app
      .add_option_function<std::string>(
          "--device", [&device](const std::string& name) { device = name; },
          description + ": auto, cpu, cuda, or cuda:1 for the second GPU")
      ->type_name("DEVICE")
      ->default_function([&device] { return device.Name(); })
      ->capture_default_str();
}

// Adds an option whose value is one of `words`; throws Error (wrong use), naming the nearest, in
// the parse for another. `value` must outlive the parse.
inline CLI::Option* AddWord(CLI::App& app, const std::string& name, std::string& value,
                            const std::vector<std::string>& words, const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [&value, words, name](const std::string& text) {
            value = words[RequireName(text, words, "unknown word '" + text + "'", name)];
          },
          description)
      ->type_name("{" + JoinNames(words, ",") + "}")
      ->default_function([&value] { return value; });
}

// Adds an option whose value is a list of names with commas between, "drums,bass". A name given
// twice counts once; throws Error (wrong use) where one is empty. `names` must outlive the parse.
inline CLI::Option* AddNames(CLI::App& app, const std::string& option_name,
                             std::vector<std::string>& names, const std::string& description) {
  const auto read = [&names, option_name](const std::vector<std::string>& texts) {
    names.clear();
    for (std::string text : texts) {
      text += ',';
      for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = text.find(',', begin);
        const std::string name = text.substr(begin, end - begin);
        if (name.empty()) throw Error::Usage("a name in " + option_name + " is empty", "");
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        begin = end + 1;
      }
    }
  };
  CLI::Option* option =
      app.add_option_function<std::vector<std::string>>(option_name, read, description);
  option->default_function([&names] { return JoinNames(names); });
  return option->type_name("NAMES");
}

// Adds an option whose value is a list of numbers with commas between, "100,2000"; throws Error
// (wrong use) in the parse for one that is not of the range. `numbers` must outlive the parse.
template <typename T>
CLI::Option* AddNumbers(CLI::App& app, const std::string& name, std::vector<T>& numbers,
                        const Range<T>& range, const std::string& description) {
  const auto read = [&numbers, range, name](const std::vector<std::string>& lists) {
    numbers.clear();
    for (const std::string& list : lists) {
      for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        numbers.push_back(
            RequireNumber(list.substr(begin, end - begin), range, "a number of " + name, ""));
        begin = end + 1;
      }
    }
  };
  return app.add_option_function<std::vector<std::string>>(name, read, description)
      ->type_name("NUMBERS")
      ->allow_extra_args(false);
}

// A check of an option: "" is nobody's folder, file or name.
inline std::string IsNotEmpty(const std::string& value) {
  return value.empty() ? "its value is empty" : "";
}

}  // namespace stemsmith
