#include "serve/api.h"

#include <algorithm>
#include <future>
#include <map>

#include "audio/encode.h"
#include "audio/encode_formats.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/text.h"
#include "separate/separator.h"
#include "separate/stem_mix.h"
#include "serve/answers.h"
#include "serve/http/percent.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSpareBytes = std::int64_t{8} << 20;  // stay for the database

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

std::vector<std::string> StemsOf(const StoredJob& job) {
  return ParseJson(job.result).at("stems").get<std::vector<std::string>>();
}

HttpError NoStem(const std::string& stem, const std::vector<std::string>& names) {
  return HttpError(404, "The job has no file '" + stem + "'; it has " + JoinNames(names) + ".");
}

bool IsOneOf(const std::string& stem, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), stem) != names.end();
}

std::string TypeOf(const FormatRow& format) {
  static const std::map<std::string, std::string> types = {
      {"wav", "audio/wav"},  {"rf64", "audio/wav"}, {"w64", "audio/x-w64"}, {"flac", "audio/flac"},
      {"alac", "audio/mp4"}, {"mp3", "audio/mpeg"}, {"ogg", "audio/ogg"},   {"opus", "audio/ogg"},
      {"m4a", "audio/mp4"},  {"stem.mp4", "video/mp4"}};
  const auto found = types.find(format.name);
  return found == types.end() ? "application/octet-stream" : found->second;
}

}  // namespace

bool Api::GoesOn() const { return std::chrono::steady_clock::now() <= making_ends_.load(); }

void Api::CheckGoesOn() const {
  if (!GoesOn())
    throw HttpError(503, "The server stops; ask for the file again when it is back.",
                    {{"Retry-After", "10"}});
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
        CheckGoesOn();
        fs::create_directories(target.parent_path());
        make();
      },
      [&made](std::exception_ptr failure) {
        if (failure) made.set_exception(failure);
        else made.set_value();
      });
  made.get_future().get();
}

void Api::MakeOfJob(const StoredJob& job, const fs::path& target,
                    const std::function<void()>& make) {
  std::error_code code;
  if (fs::exists(target, code)) return;
  CheckFree(kSpareBytes);
  std::exception_ptr failure;
  try {
    Make(target, make);
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (!parts_.store.Find(job.id)) {
    fs::remove_all(parts_.data.Job(job.id), code);
    throw HttpError(404, "The job was removed.");
  }
  if (failure) std::rethrow_exception(failure);
}

Api::WaitingPlace::WaitingPlace(std::atomic<int>& waiting) : waiting_(waiting) {
  if (++waiting_ > kMostWaiting) {
    --waiting_;
    throw HttpError(503, "Many files are being made just now; try again in a few seconds.",
                    {{"Retry-After", "3"}});
  }
}

Api::WaitingPlace::~WaitingPlace() { --waiting_; }

HttpResponse Api::StemFile(const HttpRequest& request) {
  const StoredJob job = RequireDone(request);
  const std::vector<std::string> names = StemsOf(job);
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
    const bool known =
        format->many_streams ? stem == "stems" : stem == kMixture || IsOneOf(stem, names);
    if (!known) throw NoStem(stem, names);
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
  const StemFileOrder order{.stems = {.folder = StemsFolder(parts_.data, job),
                                      .names = names,
                                      .song = parts_.data.Source(job.song),
                                      .decode = {}},
                            .stem = zip ? "" : stem,
                            .title = job.title,
                            .encoding = encoding,
                            .target = target};
  MakeOfJob(job, target, [&] {
    try {
      parts_.programs.MakeFile(order, [this] { return GoesOn(); });
    } catch (const Error&) {
      CheckGoesOn();
      throw;
    }
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
  const std::vector<std::string> names = StemsOf(job);
  if (!IsOneOf(stem, names)) throw NoStem(stem, names);
  const fs::path target = parts_.data.JobFiles(job.id) / "drawings" / (stem + ending);
  const fs::path wav = StemsFolder(parts_.data, job) / (stem + ".wav");
  const bool picture = ending == ".png";
  MakeOfJob(job, target, [&] {
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

}  // namespace stemsmith
