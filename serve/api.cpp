#include "serve/api.h"

#include <algorithm>

#include "audio/encode_formats.h"
#include "picture/stem_colours.h"
#include "separate/separator.h"
#include "separate/stem_mix.h"
#include "serve/answers.h"
#include "serve/openapi.h"
#include "stemsmith_version.h"

namespace stemsmith {

namespace {

constexpr int kFilesAtOnce = 2;  // that are made side by side
constexpr std::int64_t kRoomBytes = std::int64_t{64} << 20;  // stays free on the disk

}  // namespace

Api::Api(ServeParts& parts, JobEvents& events, Workers* workers, const Access& access,
         const Runs& runs)
    : parts_(parts),
      events_(events),
      workers_(workers),
      access_(access),
      runs_(runs),
      uploads_(parts),
      maker_(kFilesAtOnce) {}

std::vector<HttpRoute> Api::Routes() {
  std::vector<HttpRoute> routes;
  for (const auto part : {&Api::SongRoutes, &Api::UploadRoutes, &Api::JobRoutes, &Api::FileRoutes,
                     &Api::GeneralRoutes})
    for (HttpRoute& route : (this->*part)()) routes.push_back(std::move(route));
  return routes;
}

StoredSong Api::RequireSong(const HttpRequest& request) {
  const std::string& id = request.parts.at("song");
  if (auto song = IsId(id) ? parts_.store.FindSong(id) : std::nullopt) return *song;
  throw HttpError(404, "There is no such song.");
}

StoredJob Api::RequireJob(const HttpRequest& request) {
  const std::string& id = request.parts.at("job");
  if (auto job = IsId(id) ? parts_.store.Find(id) : std::nullopt) return *job;
  throw HttpError(404, "There is no such job.");
}

StoredJob Api::RequireDone(const HttpRequest& request) {
  StoredJob job = RequireJob(request);
  if (job.state != JobState::kDone)
    throw HttpError(409, std::string("The job is ") + JobStateName(job.state) +
                             "; it has files once it is done.");
  return job;
}

void Api::CheckRoom(std::int64_t bytes) {
  // What is larger than any song is refused as such.
  bytes = std::clamp<std::int64_t>(bytes, 0, parts_.limits.upload_bytes);
  CheckFree(bytes + kRoomBytes);
}

void Api::CheckFree(std::int64_t bytes) const {
  if (parts_.data.FreeBytes() < bytes)
    throw HttpError(507, "The server's disk is full; remove earlier songs, or ask whoever runs it.");
}

bool Api::RemoveSong(const std::string& id) {
  if (!parts_.store.RemoveSong(id)) return false;
  std::error_code code;
  std::filesystem::remove_all(parts_.data.Song(id), code);
  return true;
}

HttpResponse Api::Offer() {
  nlohmann::json models = nlohmann::json::array();
  for (const ServedModel& model : parts_.models->All()) {
    nlohmann::json presets = nlohmann::json::array();
    for (const StemPreset& preset : StemPresetTable()) {
      try {
        preset.files(model.stems);
        presets.push_back(preset.name);
      } catch (const Error&) {  // not of this model
      }
    }
    nlohmann::json row = {{"name", model.name},
                          {"kind", model.kind},
                          {"stems", model.stems},
                          {"sample_rate_hz", model.sample_rate_hz},
                          {"channels", model.channels},
                          {"presets", presets}};
    if (!model.problem.empty()) row["problem"] = model.problem;
    models.push_back(std::move(row));
  }
  nlohmann::json formats = nlohmann::json::array();
  for (const FormatRow& format : FormatTable()) {
    nlohmann::json bits = nlohmann::json::array();
    for (const SampleFormat sample : format.sample_formats) bits.push_back(SampleFormatName(sample));
    formats.push_back({{"name", format.name},
                       {"ending", format.ending},
                       {"summary", format.summary},
                       {"lossy", format.lossy()},
                       {"bits", bits},
                       {"many_streams", format.many_streams},
                       {"stem_counts", format.many_streams ? nlohmann::json{kStemsOfOneFile}
                                                           : nlohmann::json::array()}});
  }
  nlohmann::json presets = nlohmann::json::array();
  for (const StemPreset& preset : StemPresetTable())
    presets.push_back({{"name", preset.name}, {"summary", preset.summary}});
  nlohmann::json colours = nlohmann::json::array();
  for (int i = 0; i < kStemColours; ++i)
    colours.push_back(
        {{"light", HexColour(StemColour(i, false))}, {"dark", HexColour(StemColour(i, true))}});
  return JsonResponse({{"models", models},
               {"colours", colours},
               {"formats", formats},
               {"presets", presets},
               {"limits",
                {{"upload_bytes", parts_.limits.upload_bytes},
                 {"song_seconds", parts_.limits.song_seconds},
                 {"queue", parts_.limits.queue}}}});
}

HttpResponse Api::Metrics() {
  std::string text;
  const auto add = [&text](const std::string& name, const std::string& kind,
                           const std::string& help,
                           const std::vector<std::pair<std::string, std::int64_t>>& values) {
    text += "# HELP stemsmith_" + name + " " + help + "\n# TYPE stemsmith_" + name + " " + kind +
            "\n";
    for (const auto& [labels, value] : values)
      text += "stemsmith_" + name + labels + " " + std::to_string(value) + "\n";
  };
  const QueueFigures jobs = parts_.store.Figures();
  add("jobs", "gauge", "Jobs in the store, by their state.",
      {{"{state=\"queued\"}", jobs.queued},
       {"{state=\"running\"}", jobs.running},
       {"{state=\"done\"}", jobs.done},
       {"{state=\"failed\"}", jobs.failed},
       {"{state=\"cancelled\"}", jobs.cancelled}});
  add("songs", "gauge", "Songs in the store.", {{"", jobs.songs}});
  add("stored_bytes", "gauge", "Bytes of songs and stems in the store.", {{"", jobs.bytes}});
  add("queue_limit", "gauge", "Jobs that may wait.", {{"", parts_.limits.queue}});
  add("disk_free_bytes", "gauge", "Bytes free on the disk of the data folder.",
      {{"", parts_.data.FreeBytes()}});
  if (server_ != nullptr) {
    const HttpFigures http = server_->figures();
    add("http_connections", "gauge", "Open connections.", {{"", http.connections}});
    add("http_event_streams", "gauge", "Open streams of events.", {{"", http.event_streams}});
    add("http_received_bytes_total", "counter", "Bytes of bodies received.",
        {{"", http.received_bytes}});
    add("http_sent_bytes_total", "counter", "Bytes of bodies sent.", {{"", http.sent_bytes}});
    std::vector<std::pair<std::string, std::int64_t>> answers;
    for (const auto& [status, count] : http.answers)
      answers.emplace_back("{status=\"" + std::to_string(status) + "\"}", count);
    add("http_answers_total", "counter", "Answers, by their status.", answers);
  }
  HttpResponse response{.content_type = "text/plain; version=0.0.4; charset=utf-8"};
  response.body = text;
  response.headers = {{"Cache-Control", "no-store"}};
  return response;
}

std::vector<HttpRoute> Api::GeneralRoutes() {
  return {
      {.method = "GET",
       .pattern = "/api/v1/health",
       .answer =
           [this](HttpRequest&) {
             const QueueFigures jobs = parts_.store.Figures();
             return JsonResponse({{"status", "ok"},
                          {"version", STEMSMITH_VERSION},
                          {"store", parts_.store.Description()},
                          {"workers", workers_ == nullptr ? 0 : workers_->count()},
                          {"queued", jobs.queued},
                          {"running", jobs.running},
                          {"queue_limit", parts_.limits.queue}});
           }},
      {.method = "POST",
       .pattern = "/api/v1/session",
       .answer =
           [this](HttpRequest& request) {
             const nlohmann::json json = JsonBody(request);
             CheckKeys(json, {"token"});
             if (!json.contains("token") || !json["token"].is_string())
               throw HttpError(422, "The key 'token' must be a text.");
             const std::string token = json["token"];
             if (!access_.IsToken(token)) throw HttpError(401, "This is not the token.");
             HttpResponse response{.status = 204};
             response.headers = {{"Set-Cookie", Access::Cookie(token, request.encrypted)},
                                 {"Cache-Control", "no-store"}};
             return response;
           }},
      {.method = "DELETE",
       .pattern = "/api/v1/session",
       .answer =
           [](HttpRequest& request) {
             HttpResponse response{.status = 204};
             response.headers = {{"Set-Cookie", Access::Cookie("", request.encrypted)}};
             return response;
           }},
      {.method = "GET",
       .pattern = "/api/v1/models",
       .answer = [this](HttpRequest&) { return Offer(); }},
      {.method = "GET",
       .pattern = "/api/v1/runs",
       .answer = [this](HttpRequest&) { return JsonResponse(runs_.List()); }},
      {.method = "GET",
       .pattern = "/runs/{run}",
       .answer = [this](HttpRequest& request) { return runs_.Page(request.parts.at("run")); }},
      {.method = "GET",
       .pattern = "/api/v1/openapi.yaml",
       .answer =
           [](HttpRequest&) {
             HttpResponse response{.content_type = "application/yaml"};
             response.body = openapi::kText;
             return response;
           }},
      {.method = "GET",
       .pattern = "/metrics",
       .answer = [this](HttpRequest&) { return Metrics(); }},
  };
}

}  // namespace stemsmith
