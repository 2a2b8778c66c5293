#include "serve/api.h"

#include <thread>

#include "core/sha256.h"
#include "core/text.h"
#include "serve/answers.h"
#include "serve/job_json.h"
#include "serve/job_request.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

// What the query of an upload says of the job that it is for, as the JSON of another would.
nlohmann::json RequestInQuery(const HttpRequest& request) {
  nlohmann::json json = nlohmann::json::object();
  for (const char* key : {"model", "preset", "two_stems"})
    if (const std::string text = QueryText(request, key); !text.empty()) json[key] = text;
  for (const char* key : {"stems", "mixes"})
    if (const std::string text = QueryText(request, key); !text.empty())
      json[key] = SplitNames(text);
  if (request.query.contains("shifts"))
    json["shifts"] = QueryNumber<int>(request, "shifts", {0, kMostShifts}, 0);
  return json;
}

// Long bodies of routes that also take short ones: JSON of a request.
class SmallBodySink : public HttpBodySink {
 public:
  SmallBodySink(HttpRequest request, std::function<HttpResponse(HttpRequest&)> answer)
      : request_(std::move(request)), answer_(std::move(answer)) {}
  void Take(const char* bytes, std::size_t count) override {
    constexpr std::size_t kMost = 64 << 10;
    if (request_.body.size() + count > kMost)
      throw HttpError(413, "The body is longer than any that this takes.");
    request_.body.append(bytes, count);
  }
  HttpResponse Finish() override { return answer_(request_); }

 private:
  HttpRequest request_;
  const std::function<HttpResponse(HttpRequest&)> answer_;
};

}  // namespace

HttpResponse Api::AddJob(const std::string& song_id, const nlohmann::json& wanted) {
  const auto song = IsId(song_id) ? parts_.store.FindSong(song_id) : std::nullopt;
  if (!song) throw HttpError(422, "There is no such song; upload it first.");
  const std::string model_name = wanted.value("model", "");
  const ServedModel model = Checked([&] { return parts_.models->Find(model_name); });
  if (!model.problem.empty())
    throw HttpError(409, "The model '" + model.name + "' cannot be used now: " + model.problem + ".");
  const JobRequest request = Checked([&] { return JobRequest::FromJson(wanted); });
  const auto files = Checked([&] { return request.Files(model.stems); });
  nlohmann::json stored = request.ToJson();
  const std::string work =
      Sha256Of(nlohmann::json{song->sha256, model.fingerprint, stored}.dump());
  stored["files"] = files;
  stored["fingerprint"] = model.fingerprint;
  StoredJob job;
  JobStore::Submission submission;
  try {
    submission = parts_.store.Submit({.id = NewId(),
                                      .song = song->id,
                                      .title = song->name,
                                      .model = model.name,
                                      .request = stored.dump(),
                                      .work = work},
                                     parts_.limits.queue, job);
  } catch (const Error&) {
    if (parts_.store.FindSong(song->id)) throw;
    throw HttpError(422, "There is no such song; upload it first.");  // it was removed meanwhile
  }
  if (submission == JobStore::Submission::kFull)
    throw HttpError(429, "The queue is full: " + std::to_string(parts_.limits.queue) +
                             " jobs wait; try again later.",
                    {{"Retry-After", kRetrySeconds}});
  if (workers_ != nullptr) workers_->Wake();
  HttpResponse response = JsonResponse(JobJson(job, events_.SecondsLeft(job)),
                               submission == JobStore::Submission::kNew ? 201 : 200);
  response.headers.emplace_back("Location", "/api/v1/jobs/" + job.id);
  return response;
}

bool Api::RemoveJob(const StoredJob& job) {
  std::error_code code;
  try {
    if (!parts_.store.Remove(job.id)) return false;
  } catch (const Error&) {
    // On a full disk nothing can be removed from the database: what can be made again makes room.
    if (static_cast<std::intmax_t>(fs::remove_all(parts_.data.JobFiles(job.id), code)) <= 0) throw;
    if (!parts_.store.Remove(job.id)) return false;
  }
  fs::remove_all(parts_.data.Job(job.id), code);
  RemoveSong(job.song);
  events_.Removed(job.id);
  return true;
}

std::vector<HttpRoute> Api::JobRoutes() {
  return {
      {.method = "GET",
       .pattern = "/api/v1/jobs",
       .answer =
           [this](HttpRequest& request) {
             JobFilter filter{.search = QueryText(request, "search")};
             if (request.query.contains("state")) {
               filter.state = FindJobState(request.query["state"]);
               if (!filter.state)
                 throw HttpError(422, "state must be queued, running, done, failed or cancelled.");
             }
             filter.before = QueryNumber<std::int64_t>(request, "before", {1, INT64_MAX}, INT64_MAX);
             filter.limit = QueryNumber<int>(request, "limit", {1, 200}, 50);
             const std::vector<StoredJob> jobs = parts_.store.List(filter);
             nlohmann::json page = nlohmann::json::array();
             for (const StoredJob& job : jobs)
               page.push_back(JobJson(job, events_.SecondsLeft(job)));
             const bool more = static_cast<int>(jobs.size()) == filter.limit;
             return JsonResponse({{"jobs", page},
                          {"next", more ? nlohmann::json(jobs.back().number) : nullptr}});
           }},
      {.method = "POST",
       .pattern = "/api/v1/jobs",
       .take_body = [this](HttpRequest& request,
                           std::int64_t length) -> std::unique_ptr<HttpBodySink> {
         if (LowerCase(request.Header("Content-Type")).starts_with("application/json")) {
           return std::make_unique<SmallBodySink>(request, [this](HttpRequest& whole) {
             const nlohmann::json json = JsonBody(whole);
             CheckKeys(json, {"song", "model", "preset", "two_stems", "stems", "mixes", "shifts"});
             for (const char* key : {"song", "model"})
               if (json.contains(key) && !json[key].is_string())
                 throw HttpError(422, std::string("The key '") + key + "' must be a text.");
             if (!json.contains("song")) throw HttpError(422, "The key 'song' is missing.");
             return AddJob(json["song"], json);
           });
         }
         // What can be refused is refused before the song is sent.
         const nlohmann::json wanted = RequestInQuery(request);
         Checked([&] {
           const ServedModel model = parts_.models->Find(wanted.value("model", ""));
           return JobRequest::FromJson(wanted).Files(model.stems);
         });
         if (parts_.store.Figures().queued >= parts_.limits.queue)
           throw HttpError(429, "The queue is full; try again later.",
                           {{"Retry-After", kRetrySeconds}});
         CheckRoom(length);
         return uploads_.TakeSong(request, length, [this, wanted](const Uploads::Arrived& arrived) {
           try {
             return AddJob(arrived.song.id, wanted);
           } catch (const HttpError&) {  // nobody knows of the song
             if (arrived.is_new) RemoveSong(arrived.song.id);
             throw;
           }
         });
       }},
      {.method = "GET",
       .pattern = "/api/v1/jobs/{job}",
       .answer =
           [this](HttpRequest& request) {
             const StoredJob job = RequireJob(request);
             return JsonResponse(JobJson(job, events_.SecondsLeft(job)));
           }},
      {.method = "DELETE",
       .pattern = "/api/v1/jobs/{job}",
       .answer =
           [this](HttpRequest& request) {
             const StoredJob job = RequireJob(request);
             if (parts_.store.Cancel(job.id) && workers_ != nullptr) workers_->Wake();
             // One in work ends when its worker hears of it.
             for (int i = 0; i < 50; ++i) {
               if (RemoveJob(job)) break;
               if (!parts_.store.Find(job.id)) break;
               std::this_thread::sleep_for(std::chrono::milliseconds(100));
               if (i == 49)
                 throw HttpError(409, "The job is being stopped; remove it again in a moment.");
             }
             return HttpResponse{.status = 204};
           }},
      {.method = "POST",
       .pattern = "/api/v1/jobs/{job}/cancel",
       .answer =
           [this](HttpRequest& request) {
             const StoredJob job = RequireJob(request);
             if (!parts_.store.Cancel(job.id))
               throw HttpError(409, std::string("The job is ") + JobStateName(job.state) +
                                        "; only one that is queued or running can be cancelled.");
             return JsonResponse(JobJson(RequireJob(request), -1), 202);
           }},
      {.method = "GET",
       .pattern = "/api/v1/jobs/{job}/events",
       .answer =
           [this](HttpRequest& request) {
             const std::string id = RequireJob(request).id;
             HttpResponse response{.content_type = "text/event-stream"};
             response.events = events_.Of(id);
             const StoredJob job = RequireJob(request);  // as it is once nothing is missed
             response.first = {{"job", JobJson(job, events_.SecondsLeft(job)).dump()}};
             return response;
           }},
      {.method = "GET",
       .pattern = "/api/v1/events",
       .answer =
           [this](HttpRequest&) {
             HttpResponse response{.content_type = "text/event-stream"};
             response.events = events_.All();
             return response;
           }},
  };
}

}  // namespace stemsmith
