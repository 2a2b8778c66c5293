// stem_dropout: stems fall silent, so that the model meets songs without them.
#include <algorithm>
#include <vector>

#include "augment/per_stem.h"

namespace stemsmith {
namespace {

struct StemDropoutOptions {
  double per_stem_probability = 0.1;
  // Stems that sound on in any case, taken at random from those that would fall silent.
  std::int64_t keep_at_least = 1;
};

class StemDropout : public Augmentation {
 public:
  explicit StemDropout(const StemDropoutOptions& options) : options_(options) {}

  bool ChangeStems(std::span<StemChange> changes, int, RandomStream& random) const override {
    const auto stems = static_cast<std::int64_t>(changes.size());
    std::vector<std::size_t> dropped;
    for (std::size_t s = 0; s < changes.size(); ++s)
      if (random.Chance(options_.per_stem_probability)) dropped.push_back(s);
    const std::int64_t most = std::max<std::int64_t>(0, stems - options_.keep_at_least);
    Shuffle(dropped, random);
    if (static_cast<std::int64_t>(dropped.size()) > most)
      dropped.resize(static_cast<std::size_t>(most));
    for (const std::size_t s : dropped) changes[s].factor = 0.0f;
    return true;
  }

 private:
  StemDropoutOptions options_;
};

}  // namespace

std::unique_ptr<Augmentation> MakeStemDropout(const Config& config) {
  StemDropoutOptions options;
  options.per_stem_probability = PerStemProbability(config, options.per_stem_probability);
  options.keep_at_least = config.IntegerIn("keep_at_least", options.keep_at_least, 0, 1024);
  return std::make_unique<StemDropout>(options);
}

}  // namespace stemsmith
