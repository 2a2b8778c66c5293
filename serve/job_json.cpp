#include "serve/job_json.h"

#include "core/json_fields.h"
#include "picture/stem_colours.h"

namespace stemsmith {

namespace {

nlohmann::json TextOrNull(const std::string& text) {
  return text.empty() ? nlohmann::json(nullptr) : nlohmann::json(text);
}

nlohmann::json ResultJson(const nlohmann::json& result) {
  if (!result.is_object()) return nullptr;
  const auto names = result.at("stems").get<std::vector<std::string>>();
  const std::vector<int> colours = StemColourIndices(names);
  nlohmann::json stems = nlohmann::json::array();
  for (std::size_t i = 0; i < names.size(); ++i)
    stems.push_back({{"name", names[i]}, {"colour", colours[i]}});
  return {{"seconds", result.at("seconds")},
          {"sample_rate_hz", result.at("sample_rate_hz")},
          {"channels", result.at("channels")},
          {"stems", stems}};
}

}  // namespace

nlohmann::json SongJson(const StoredSong& song) {
  nlohmann::json json = ParseJson(song.info);
  if (!json.is_object()) json = nlohmann::json::object();
  json["id"] = song.id;
  json["name"] = song.name;
  json["bytes"] = song.bytes;
  json["seconds"] = song.seconds;
  json["created_at"] = song.created_at;
  return json;
}

nlohmann::json JobJson(const StoredJob& job, double seconds_left) {
  nlohmann::json request = ParseJson(job.request);
  nlohmann::json files = nlohmann::json::array();
  if (request.is_object() && request.contains("files")) {
    files = request["files"];
    request.erase("files");
    request.erase("fingerprint");
    request["song"] = job.song;
    request["model"] = job.model;
  }
  return {{"id", job.id},
          {"number", job.number},
          {"song", job.song},
          {"title", job.title},
          {"model", job.model},
          {"request", request},
          {"stems", files},
          {"state", JobStateName(job.state)},
          {"progress", job.progress},
          {"place", job.place},
          {"seconds_left", seconds_left < 0 ? nlohmann::json(nullptr) : nlohmann::json(seconds_left)},
          {"attempts", job.attempts},
          {"message", TextOrNull(job.message)},
          {"created_at", job.created_at},
          {"started_at", TextOrNull(job.started_at)},
          {"finished_at", TextOrNull(job.finished_at)},
          {"result", ResultJson(ParseJson(job.result))}};
}

}  // namespace stemsmith
