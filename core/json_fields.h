// The fields of a JSON object that comes from a file, each checked as it is read: there, of its
// kind, a number that is whole where it must be (2.5 is none, nor are true and "2") and in range.
#pragma once

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/numbers.h"

namespace stemsmith {

// The value that `text` is. `discarded` (is_object() and the like are false) where it is no JSON or
// nested more deeply than any file of ours, which would be a fault in those who walk it.
nlohmann::json ParseJson(std::string_view text);

// Why `text`, which somebody has written by hand, is not what it seems to be: where it ends to be
// JSON ("line 2, column 7"), or a key that stands twice in one map, of which parsers take the last.
// "" where nothing is wrong.
std::string JsonProblem(std::string_view text);

// How records and states hold a figure: JSON has no NaN and no infinity.
inline nlohmann::json FiniteOrNull(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

class JsonFields {
 public:
  // What is thrown of a problem such as "'channels' is 2.5, not a whole number from 1 to 64".
  using Fault = std::function<Error(const std::string& problem)>;
  // Reads from `object`, which must outlive this; a fault where it is no object.
  JsonFields(const nlohmann::json& object, Fault fault);

  bool Has(const char* key) const { return object_.contains(key); }
  // The value, whatever it is.
  const nlohmann::json& Value(const char* key) const;
  JsonFields Object(const char* key) const;
  // Of each item of a list.
  void ForEach(const char* key, const std::function<void(const JsonFields& item)>& read) const;

  template <typename T>
  T Number(const char* key, const Range<T>& range = {}) const {
    return NumberOf(Value(key), key, range);
  }
  template <typename T>
  T Number(const char* key, const Range<T>& range, T missing) const {
    return Has(key) ? Number(key, range) : missing;
  }
  template <typename T>
  std::vector<T> Numbers(const char* key, const Range<T>& range = {}) const {
    std::vector<T> numbers;
    for (const auto& item : Items(key)) numbers.push_back(NumberOf(item, key, range));
    return numbers;
  }
  std::string Text(const char* key) const;
  std::string Text(const char* key, const std::string& missing) const;
  std::vector<std::string> Texts(const char* key) const;
  bool Bool(const char* key) const;

  // To be thrown of what the reader finds wrong itself.
  Error Problem(const std::string& problem) const { return fault_(problem); }

 private:
  const nlohmann::json& Items(const char* key) const;  // a list
  [[noreturn]] void Refuse(const char* key, const nlohmann::json& value,
                           const std::string& wanted) const;

  template <typename T>
  T NumberOf(const nlohmann::json& value, const char* key, const Range<T>& range) const {
    if constexpr (std::floating_point<T>) {
      if (value.is_number() && range.Holds(value.get<T>())) return value.get<T>();
    } else if (value.is_number_unsigned()) {
      const auto number = value.get<std::uint64_t>();
      if (std::in_range<T>(number) && range.Holds(static_cast<T>(number)))
        return static_cast<T>(number);
    } else if (value.is_number_integer()) {
      const auto number = value.get<std::int64_t>();
      if (std::in_range<T>(number) && range.Holds(static_cast<T>(number)))
        return static_cast<T>(number);
    }
    Refuse(key, value, RangeText(range));
  }

  const nlohmann::json& object_;
  Fault fault_;
};

}  // namespace stemsmith
