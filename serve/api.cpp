#include "serve/api.h"

#include <algorithm>
#include <future>

#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/names.h"
#include "core/numbers.h"
#include "core/text.h"
#include "picture/stem_colours.h"
#include "separate/separator.h"
#include "serve/content_hash.h"
#include "serve/http/percent.h"
#include "serve/job_json.h"
#include "serve/job_request.h"
#include "serve/openapi.h"
#include "stemsmith_version.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

constexpr char kTus[] = "1.0.0";
constexpr int kFilesAtOnce = 2;      // that are made side by side
constexpr char kRetrySeconds[] = "10";
constexpr std::int64_t kRoomBytes = std::int64_t{64} << 20;  // stays free on the disk

HttpResponse Json(const nlohmann::json& json, int status = 200) {
  HttpResponse response{.status = status};
  response.body = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  response.headers = {{"Cache-Control", "no-store"}};
  return response;
}

// What a user got wrong, as an answer.
template <typename Action>
auto Checked(Action action) {
  try {
    return action();
  } catch (const Error& error) {
    if (error.code() != ExitCode::kWrongUse) throw;
    std::string text = error.problem();
    if (!error.advice().empty()) text += "; " + error.advice();
    throw HttpError(422, text + ".");
  }
}

nlohmann::json Body(const HttpRequest& request) {
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

template <typename T>
T QueryNumber(const HttpRequest& request, const std::string& name, const Range<T>& range,
              T missing) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return missing;
  return Checked([&] { return RequireNumber(found->second, range, name, ""); });
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

// base64 of tus' Upload-Metadata.
std::string FromBase64(const std::string& text) {
  std::string bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char letter : text) {
    if (letter == '=') break;
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t value = kLetters.find(letter);
    if (value == std::string_view::npos)
      throw HttpError(400, "Upload-Metadata is not pairs of a key and base64.");
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>(bits >> count & 0xff);
    }
  }
  return bytes;
}

std::string NameInMetadata(const std::string& metadata) {
  for (std::string pair : SplitNames(metadata)) {
    pair = pair.substr(std::min(pair.find_first_not_of(' '), pair.size()));
    const std::size_t space = pair.find(' ');
    if (pair.substr(0, space) == "filename" && space != std::string::npos)
      return FromBase64(pair.substr(space + 1));
  }
  return "";
}

std::int64_t NumberHeader(const HttpRequest& request, const std::string& name) {
  const auto number = NumberIn<std::int64_t>(request.Header(name), {0, INT64_MAX});
  if (!number) throw HttpError(400, "The header " + name + " must be a whole number of at least 0.");
  return *number;
}

void CheckTus(const HttpRequest& request) {
  if (request.Header("Tus-Resumable") != kTus)
    throw HttpError(412, "This speaks tus 1.0.0: send 'Tus-Resumable: 1.0.0'.",
                    {{"Tus-Version", kTus}});
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

// "Song (vocals).flac", as browsers save it.
std::string Disposition(const std::string& name) {
  std::string plain;
  for (const char letter : name)
    plain += static_cast<unsigned char>(letter) < 0x20 || static_cast<unsigned char>(letter) > 0x7e ||
                     letter == '"' || letter == '\\'
                 ? '_'
                 : letter;
  return "attachment; filename=\"" + plain + "\"; filename*=UTF-8''" + PercentEncoded(name);
}

// By the ending, which is that of a format.
std::string TypeOf(const FormatRow& format) {
  static const std::map<std::string, std::string> types = {
      {"wav", "audio/wav"},  {"rf64", "audio/wav"}, {"w64", "audio/x-w64"}, {"flac", "audio/flac"},
      {"alac", "audio/mp4"}, {"mp3", "audio/mpeg"}, {"ogg", "audio/ogg"},   {"opus", "audio/ogg"},
      {"m4a", "audio/mp4"},  {"stem.mp4", "video/mp4"}};
  const auto found = types.find(format.name);
  return found == types.end() ? "application/octet-stream" : found->second;
}

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
  if (parts_.data.FreeBytes() - bytes < kRoomBytes)
    throw HttpError(507, "The server's disk is full; remove earlier songs, or ask whoever runs it.");
}

std::vector<HttpRoute> Api::SongRoutes() {
  const auto answer = [](const Uploads::Arrived& arrived) {
    return Json(SongJson(arrived.song), arrived.is_new ? 201 : 200);
  };
  return {
      {.method = "POST",
       .pattern = "/api/v1/songs",
       .take_body =
           [this, answer](HttpRequest& request, std::int64_t length) {
             CheckRoom(length);
             return uploads_.TakeSong(request, length, answer);
           }},
      {.method = "GET",
       .pattern = "/api/v1/songs/{song}",
       .answer = [this](HttpRequest& request) { return Json(SongJson(RequireSong(request))); }},
      {.method = "DELETE",
       .pattern = "/api/v1/songs/{song}",
       .answer =
           [this](HttpRequest& request) {
             const StoredSong song = RequireSong(request);
             if (!parts_.store.RemoveSong(song.id))
               throw HttpError(409, "A job has this song; remove the job first.");
             std::error_code code;
             fs::remove_all(parts_.data.Song(song.id), code);
             return HttpResponse{.status = 204};
           }},
      {.method = "GET",
       .pattern = "/api/v1/songs/{song}/peaks",
       .answer =
           [this](HttpRequest& request) {
             const StoredSong song = RequireSong(request);
             const fs::path file = parts_.data.Song(song.id) / "peaks.json";
             Make(file, [&] {
               parts_.programs.WritePeaks(parts_.data.Source(song.id), file);
             });
             HttpResponse response{.headers = {{"Cache-Control", "private, no-cache"}}};
             response.file = file;
             response.etag = "peaks-" + song.sha256.substr(0, 16);
             return response;
           }},
  };
}

std::vector<HttpRoute> Api::UploadRoutes() {
  return {
      {.method = "OPTIONS",
       .pattern = "/api/v1/uploads",
       .answer =
           [this](HttpRequest&) {
             HttpResponse response{.status = 204};
             response.headers = {{"Tus-Resumable", kTus},
                                 {"Tus-Version", kTus},
                                 {"Tus-Extension", "creation,termination"},
                                 {"Tus-Max-Size", std::to_string(parts_.limits.upload_bytes)}};
             return response;
           }},
      {.method = "POST",
       .pattern = "/api/v1/uploads",
       .answer =
           [this](HttpRequest& request) {
             CheckTus(request);
             const std::int64_t length = NumberHeader(request, "Upload-Length");
             CheckRoom(length);
             HttpResponse response{.status = 201};
             response.headers = {
                 {"Tus-Resumable", kTus},
                 {"Location",
                  "/api/v1/uploads/" +
                      uploads_.Begin(length, NameInMetadata(request.Header("Upload-Metadata")))}};
             return response;
           }},
      {.method = "HEAD",
       .pattern = "/api/v1/uploads/{upload}",
       .answer =
           [this](HttpRequest& request) {
             CheckTus(request);
             const Uploads::State state = uploads_.Find(request.parts.at("upload"));
             HttpResponse response{.status = 200};
             response.headers = {{"Tus-Resumable", kTus},
                                 {"Upload-Offset", std::to_string(state.offset)},
                                 {"Upload-Length", std::to_string(state.length)},
                                 {"Cache-Control", "no-store"}};
             if (!state.song.empty()) response.headers.emplace_back("Stemsmith-Song", state.song);
             return response;
           }},
      {.method = "PATCH",
       .pattern = "/api/v1/uploads/{upload}",
       .take_body =
           [this](HttpRequest& request, std::int64_t length) {
             CheckTus(request);
             if (LowerCase(request.Header("Content-Type")) != "application/offset+octet-stream")
               throw HttpError(
                   415, "Pieces are sent as 'Content-Type: application/offset+octet-stream'.");
             CheckRoom(length);
             return uploads_.Continue(request.parts.at("upload"),
                                      NumberHeader(request, "Upload-Offset"));
           }},
      {.method = "DELETE",
       .pattern = "/api/v1/uploads/{upload}",
       .answer =
           [this](HttpRequest& request) {
             CheckTus(request);
             uploads_.Remove(request.parts.at("upload"));
             HttpResponse response{.status = 204};
             response.headers = {{"Tus-Resumable", kTus}};
             return response;
           }},
  };
}

HttpResponse Api::AddJob(const std::string& song_id, const nlohmann::json& wanted) {
  const auto song = IsId(song_id) ? parts_.store.FindSong(song_id) : std::nullopt;
  if (!song) throw HttpError(422, "There is no such song; upload it first.");
  const std::string model_name = wanted.value("model", "");
  const ServedModel model = Checked([&] { return parts_.models.Find(model_name); });
  if (!model.problem.empty())
    throw HttpError(409, "The model '" + model.name + "' cannot be used now: " + model.problem + ".");
  const JobRequest request = Checked([&] { return JobRequest::FromJson(wanted); });
  const auto files = Checked([&] { return request.Files(model.stems); });
  nlohmann::json stored = request.ToJson();
  const std::string work =
      ContentHashOf(nlohmann::json{song->sha256, model.fingerprint, stored}.dump());
  stored["files"] = files;
  StoredJob job;
  const auto submission = parts_.store.Submit({.id = NewId(),
                                               .song = song->id,
                                               .title = song->name,
                                               .model = model.name,
                                               .request = stored.dump(),
                                               .work = work},
                                              parts_.limits.queue, job);
  if (submission == JobStore::Submission::kFull)
    throw HttpError(429, "The queue is full: " + std::to_string(parts_.limits.queue) +
                             " jobs wait; try again later.",
                    {{"Retry-After", kRetrySeconds}});
  if (workers_ != nullptr) workers_->Wake();
  HttpResponse response = Json(JobJson(job, events_.SecondsLeft(job)),
                               submission == JobStore::Submission::kNew ? 201 : 200);
  response.headers.emplace_back("Location", "/api/v1/jobs/" + job.id);
  return response;
}

bool Api::RemoveJob(const StoredJob& job) {
  if (!parts_.store.Remove(job.id)) return false;
  std::error_code code;
  fs::remove_all(parts_.data.Job(job.id), code);
  if (parts_.store.RemoveSong(job.song)) fs::remove_all(parts_.data.Song(job.song), code);
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
             return Json({{"jobs", page},
                          {"next", more ? nlohmann::json(jobs.back().number) : nullptr}});
           }},
      {.method = "POST",
       .pattern = "/api/v1/jobs",
       .take_body = [this](HttpRequest& request,
                           std::int64_t length) -> std::unique_ptr<HttpBodySink> {
         if (LowerCase(request.Header("Content-Type")).starts_with("application/json")) {
           return std::make_unique<SmallBodySink>(request, [this](HttpRequest& whole) {
             const nlohmann::json json = Body(whole);
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
           const ServedModel model = parts_.models.Find(wanted.value("model", ""));
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
             std::error_code code;
             if (arrived.is_new && parts_.store.RemoveSong(arrived.song.id))
               fs::remove_all(parts_.data.Song(arrived.song.id), code);
             throw;
           }
         });
       }},
      {.method = "GET",
       .pattern = "/api/v1/jobs/{job}",
       .answer =
           [this](HttpRequest& request) {
             const StoredJob job = RequireJob(request);
             return Json(JobJson(job, events_.SecondsLeft(job)));
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
             return Json(JobJson(RequireJob(request), -1), 202);
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

void Api::Make(const fs::path& target, const std::function<void()>& make) {
  std::error_code code;
  if (fs::exists(target, code)) return;
  const WaitingPlace place(waiting_);
  std::promise<void> made;
  maker_.Make(
      target,
      [&] {
        if (fs::exists(target, code)) return;
        fs::create_directories(target.parent_path());
        make();
      },
      [&made](std::exception_ptr failure) {
        if (failure) made.set_exception(failure);
        else made.set_value();
      });
  made.get_future().get();
}

Api::WaitingPlace::WaitingPlace(std::atomic<int>& waiting) : waiting_(waiting) {
  if (++waiting_ > Api::kMostWaiting) {
    --waiting_;
    throw HttpError(503, "Many files are being made just now; try again in a few seconds.",
                    {{"Retry-After", "3"}});
  }
}

Api::WaitingPlace::~WaitingPlace() { --waiting_; }

HttpResponse Api::StemFile(const HttpRequest& request) {
  const StoredJob job = RequireDone(request);
  const auto names = ParseJson(job.result).at("stems").get<std::vector<std::string>>();
  const std::string& file = request.parts.at("file");
  const bool zip = file == "stems.zip";
  const std::string format_name = zip ? QueryText(request, "format") : "";
  // The longest ending that fits, so that stems.stem.mp4 is one of its own.
  const FormatRow* format = nullptr;
  std::string stem = "stems";
  if (zip) {
    format = Checked([&] { return &FindFormat(format_name.empty() ? "wav" : format_name); });
    if (format->many_streams)
      throw HttpError(422, "A file of this format holds all stems; take stems.stem.mp4 itself.");
  } else {
    const std::string wanted = QueryText(request, "format");  // of formats with one ending
    for (const FormatRow& row : FormatTable()) {
      if (!file.ends_with(row.ending) || file.size() <= std::string(row.ending).size()) continue;
      if (!wanted.empty() && row.name != wanted) continue;
      if (format == nullptr || std::string(row.ending).size() > std::string(format->ending).size())
        format = &row;
    }
    if (format == nullptr)
      throw HttpError(404, "There is no format with this ending; see /api/v1/models.");
    stem = file.substr(0, file.size() - std::string(format->ending).size());
    const bool known = format->many_streams
                           ? stem == "stems"
                           : std::find(names.begin(), names.end(), stem) != names.end();
    if (!known)
      throw HttpError(404, "The job has no file '" + stem + "'; it has " + JoinNames(names) + ".");
  }
  EncodeOptions encoding{.format = format->name};
  const std::string bits = QueryText(request, "bits");
  if (!bits.empty()) {
    for (const SampleFormat sample :
         {SampleFormat::kInt16, SampleFormat::kInt24, SampleFormat::kFloat32})
      if (bits == SampleFormatName(sample)) encoding.sample_format = sample;
    if (!encoding.sample_format) throw HttpError(422, "bits must be 16, 24 or 32f.");
  }
  const int kbps = QueryNumber<int>(request, "bitrate", {1, 1000}, 0);
  encoding.bit_rate = kbps * 1000;
  if (format->many_streams && names.size() != kStemsOfOneFile)
    throw HttpError(422, "A stem.mp4 holds " + std::to_string(kStemsOfOneFile) + " stems, and this job has " +
                             std::to_string(names.size()) + ".");
  if (format->many_streams) encoding.streams = names;
  Checked([&] { CheckEncodeOptions(encoding); return 0; });
  encoding.streams.clear();

  const std::string choice = std::string(format->name) + (bits.empty() ? "" : "." + bits) +
                             (kbps > 0 ? "." + std::to_string(kbps) : "");
  const fs::path target = parts_.data.JobFiles(job.id) / choice / (zip ? "stems.zip" : file);
  const SeparatedStems stems{.folder = StemsFolder(parts_.data, job),
                             .names = names,
                             .song = parts_.data.Source(job.song),
                             .decode = {}};
  Checked([&] {
    Make(target, [&] {
      if (zip)
        MakeZip(stems, job.title, encoding, target);
      else
        MakeStemFile(stems, stem, encoding, target);
    });
    return 0;
  });
  HttpResponse response{.content_type = zip ? "application/zip" : TypeOf(*format)};
  response.file = target;
  response.etag = HexHash(HashBytes(job.work + job.finished_at + target.string()));
  response.headers = {{"Cache-Control", "private, no-cache"}};
  if (QueryText(request, "download") == "1") {
    const std::string name = zip || format->many_streams ? job.title : job.title + " (" + stem + ")";
    response.headers.emplace_back(
        "Content-Disposition", Disposition(name + (zip ? ".zip" : format->ending)));
  }
  return response;
}

HttpResponse Api::Drawing(const StoredJob& job, const std::string& stem,
                          const std::string& ending) {
  const auto names = ParseJson(job.result).at("stems").get<std::vector<std::string>>();
  if (std::find(names.begin(), names.end(), stem) == names.end())
    throw HttpError(404, "The job has no file '" + stem + "'; it has " + JoinNames(names) + ".");
  const fs::path target = parts_.data.JobFiles(job.id) / "drawings" / (stem + ending);
  const fs::path wav = StemsFolder(parts_.data, job) / (stem + ".wav");
  const bool picture = ending == ".png";
  Make(target, [&] {
    picture ? parts_.programs.WriteSpectrogram(wav, target)
            : parts_.programs.WritePeaks(wav, target);
  });
  HttpResponse response{.content_type = picture ? "image/png" : "application/json"};
  response.file = target;
  response.etag = HexHash(HashBytes(job.work + job.finished_at + stem + ending));
  response.headers = {{"Cache-Control", "private, no-cache"}};
  return response;
}

std::vector<HttpRoute> Api::FileRoutes() {
  return {
      {.method = "GET",
       .pattern = "/api/v1/jobs/{job}/files/{file}",
       .answer = [this](HttpRequest& request) { return StemFile(request); }},
      {.method = "GET",
       .pattern = "/api/v1/jobs/{job}/peaks/{stem}",
       .answer =
           [this](HttpRequest& request) {
             return Drawing(RequireDone(request), request.parts.at("stem"), ".json");
           }},
      {.method = "GET",
       .pattern = "/api/v1/jobs/{job}/spectrograms/{stem}",
       .answer =
           [this](HttpRequest& request) {
             return Drawing(RequireDone(request), request.parts.at("stem"), ".png");
           }},
  };
}

HttpResponse Api::Offer() {
  nlohmann::json models = nlohmann::json::array();
  for (const ServedModel& model : parts_.models.All()) {
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
  return Json({{"models", models},
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
             return Json({{"status", "ok"},
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
             const nlohmann::json json = Body(request);
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
       .answer = [this](HttpRequest&) { return Json(runs_.List()); }},
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
