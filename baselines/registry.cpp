#include "baselines/registry.h"

#include <algorithm>

#include "core/error.h"
#include "core/names.h"

namespace stemsmith {

std::unique_ptr<Baseline> MakeMixture(const Config& settings);
std::unique_ptr<Baseline> MakeBands(const Config& settings);
std::unique_ptr<Baseline> MakeHpssRepet(const Config& settings);
std::unique_ptr<Baseline> MakeNmf(const Config& settings);
std::unique_ptr<Baseline> MakeNmfRanges(const Config& settings);
std::unique_ptr<Baseline> MakeForest(const Config& settings);
std::unique_ptr<Baseline> MakeIdealBinaryMask(const Config& settings);
std::unique_ptr<Baseline> MakeIdealRatioMask(const Config& settings);
std::unique_ptr<Baseline> MakeIdealWiener(const Config& settings);

const std::vector<BaselineRow>& BaselineTable() {
  static const std::vector<BaselineRow> table = {
      {"mixture", "every stem is the mixture: the floor of a comparison",
       "Stöter, Liutkus & Ito 2018, The 2018 Signal Separation Evaluation Campaign", false, false,
       false, MakeMixture},
      {"bands", "a band of frequencies per stem",
       "Butterworth 1930, On the Theory of Filter Amplifiers", false, false, false, MakeBands},
      {"hpss_repet", "what lasts, what strikes, what is low, and what does not repeat",
       "Fitzgerald 2010, Harmonic/Percussive Separation Using Median Filtering; Rafii & Pardo "
       "2012, "
       "Music/Voice Separation Using the Similarity Matrix",
       true, false, false, MakeHpssRepet},
      {"nmf", "spectra that come again, sorted into stems by how they look",
       "Lee & Seung 2001, Algorithms for Non-negative Matrix Factorization; Févotte & Idier 2011; "
       "Virtanen 2007",
       true, false, false, MakeNmf},
      {"nmf_ranges", "spectra that come again in the range of each instrument",
       "Fitzgerald 2010, Harmonic/Percussive Separation Using Median Filtering; Lee & Seung 2001; "
       "Févotte & Idier 2011",
       true, false, false, MakeNmfRanges},
      {"forest", "a random forest that learnt from songs what stems sound like in each band",
       "Breiman 2001, Random Forests", true, false, true, MakeForest},
      {"ideal_binary_mask", "each bin to the stem that is truly the loudest there",
       "Wang 2005, On Ideal Binary Mask as the Computational Goal of Auditory Scene Analysis",
       false, true, false, MakeIdealBinaryMask},
      {"ideal_ratio_mask", "each bin shared as it truly is",
       "Narayanan & Wang 2013, Ideal Ratio Mask Estimation Using Deep Neural Networks", false, true,
       false, MakeIdealRatioMask},
      {"ideal_wiener", "a Wiener filter of all channels by true powers and directions",
       "Duong, Vincent & Gribonval 2010, Under-determined Reverberant Audio Source Separation "
       "Using "
       "a Full-rank Spatial Covariance Model",
       false, true, false, MakeIdealWiener},
  };
  return table;
}

const BaselineRow& FindBaseline(const std::string& name) {
  return FindRow(BaselineTable(), name, "classical method", "");
}

// Stems become files.
static void CheckStems(const std::vector<std::string>& stems, const std::string& where) {
  if (stems.empty()) throw Error::Usage("there are no stems", where, "name one at least");
  for (auto stem = stems.begin(); stem != stems.end(); ++stem) {
    if (stem->empty() || stem->find('/') != stem->npos || stem->starts_with('.'))
      throw Error::Usage("'" + *stem + "' cannot name a stem", where,
                         "its file is called so: no slash, no dot in front");
    if (std::find(stems.begin(), stem, *stem) != stem)
      throw Error::Usage("the stem '" + *stem + "' is named twice", where, "name each once");
  }
}

std::unique_ptr<Baseline> MakeBaseline(const BaselineRow& row, const Config& settings) {
  std::unique_ptr<Baseline> baseline = row.make(settings);
  settings.CheckAllRead();
  CheckStems(baseline->stems(), settings.Where("stems"));
  return baseline;
}

void StopIfAsked(const Host& host) {
  if (const int signal = host.StopSignal(); signal != 0)
    throw Error::Stopped(signal, "interrupted, the song in work was left out");
}

}  // namespace stemsmith
