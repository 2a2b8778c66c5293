#include "serve/api.h"

#include "core/numbers.h"
#include "core/text.h"
#include "serve/answers.h"
#include "serve/job_json.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

constexpr char kTus[] = "1.0.0";

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

}  // namespace

std::vector<HttpRoute> Api::SongRoutes() {
  const auto answer = [](const Uploads::Arrived& arrived) {
    return JsonResponse(SongJson(arrived.song), arrived.is_new ? 201 : 200);
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
       .answer = [this](HttpRequest& request) { return JsonResponse(SongJson(RequireSong(request))); }},
      {.method = "DELETE",
       .pattern = "/api/v1/songs/{song}",
       .answer =
           [this](HttpRequest& request) {
             const StoredSong song = RequireSong(request);
             if (!RemoveSong(song.id))
               throw HttpError(409, "A job has this song; remove the job first.");
             return HttpResponse{.status = 204};
           }},
      {.method = "GET",
       .pattern = "/api/v1/songs/{song}/peaks",
       .answer =
           [this](HttpRequest& request) {
             const StoredSong song = RequireSong(request);
             const fs::path file = parts_.data.Song(song.id) / "peaks.json";
             try {
               Make(file, [&] {
                 parts_.programs.WritePeaks(parts_.data.Source(song.id), file);
               });
             } catch (const Error&) {
               RequireSong(request);  // it may have been removed meanwhile
               throw;
             }
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

}  // namespace stemsmith
