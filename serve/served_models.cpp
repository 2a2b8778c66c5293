#include "serve/served_models.h"

#include <sys/stat.h>

#include <algorithm>

#include "core/error.h"
#include "core/names.h"
#include "core/text.h"
#include "separate/model_files.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

// All of a folder, as which of its files are used depends on the engine.
std::vector<fs::path> FilesIn(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code))
    if (entry.is_regular_file(code)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// Changes whenever a file is written or replaced.
std::string StampOf(const std::vector<fs::path>& files) {
  std::string stamp;
  for (const fs::path& file : files) {
    struct stat status{};
    if (stat(file.c_str(), &status) != 0) continue;
    stamp += Formatted("%s %lld %lld %lld.%ld\n", file.c_str(),
                       static_cast<long long>(status.st_ino), static_cast<long long>(status.st_size),
                       static_cast<long long>(status.st_mtim.tv_sec), status.st_mtim.tv_nsec);
  }
  return stamp;
}

}  // namespace

ServedModels::ServedModels(const Programs& programs, const std::vector<Choice>& choices)
    : programs_(programs) {
  for (const Choice& choice : choices) {
    for (const Row& row : rows_) {
      if (row.model.name == choice.name)
        throw Error::Usage("two models are named '" + choice.name + "'", choice.file.string(),
                           "give one another name: --model NAME=FILE");
    }
    std::error_code code;
    if (!fs::exists(choice.file, code))
      throw Error::Input("there is no such model", choice.file.string(),
                         "check the path, or see stemsmith models");
    Row row{.model = {.name = choice.name, .file = choice.file}};
    Refresh(row);
    if (!row.model.problem.empty()) throw Error::Input(row.model.problem, choice.file.string());
    rows_.push_back(std::move(row));
  }
}

void ServedModels::Refresh(Row& row) {
  ServedModel& model = row.model;
  std::error_code code;
  const bool is_folder = fs::is_directory(model.file, code);
  if (is_folder) {
    row.files = FilesIn(model.file);
  } else if (row.files.empty()) {
    row.files = {model.file};
  }
  const std::string stamp = StampOf(row.files);
  if (stamp == row.stamp && !stamp.empty()) return;
  row.stamp = stamp;
  model.problem.clear();
  try {
    const nlohmann::json said = programs_.Inspect(model.file);
    const nlohmann::json& manifest = said.at("manifest");
    model.kind = manifest.at("model").get<std::string>();
    model.stems = manifest.at("stems").get<std::vector<std::string>>();
    model.sample_rate_hz = manifest.at("sample_rate_hz").get<int>();
    model.channels = manifest.at("channels").get<int>();
    // Where there turn out to be others beside it, the model is looked at once more.
    if (!is_folder) {
      row.files = {model.file};
      for (std::size_t i = 1; i < said.at("files").size(); ++i)
        row.files.emplace_back(said["files"][i].get<std::string>());
    }
    model.fingerprint = HashOfFiles(row.files);
  } catch (const Error& error) {
    model.problem = error.problem();
  } catch (const nlohmann::json::exception&) {
    model.problem = "this is no model";
  }
}

std::vector<ServedModel> ServedModels::All() {
  const std::lock_guard lock(mutex_);
  std::vector<ServedModel> models;
  for (Row& row : rows_) {
    Refresh(row);
    models.push_back(row.model);
  }
  return models;
}

ServedModel ServedModels::Find(const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const Row& row : rows_) names.push_back(row.model.name);
  Row& row = rows_[name.empty() ? 0
                                : RequireName(name, names, "there is no model '" + name + "'",
                                              "model")];
  Refresh(row);
  return row.model;
}

}  // namespace stemsmith
