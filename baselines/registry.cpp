#include "baselines/registry.h"

#include "core/error.h"
#include "core/names.h"

namespace stemsmith {

std::unique_ptr<Baseline> MakeMixture(const Config& settings);
std::unique_ptr<Baseline> MakeBands(const Config& settings);
std::unique_ptr<Baseline> MakeHpssRepet(const Config& settings);

const std::vector<BaselineRow>& BaselineTable() {
  static const std::vector<BaselineRow> table = {
      {"mixture", "every stem is the mixture: the floor of a comparison",
       "Stöter, Liutkus & Ito 2018, The 2018 Signal Separation Evaluation Campaign", false, false,
       MakeMixture},
      {"bands", "a band of frequencies per stem",
       "Butterworth 1930, On the Theory of Filter Amplifiers", false, false, MakeBands},
      {"hpss_repet", "what lasts, what strikes, what is low, and what does not repeat",
       "Fitzgerald 2010, Harmonic/Percussive Separation Using Median Filtering; Rafii & Pardo "
       "2012, "
       "Music/Voice Separation Using the Similarity Matrix",
       true, false, MakeHpssRepet},
  };
  return table;
}

const BaselineRow& FindBaseline(const std::string& name) {
  return FindRow(BaselineTable(), name, "classical method", "");
}

std::unique_ptr<Baseline> MakeBaseline(const BaselineRow& row, const Config& settings) {
  std::unique_ptr<Baseline> baseline = row.make(settings);
  settings.CheckAllRead();
  return baseline;
}

void StopIfAsked(const Host& host) {
  if (const int signal = host.StopSignal(); signal != 0)
    throw Error::Stopped(signal, "interrupted, the song in work was left out");
}

}  // namespace stemsmith
