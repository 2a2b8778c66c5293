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

  void Apply(StemBlock& block, RandomStream& random) const override {
    std::vector<int> dropped;
    for (int s = 0; s < block.stems; ++s)
      if (random.Chance(options_.per_stem_probability)) dropped.push_back(s);
    const std::int64_t most = std::max<std::int64_t>(0, block.stems - options_.keep_at_least);
    Shuffle(dropped, random);
    if (static_cast<std::int64_t>(dropped.size()) > most)
      dropped.resize(static_cast<std::size_t>(most));
    for (const int s : dropped)
      std::fill_n(block.channel(s, 0), block.channels * block.frames, 0.0f);
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
