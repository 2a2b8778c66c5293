// What most augmentations share: a chance per stem, and ranges that values are drawn from.
#pragma once

#include <array>
#include <cmath>

#include "augment/augment.h"

namespace stemsmith {

// Values of an option, both ends included.
struct DrawRange {
  double low = 0.0, high = 0.0;
  double Draw(RandomStream& random) const { return random.Uniform(low, high); }
  // Uniform on a logarithmic scale, as fits frequencies and ratios; low > 0.
  double DrawLog(RandomStream& random) const {
    return low * std::pow(high / low, random.Uniform());
  }
};
// `key: [low, high]`, both within `limits`. Throws Error for anything else.
DrawRange RangeIn(const Config& config, const std::string& key, DrawRange fallback,
                  DrawRange limits);

// Treats each stem by itself, in those stems that its chance falls on.
class PerStemAugmentation : public Augmentation {
 public:
  explicit PerStemAugmentation(double per_stem_probability)
      : per_stem_probability_(per_stem_probability) {}
  void Apply(StemBlock& block, RandomStream& random) const final;

 protected:
  // `stem` is a block of one stem. `random` is a stream of this stem alone.
  virtual void ApplyTo(const StemBlock& stem, RandomStream& random) const = 0;

 private:
  double per_stem_probability_;
};

// The option `per_stem_probability`, how often each stem is treated where the link acts.
double PerStemProbability(const Config& config, double fallback = 0.5);

// The same where stems are told apart by name: a number for all, or a map of names to numbers,
// with the default for those it leaves out.
class StemChances {
 public:
  StemChances(const Config& config, double fallback);
  // `stem` is a number in ReadPlan::stems.
  double Of(std::size_t stem, const TrackTable& tracks) const;
  // Throws Error for a name that is none of these.
  void Check(const std::vector<std::string>& stems) const;

 private:
  struct Named {
    std::string stem, where;
    double probability = 0.0;
  };
  double others_ = 0.0;
  std::vector<Named> named_;
};

// The root mean square over all samples of the block.
double RootMeanSquare(const StemBlock& block);
// The largest magnitude of a sample of the block.
float Peak(const StemBlock& block);
// Multiplies all samples of the block.
void Scale(const StemBlock& block, double factor);

}  // namespace stemsmith
