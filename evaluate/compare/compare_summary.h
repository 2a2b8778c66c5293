// What is written of a comparison. The same figures give the same bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluate/compare/compared_songs.h"
#include "evaluate/songs/evaluation.h"

namespace stemsmith {

struct MethodEvaluations {
  std::string name;
  std::vector<SongEvaluation> songs;  // in the dataset's order; without those that failed
};

// Of a method: mean over songs of each stem's SDR, and their mean; NaN where there is none.
double MeanSdr(const std::vector<SongEvaluation>& songs);
// By songs, stems and metrics that both have: how much more `a` has than `b`.
std::vector<SongEvaluation> Differences(const std::vector<SongEvaluation>& a,
                                        const std::vector<SongEvaluation>& b);
// The best MeanSdr() first, then methods that lack figures that others have.
void SortByMeanSdr(std::vector<MethodEvaluations>& methods);

// {stems, methods: [{name, songs, mean_sdr, stems: {stem: {metric: aggregate}}}], differences:
// [{method, other, stems: …}], failed: [{method, song, what, where, advice}], notes: […]}; null for
// what is no number, an empty method for a song that no method was given.
nlohmann::json CompareSummary(const std::vector<MethodEvaluations>& methods,
                              const std::vector<std::string>& stems,
                              const std::vector<CompareFailure>& failures);
// song,method,stem,metric,value with a line per figure, by songs; empty values for NaN.
std::string CompareCsv(const std::vector<MethodEvaluations>& methods,
                       const std::vector<std::string>& songs);
// For people: methods and stems, mean SDR and what it gains over kFloorMethod.
std::string CompareTable(const std::vector<MethodEvaluations>& methods,
                         const std::vector<std::string>& stems);

// A line for each method whose mean is of fewer figures than those of others; else empty.
std::string CompareFootnotes(const std::vector<MethodEvaluations>& methods);

}  // namespace stemsmith
