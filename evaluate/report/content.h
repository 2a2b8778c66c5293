// What a report of measured methods is made of.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluate/songs/evaluation.h"
#include "evaluate/songs/stem_files.h"

namespace stemsmith {

// What is put into the page to hear: of how many songs, picked evenly, and how much from the
// middle of each.
struct ExcerptChoice {
  int songs = 2;  // 0: none
  double seconds = 6;
};

struct ReportedMethod {
  std::string name;
  std::vector<SongEvaluation> songs;  // those that it was measured on
  double times_real_time = 0;         // how fast it is; 0: not known
  // Of songs by name, to hear: references and estimates. May lack songs, and stems.
  std::map<std::string, SongFiles> files;
  std::map<std::string, AlignOptions> align;  // where files need it
};

struct EvaluationReport {
  std::string title;
  std::vector<std::string> stems;
  std::vector<ReportedMethod> methods;  // in the order of tables and charts
  std::string floor;                    // the method that gains are counted from; empty: none
  // [{method, other, stems: {stem: {metric: aggregate}}}]: paired differences (AggregatesByStem).
  nlohmann::json differences = nlohmann::json::array();
  std::vector<std::string> failures;  // what failed, a line each
  EvaluationOptions options;          // of all figures
  ExcerptChoice excerpts;
};

}  // namespace stemsmith
