// Names of enumerations: each has one table `kFoos` of rows, which NamesOf(Foo()) gives.
#pragma once

#include <optional>
#include <string_view>

namespace stemsmith {

template <typename Choice>
struct NamedChoice {
  Choice value;
  const char* name;
};

template <typename Choice>
constexpr const char* NameOf(Choice value) {
  for (const auto& row : NamesOf(value))
    if (row.value == value) return row.name;
  return "";
}
template <typename Choice>
constexpr std::optional<Choice> ChoiceNamed(std::string_view name) {
  for (const auto& row : NamesOf(Choice()))
    if (row.name == name) return row.value;
  return std::nullopt;
}

}  // namespace stemsmith
