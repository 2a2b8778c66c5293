// The web app: the HTTP server with its API and page, and workers.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/host.h"
#include "serve/access.h"
#include "serve/http/server.h"
#include "serve/job_limits.h"
#include "serve/served_models.h"

namespace stemsmith {

struct ServeOptions {
  std::vector<ServedModels::Choice> models;  // one at least
  std::filesystem::path data;
  std::string database;  // empty: an SQLite file in `data`
  std::filesystem::path runs;
  JobLimits limits;
  int workers = 1;
  std::vector<std::string> separate_options;  // of each worker's `separate`
  std::chrono::seconds patience{20};          // with workers that are silent
  AccessOptions access;
  HttpServerOptions http;  // its host is that of `access`
  std::filesystem::path programs;  // the folder of `separate` and `stemsmith`
};

// Serves until the host asks to stop, and gives the signal. `listening` hears the address once it is
// reached there. Unfinished jobs go on after a restart. Throws Error where it cannot begin.
int Serve(ServeOptions options, const Host& host,
          const std::function<void(const std::string& url)>& listening);

// Works on jobs alone, beside servers and other workers with the same database and data folder.
int ServeWorkers(ServeOptions options, const Host& host,
                 const std::function<void(const std::string& store)>& working);

}  // namespace stemsmith
