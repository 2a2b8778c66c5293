// What routes have in common: answers as JSON, and what users send, checked.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/numbers.h"
#include "serve/http/http.h"

namespace stemsmith {

inline constexpr char kRetrySeconds[] = "10";

HttpResponse JsonResponse(const nlohmann::json& json, int status = 200);

// "WHAT; ADVICE." of an error, for people.
std::string SentenceOf(const Error& error);

// What a user got wrong, as an answer.
template <typename Action>
auto Checked(Action action) {
  try {
    return action();
  } catch (const Error& error) {
    if (error.code() != ExitCode::kWrongUse) throw;
    throw HttpError(422, SentenceOf(error));
  }
}

// The JSON object of a request. Throws HttpError.
nlohmann::json JsonBody(const HttpRequest& request);
// Throws HttpError for keys that nobody knows.
void CheckKeys(const nlohmann::json& json, const std::vector<std::string>& known);

// Of the query; "" where it is missing.
std::string QueryText(const HttpRequest& request, const std::string& name);
template <typename T>
T QueryNumber(const HttpRequest& request, const std::string& name, const Range<T>& range,
              T missing) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return missing;
  return Checked([&] { return RequireNumber(found->second, range, name, ""); });
}

// Names with commas between.
std::vector<std::string> SplitNames(const std::string& text);

}  // namespace stemsmith
