#include "serve/answers.h"

#include <algorithm>

#include "core/json_fields.h"
#include "core/names.h"
#include "core/text.h"

namespace stemsmith {

std::string SentenceOf(const Error& error) {
  return error.problem() + (error.advice().empty() ? "" : "; " + error.advice()) + ".";
}

HttpResponse JsonResponse(const nlohmann::json& json, int status) {
  HttpResponse response{.status = status};
  response.body = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  response.headers = {{"Cache-Control", "no-store"}};
  return response;
}

nlohmann::json JsonBody(const HttpRequest& request) {
  const std::string type = LowerCase(request.Header("Content-Type"));
  if (type != "application/json" && !type.starts_with("application/json;"))
    throw HttpError(415, "This takes JSON; send 'Content-Type: application/json'.");
  nlohmann::json json = ParseJson(request.body);
  if (!json.is_object()) throw HttpError(400, "The body is no JSON object.");
  return json;
}

void CheckKeys(const nlohmann::json& json, const std::vector<std::string>& known) {
  for (const auto& [key, value] : json.items())
    Checked([&] { return RequireName(key, known, "there is no key '" + key + "'", ""); });
}

std::string QueryText(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? "" : found->second;
}

std::vector<std::string> SplitNames(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

}  // namespace stemsmith
