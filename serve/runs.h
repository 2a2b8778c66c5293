// Training runs and comparisons under --runs, as pages to look at.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "serve/http/http.h"

namespace stemsmith {

class Programs;

class Runs {
 public:
  // `folder`: empty where none are shown; else it must be there.
  Runs(std::filesystem::path folder, const Programs& programs);

  // Schema Runs of serve/openapi.yaml: a run's records decide when it changed, so that a page of a
  // training that goes on is made anew.
  nlohmann::json List() const;
  // The report of the run of this name, written again where its records are newer. Throws HttpError.
  HttpResponse Page(const std::string& name) const;

 private:
  std::filesystem::path folder_;
  const Programs& programs_;
};

}  // namespace stemsmith
