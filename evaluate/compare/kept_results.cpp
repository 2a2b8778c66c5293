#include "evaluate/compare/kept_results.h"

#include <cmath>

#include "core/files.h"
#include "core/json_fields.h"

namespace stemsmith {
namespace {

double NumberOrNaN(const nlohmann::json& value) {
  return value.is_number() ? value.get<double>() : std::nan("");
}

}  // namespace

void WriteResult(const std::filesystem::path& file, const std::string& fingerprint,
                 const std::string& method, const SongEvaluation& song) {
  nlohmann::json figures = nlohmann::json::object();
  for (const auto& [metric, values] : song.figures)
    for (std::size_t s = 0; s < song.stems.size(); ++s)
      figures[metric].push_back(FiniteOrNull(values[s]));
  nlohmann::json windows = nlohmann::json::object();
  for (const auto& [metric, values] : kWindowFigures)
    for (const std::vector<double>& of_stem : song.bss.*values) {
      nlohmann::json& row = windows[metric].emplace_back(nlohmann::json::array());
      for (const double value : of_stem) row.push_back(FiniteOrNull(value));
    }
  const nlohmann::json json = {{"fingerprint", fingerprint}, {"method", method},
                               {"song", song.song},          {"seconds", song.seconds},
                               {"stems", song.stems},        {"figures", figures},
                               {"windows", windows},         {"notes", song.notes}};
  WriteFileAtomically(file, json.dump() + "\n");
}

std::optional<SongEvaluation> ReadResult(const std::filesystem::path& file,
                                         const std::string& fingerprint) {
  std::error_code code;
  if (!std::filesystem::is_regular_file(file, code)) return std::nullopt;
  try {
    const nlohmann::json json = ParseJson(ReadFile(file));
    const JsonFields fields(
        json, [&](const std::string& problem) { return Error::Input(problem, file.string()); });
    if (fields.Text("fingerprint") != fingerprint) return std::nullopt;
    SongEvaluation song;
    song.song = fields.Text("song");
    song.seconds = fields.Number<double>("seconds");
    song.stems = fields.Texts("stems");
    song.notes = fields.Texts("notes");
    for (const auto& [metric, values] : fields.Value("figures").items()) {
      if (!values.is_array() || values.size() != song.stems.size()) return std::nullopt;
      for (const nlohmann::json& value : values) song.figures[metric].push_back(NumberOrNaN(value));
    }
    if (!song.figures.contains("SDR")) return std::nullopt;
    const nlohmann::json& windows = fields.Value("windows");
    for (const auto& [metric, values] : kWindowFigures) {
      if (!windows.contains(metric) || windows[metric].size() != song.stems.size())
        return std::nullopt;
      for (const nlohmann::json& of_stem : windows[metric]) {
        if (!of_stem.is_array()) return std::nullopt;
        std::vector<double>& row = (song.bss.*values).emplace_back();
        for (const nlohmann::json& value : of_stem) row.push_back(NumberOrNaN(value));
      }
    }
    return song;
  } catch (const Error&) {
    return std::nullopt;  // measured again
  }
}

}  // namespace stemsmith
