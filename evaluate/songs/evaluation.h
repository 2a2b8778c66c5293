// Figures of separated songs, and what campaigns make of them.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluate/bss_eval/bss_eval.h"
#include "evaluate/songs/stem_files.h"

namespace stemsmith {

struct EvaluationOptions {
  double window_seconds = 1, hop_seconds = 1;  // of BSS eval; 0: one window, the whole song
  bool filters_per_window = false;             // BSS eval 3
  std::vector<std::string> song_metrics = {"snr", "si_sdr", "nsdr"};  // rows of SongMetricTable()
};

struct SongEvaluation {
  std::string song;
  std::vector<std::string> stems;
  BssEvalResult bss;
  double window_seconds = 0, hop_seconds = 0, seconds = 0;
  // By metric, one figure per stem: rows of SongMetricTable(), and SDR, ISR, SIR, SAR as the median
  // over windows of those that are finite. NaN where there is none.
  std::map<std::string, std::vector<double>> figures;
  std::vector<std::string> notes;  // silent stems and the like, one line each
};

// The figures that there are per window, by the names that SongEvaluation::figures has for their
// medians.
struct WindowFigure {
  const char* name;
  std::vector<std::vector<double>> BssEvalResult::*values;  // [S][W]
};
inline constexpr WindowFigure kWindowFigures[] = {{"SDR", &BssEvalResult::sdr},
                                                  {"ISR", &BssEvalResult::isr},
                                                  {"SIR", &BssEvalResult::sir},
                                                  {"SAR", &BssEvalResult::sar}};

// Throws Error for unknown metrics and unreadable files. Reads the song once for BSS eval and as
// often as the other metrics need.
SongEvaluation EvaluateSong(StemPair& song, int sample_rate_hz, const std::string& name,
                            const std::vector<std::string>& stems,
                            const EvaluationOptions& options);

// As museval 0.4.1 writes it: five decimals, infinity as NaN (which is no JSON).
std::string MusevalJson(const SongEvaluation& song);

// Over songs, NaN left out.
struct Aggregate {
  double median = 0, mean = 0, lower_quartile = 0, upper_quartile = 0;
  double mean_low = 0,
         mean_high = 0;  // of the mean, 95 % of 2000 bootstrap draws with a fixed seed
  int songs = 0;         // with a figure
};
Aggregate AggregateOf(std::vector<double> figures);
// {stem: {metric: aggregate}}, null for NaN.
nlohmann::json AggregatesByStem(const std::vector<SongEvaluation>& songs);

// {songs: [{name, stems: {stem: {metric: figure}}, …}], stems: {stem: {metric: aggregate}}}; null
// for NaN and infinity.
nlohmann::json EvaluationSummary(const std::vector<SongEvaluation>& songs);
// song,stem,metric,value with a line per figure; empty values for NaN.
std::string EvaluationCsv(const std::vector<SongEvaluation>& songs);
// The lines of a song; with a method, it stands behind the song.
std::string EvaluationCsvLines(const SongEvaluation& song, const std::string& method = "");
// A table for people: stems and metrics, medians over songs.
std::string EvaluationTable(const std::vector<SongEvaluation>& songs);

}  // namespace stemsmith
