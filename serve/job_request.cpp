#include "serve/job_request.h"

#include <algorithm>

#include "core/error.h"
#include "core/json_fields.h"
#include "core/text.h"

namespace stemsmith {

namespace {
constexpr std::size_t kMostMixes = 16;
}  // namespace

JobRequest JobRequest::FromJson(const nlohmann::json& json) {
  const JsonFields fields(json, [](const std::string& problem) {
    return Error::Usage(problem, "", "see /api/v1/openapi.yaml");
  });
  JobRequest request;
  if (fields.Has("stems")) request.choice.stems = fields.Texts("stems");
  if (fields.Has("mixes")) request.choice.mixes = fields.Texts("mixes");
  if (request.choice.mixes.size() > kMostMixes)
    throw Error::Usage("a job has at most " + std::to_string(kMostMixes) + " mixes", "mixes",
                       "make several jobs of them");
  for (const std::string& mix : request.choice.mixes)
    if (std::any_of(mix.begin(), mix.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
      throw Error::Usage("a mix holds control characters", "mixes", "write its name without them");
  request.choice.preset = fields.Text("preset", "");
  request.choice.two_stems = fields.Text("two_stems", "");
  request.shifts = fields.Number<int>("shifts", {0, kMostShifts}, 0);
  return request;
}

nlohmann::json JobRequest::ToJson() const {
  nlohmann::json json = nlohmann::json::object();
  if (!choice.stems.empty()) json["stems"] = choice.stems;
  if (!choice.mixes.empty()) json["mixes"] = choice.mixes;
  if (!choice.preset.empty()) json["preset"] = choice.preset;
  if (!choice.two_stems.empty()) json["two_stems"] = choice.two_stems;
  if (shifts > 0) json["shifts"] = shifts;
  return json;
}

std::vector<std::string> JobRequest::Files(const std::vector<std::string>& model_stems) const {
  std::vector<std::string> names;
  for (const StemMix& mix : FilesOf(choice, model_stems)) names.push_back(mix.name);
  return names;
}

std::vector<std::string> JobRequest::Options() const {
  std::vector<std::string> options;
  if (!choice.stems.empty()) options.push_back("--stems=" + JoinNames(choice.stems, ","));
  for (const std::string& mix : choice.mixes) options.push_back("--mix=" + mix);
  if (!choice.preset.empty()) options.push_back("--preset=" + choice.preset);
  if (!choice.two_stems.empty()) options.push_back("--two-stems=" + choice.two_stems);
  if (shifts > 0) options.push_back("--shifts=" + std::to_string(shifts));
  return options;
}

}  // namespace stemsmith
