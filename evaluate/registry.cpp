#include <algorithm>

#include "core/names.h"
#include "evaluate/song_metric.h"

namespace stemsmith {

const std::vector<SongMetricRow>& SongMetricTable() {
  static const std::vector<SongMetricRow> table = {
      {"snr", "dB", true, "energy of the reference over that of the error", MakeSnr},
      {"nsdr", "dB", true, "the same with 1e-7 added to both (Music Demixing Challenge 2021)",
       MakeNsdr},
      {"msst_sdr", "dB", true,
       "the same with 1e-8 added to both (Music-Source-Separation-Training)", MakeMsstSdr},
      {"si_sdr", "dB", true,
       "the same against the reference scaled to fit (Le Roux et al.: SDR – half-baked or well "
       "done?, 2019)",
       MakeSiSdr},
      {"lsd", "dB", false,
       "log-spectral distance: root mean square over frequency, mean over time (Gray, Markel 1976)",
       MakeLogSpectralDistance},
      {"l1_db", "dB", false, "mean difference of spectra in dB", MakeLogSpectralL1},
      {"l1_freq", "", true,
       "100 / (1 + 10 · mean difference of spectra) (Music-Source-Separation-Training)",
       MakeL1Freq},
      {"bleedless", "", true,
       "100 / (1 + mean excess of the mel spectrum in dB) (Music-Source-Separation-Training)",
       MakeBleedless},
      {"fullness", "", true,
       "100 / (1 + mean lack of the mel spectrum in dB) (Music-Source-Separation-Training)",
       MakeFullness},
  };
  return table;
}

std::vector<std::string> ChosenSongMetrics(const std::vector<std::string>& names,
                                           const std::string& where) {
  std::vector<std::string> chosen;
  if (std::find(names.begin(), names.end(), "all") != names.end()) {
    for (const SongMetricRow& row : SongMetricTable()) chosen.emplace_back(row.name);
    return chosen;
  }
  for (const std::string& name : names)
    chosen.emplace_back(FindRow(SongMetricTable(), name, "metric", where).name);
  return chosen;
}

}  // namespace stemsmith
