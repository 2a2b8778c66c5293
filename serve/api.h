// The routes of the web app: what serve/openapi.yaml describes.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "serve/access.h"
#include "serve/file_maker.h"
#include "serve/http/server.h"
#include "serve/job_events.h"
#include "serve/runs.h"
#include "serve/stem_files.h"
#include "serve/uploads.h"
#include "serve/workers.h"

namespace stemsmith {

class Api {
 public:
  // Requests that may wait for files to be made, each in a thread of the server: a few browsers'.
  static constexpr int kMostWaiting = 24;

  // All must outlive it. `workers` may be null: then other processes work.
  Api(ServeParts& parts, JobEvents& events, Workers* workers, const Access& access,
      const Runs& runs);
  // For figures; called once, before the first request.
  void SetServer(const HttpServer& server) { server_ = &server; }

  std::vector<HttpRoute> Routes();
  // Removes a job that has ended, its files, and its song where no other job has it.
  bool RemoveJob(const StoredJob& job);
  // With its files; false where a job has it.
  bool RemoveSong(const std::string& id);
  // From then on no file is made further: whoever waits for one hears 503.
  void StopMaking(std::chrono::steady_clock::time_point when) { making_ends_ = when; }
  void CleanUploads(double served_s) { uploads_.Clean(served_s); }

 private:
  std::vector<HttpRoute> SongRoutes();
  std::vector<HttpRoute> UploadRoutes();
  std::vector<HttpRoute> JobRoutes();
  std::vector<HttpRoute> FileRoutes();
  std::vector<HttpRoute> GeneralRoutes();

  HttpResponse Offer();
  HttpResponse Metrics();
  HttpResponse AddJob(const std::string& song, const nlohmann::json& request);
  // The file of a job that is done, made if it is not there. Throws HttpError.
  HttpResponse StemFile(const HttpRequest& request);
  HttpResponse Drawing(const StoredJob& job, const std::string& stem, const std::string& ending);

  StoredSong RequireSong(const HttpRequest& request);
  StoredJob RequireJob(const HttpRequest& request);
  StoredJob RequireDone(const HttpRequest& request);
  // Whether a song of so many bytes leaves the disk its room. Throws HttpError 507.
  void CheckRoom(std::int64_t bytes);
  void CheckFree(std::int64_t bytes) const;  // Throws HttpError 507 where fewer are free.
  // Waits until the file is there. Throws what `make` throws, and HttpError where too many wait.
  void Make(const std::filesystem::path& target, const std::function<void()>& make);
  bool GoesOn() const;
  void CheckGoesOn() const;  // Throws HttpError 503 where the server stops.
  // The same for a file of a job, which may be removed meanwhile: 404, and nothing of it stays.
  void MakeOfJob(const StoredJob& job, const std::filesystem::path& target,
                 const std::function<void()>& make);
  class WaitingPlace {
   public:
    explicit WaitingPlace(std::atomic<int>& waiting);
    ~WaitingPlace();

   private:
    std::atomic<int>& waiting_;
  };

  ServeParts& parts_;
  JobEvents& events_;
  Workers* const workers_;
  const Access& access_;
  const Runs& runs_;
  const HttpServer* server_ = nullptr;
  Uploads uploads_;
  std::atomic<std::chrono::steady_clock::time_point> making_ends_{
      std::chrono::steady_clock::time_point::max()};
  std::atomic<int> waiting_{0};
  FileMaker maker_;
};

}  // namespace stemsmith
