#include "models/original_options.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/numbers.h"
#include "core/text.h"

namespace stemsmith {
namespace {

bool Same(const std::string& given, const std::string& wanted) {
  if (given == wanted || LowerCase(given) == wanted) return true;
  const auto number = ParseNumber(given), other = ParseNumber(wanted);
  return number && other && *number == *other;
}

}  // namespace

void RequireOption(const Config& config, const std::string& key, const std::string& value) {
  if (!config.Has(key)) return;
  const std::string given = config.String(key, value);
  if (Same(given, value)) return;
  throw Error::Usage(key + ": " + given + " is not supported; published models have " + value,
                     config.Where(key), "leave the option out");
}

void IgnoreOption(const Config& config, const std::string& key) {
  if (config.Has(key)) {
    config.Value(key);
  } else if (const auto keys = config.Keys();
             std::find(keys.begin(), keys.end(), key) != keys.end()) {
    config.String(key, "");  // null
  }
}

std::vector<std::int64_t> IntegersIn(const Config& config, const std::string& key,
                                     const std::vector<std::int64_t>& fallback, std::int64_t low,
                                     std::int64_t high) {
  const std::vector<double> given =
      config.Numbers(key, std::vector<double>(fallback.begin(), fallback.end()));
  const auto fits = [&](double number) {
    return number == std::floor(number) && number >= static_cast<double>(low) &&
           number <= static_cast<double>(high);
  };
  if (!std::all_of(given.begin(), given.end(), fits))
    throw Error::Usage(key + " takes whole numbers from " + std::to_string(low) + " to " +
                           std::to_string(high),
                       config.Where(key));
  return {given.begin(), given.end()};
}

}  // namespace stemsmith
