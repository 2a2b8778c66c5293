#include "serve/serve.h"

#include <atomic>
#include <thread>

#include "core/error.h"
#include "core/option.h"
#include "core/pending_files.h"
#include "serve/api.h"
#include "serve/cleaner.h"
#include "serve/page.h"

namespace stemsmith {

namespace {

constexpr std::chrono::milliseconds kBetweenQuestions{100};
constexpr std::chrono::seconds kGrace{5};

int WaitForStop(const Host& host) {
  while (true) {
    if (const int signal = host.StopSignal(); signal != 0) return signal;
    std::this_thread::sleep_for(kBetweenQuestions);
  }
}

ServeParts PartsOf(const ServeOptions& options, const DataFolder& data, JobStore& store,
                   const Programs& programs, const Host& host) {
  return {.limits = options.limits,
          .data = data,
          .store = store,
          .programs = programs,
          .models = std::make_unique<ServedModels>(programs, options.models),
          .log = host.warn};
}

// Nobody else works on them: their workers ended with the process that had this folder before.
void TakeBackAll(JobStore& store, const Listener& log) {
  for (const StoredJob& job :
       store.List({.search = {}, .state = JobState::kRunning, .limit = 10'000}))
    if (store.TakeAway(job.id, job.beat))
      Tell(log, "job " + job.id + " goes on from its beginning");
}

std::string Url(const ServeOptions& options, int port) {
  const std::string& host = options.access.host;
  return (options.http.tls_certificate.empty() ? "http://" : "https://") +
         (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" +
         std::to_string(port);
}

}  // namespace

int Serve(ServeOptions options, const Host& host,
          const std::function<void(const std::string& url)>& listening) {
  const DataFolder data(options.data);
  const FolderLock lock(data.path(), "another server uses this data folder",
                        "give it another " + Option("data") +
                            "; more workers are stemsmith serve --worker with a PostgreSQL database");
  const std::string database =
      options.database.empty() ? data.Database().string() : options.database;
  const std::unique_ptr<JobStore> store = OpenJobStore(database);
  const Programs programs(options.programs, options.limits);
  ServeParts parts = PartsOf(options, data, *store, programs, host);
  if (!IsShared(database)) TakeBackAll(*store, host.warn);
  const Runs runs(options.runs, programs);
  const Access access(options.access);
  JobEvents events(*store, host.warn);
  std::unique_ptr<Workers> workers;
  if (options.workers > 0)
    workers = std::make_unique<Workers>(parts, options.workers, options.separate_options,
                                        options.patience);
  Api api(parts, events, workers.get(), access, runs);
  const Cleaner cleaner(parts, api);

  options.http.host = options.access.host;
  options.http.threads += Api::kMostWaiting;
  options.http.headers = SecurityHeaders();
  std::atomic<bool> ready = false;
  options.http.check = [&](const HttpRequest& request) -> std::optional<HttpResponse> {
    if (!ready)
      return ProblemResponse(
          HttpError(503, "The server is just starting.", {{"Retry-After", "1"}}));
    return access.Check(request);
  };
  options.http.log = host.warn;
  std::vector<HttpRoute> routes = api.Routes();
  for (HttpRoute& route : PageRoutes()) routes.push_back(std::move(route));
  HttpServer server(options.http, std::move(routes));
  api.SetServer(server);
  events.Start(server);
  ready = true;
  listening(Url(options, server.port()));
  const int signal = WaitForStop(host);
  events.Stop();
  api.StopMaking(std::chrono::steady_clock::now() + kGrace);
  server.Stop(kGrace);
  if (workers) workers->Stop();
  return signal;
}

int ServeWorkers(ServeOptions options, const Host& host,
                 const std::function<void(const std::string& store)>& working) {
  if (!IsShared(options.database))
    throw Error::Usage("workers of their own need a database that machines can share",
                       options.database.empty() ? Option("worker") : options.database,
                       "give the server and all workers " + Option("database") +
                           " postgresql://…; one process has workers in itself: " +
                           Option("workers"));
  const DataFolder data(options.data);
  const std::unique_ptr<JobStore> store = OpenJobStore(options.database);
  const Programs programs(options.programs, options.limits);
  ServeParts parts = PartsOf(options, data, *store, programs, host);
  Workers workers(parts, std::max(options.workers, 1), options.separate_options,
                  options.patience);
  working(store->Description());
  const int signal = WaitForStop(host);
  workers.Stop();
  return signal;
}

}  // namespace stemsmith
