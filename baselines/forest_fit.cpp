#include "baselines/forest_fit.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numeric>
#include <stdexcept>

#include "baselines/baseline.h"
#include "baselines/forest_file.h"
#include "baselines/frame_features.h"
#include "baselines/magnitudes.h"
#include "baselines/spectral_song.h"
#include "core/error.h"
#include "core/files.h"
#include "core/random.h"

namespace stemsmith {
namespace {

constexpr double kExcerptSeconds = 10;
constexpr int kTreesAtOnce = 2;  // between which the host is asked whether to stop

void StopFitIfAsked(const Host& host) {
  if (const int signal = host.StopSignal(); signal != 0)
    throw Error::Stopped(signal, "interrupted, no forest was written");
}

struct Excerpt {
  std::size_t song;
  std::int64_t start, frames;
};

// Of songs drawn at random stretches evenly over each, as many as are wanted of it.
std::vector<Excerpt> ChooseExcerpts(const ForestSongs& songs, const ForestOptions& options,
                                    std::vector<std::size_t>& chosen) {
  chosen.resize(songs.songs.size());
  std::iota(chosen.begin(), chosen.end(), std::size_t{0});
  RandomStream random({options.seed, 0});
  Shuffle(chosen, random);
  chosen.resize(std::min(chosen.size(), static_cast<std::size_t>(options.songs)));
  std::sort(chosen.begin(), chosen.end());
  std::vector<Excerpt> excerpts;
  for (const std::size_t song : chosen) {
    const std::int64_t all = songs.songs[song].frames;
    const auto wanted =
        std::min(all, static_cast<std::int64_t>(options.seconds * songs.sample_rate_hz));
    const auto longest = static_cast<std::int64_t>(kExcerptSeconds * songs.sample_rate_hz);
    const std::int64_t count = std::max<std::int64_t>(1, (wanted + longest - 1) / longest);
    for (std::int64_t i = 0; i < count; ++i)
      excerpts.push_back({song, all * i / count, wanted / count});
  }
  return excerpts;
}

// What the forest learns from: descriptions of bands of frames, and the shares of the stems there.
class Samples {
 public:
  Samples(const ForestSongs& songs, const ForestOptions& options)
      : songs_(songs),
        options_(options),
        bands_(songs.sample_rate_hz, options.stft.n_fft, static_cast<std::size_t>(options.bands)),
        targets_(songs.stems.size()) {}

  // `count` bands of frames drawn at random, loud ones more often: they are what is heard.
  void Add(const Excerpt& excerpt, std::size_t count, RandomStream random, const Host& host) {
    const auto channels = static_cast<std::size_t>(songs_.channels);
    const auto frames = static_cast<std::size_t>(excerpt.frames);
    std::vector<float> stems(songs_.stems.size() * channels * frames);
    songs_.read(excerpt.song, excerpt.start, excerpt.frames, stems.data());
    AudioBuffer mixture(songs_.channels, frames);
    for (std::size_t i = 0; i < stems.size(); ++i)
      mixture.samples()[i % mixture.samples().size()] += stems[i];
    const FrameTable table =
        DescribeFrames(mixture, songs_.sample_rate_hz, options_.stft, bands_, host);
    const std::vector<float> shares = Shares(mixture, stems, table.frames);
    std::vector<double> until(table.levels.size());  // the sum of the weights
    double sum = 0;
    for (std::size_t i = 0; i < until.size(); ++i) {
      constexpr float kInaudibleDb = -70;
      if (table.levels[i] > kInaudibleDb) sum += std::pow(10.0, kWeight * table.levels[i] / 10);
      until[i] = sum;
    }
    if (sum == 0) return;
    for (std::size_t i = 0; i < count; ++i) {
      const auto drawn = std::upper_bound(until.begin(), until.end(), sum * random.Uniform());
      const auto place =
          std::min(static_cast<std::size_t>(drawn - until.begin()), until.size() - 1);
      rows_.resize(rows_.size() + kRowFeatures);
      DescribeBand(table, place / table.bands, place % table.bands,
                   rows_.data() + rows_.size() - kRowFeatures);
      for (std::size_t s = 0; s < targets_.size(); ++s)
        targets_[s].push_back(shares[place * targets_.size() + s]);
    }
  }

  std::size_t count() const { return targets_[0].size(); }
  const std::vector<float>& rows() const { return rows_; }
  const std::vector<float>& targets(std::size_t stem) const { return targets_[stem]; }

 private:
  static constexpr double kWeight = 0.25;  // power to this

  // The factor by which each stem is most like the mixture in a band of a frame (least squares),
  // not negative, together one: [N, bands, S].
  std::vector<float> Shares(const AudioBuffer& mixture, const std::vector<float>& stems,
                            std::size_t frames) const {
    const std::size_t count = targets_.size();
    std::vector<AudioBuffer> audio;
    std::vector<std::unique_ptr<AudioReader>> readers;
    std::vector<std::unique_ptr<SpectrumReader>> spectra;
    audio.reserve(count);
    const std::size_t size = mixture.samples().size();
    for (std::size_t s = 0; s < count; ++s) {
      audio.emplace_back(mixture.channels(), mixture.frames());
      std::copy_n(stems.data() + s * size, size, audio.back().samples().data());
      readers.push_back(ReaderOf(audio.back(), songs_.sample_rate_hz));
      spectra.push_back(std::make_unique<SpectrumReader>(*readers.back(), options_.stft));
    }
    const auto reader = ReaderOf(mixture, songs_.sample_rate_hz);
    SpectrumReader all(*reader, options_.stft);
    const std::size_t bins = all.bins(), channels = static_cast<std::size_t>(mixture.channels());
    std::vector<std::complex<float>> of_mixture(channels * bins), of_stem(channels * bins);
    std::vector<float> shares(frames * bands_.count() * count);
    for (std::size_t n = 0; all.Next(of_mixture); ++n) {
      float* frame = shares.data() + n * bands_.count() * count;
      for (std::size_t s = 0; s < count; ++s) {
        spectra[s]->Next(of_stem);
        for (std::size_t b = 0; b < bands_.count(); ++b)
          for (std::size_t c = 0; c < channels; ++c)
            for (std::size_t f = c * bins + bands_.begin(b); f < c * bins + bands_.end(b); ++f)
              frame[b * count + s] += std::real(std::conj(of_mixture[f]) * of_stem[f]);
      }
      for (std::size_t b = 0; b < bands_.count(); ++b)
        MakeShares(std::span(frame + b * count, count));
    }
    return shares;
  }

  static void MakeShares(std::span<float> values) {
    float sum = 0;
    for (float& value : values) sum += value = std::max(value, 0.0f);
    for (float& value : values)
      value = sum > 0 ? value / sum : 1 / static_cast<float>(values.size());
  }

  const ForestSongs& songs_;
  const ForestOptions& options_;
  BandEdges bands_;
  std::vector<float> rows_;                  // [count, kRowFeatures]
  std::vector<std::vector<float>> targets_;  // [S, count]
};

}  // namespace

void FitForest(const ForestFitRequest& request) {
  const ForestSongs& songs = request.songs;
  const ForestOptions& options = request.options;
  const GrowTreesFunction grow = LoadGrowTrees();
  CheckTarget(request.out);
  std::vector<std::size_t> chosen;
  const std::vector<Excerpt> excerpts = ChooseExcerpts(songs, options, chosen);
  if (excerpts.empty())
    throw Error::Input("there are no songs to learn from", "", "give a cache with training songs");

  Samples samples(songs, options);
  const std::size_t count = songs.stems.size();
  const int steps = (options.trees + kTreesAtOnce - 1) / kTreesAtOnce;
  Progress progress(
      request.host,
      {"fit", static_cast<std::int64_t>(excerpts.size()) + static_cast<std::int64_t>(count) * steps,
       "steps"});
  std::int64_t done = 0;
  for (std::size_t i = 0; i < excerpts.size(); ++i) {
    StopFitIfAsked(request.host);
    const auto all = static_cast<std::size_t>(options.samples);
    samples.Add(excerpts[i], all * (i + 1) / excerpts.size() - all * i / excerpts.size(),
                RandomStream({options.seed, 1, i}), {.stop = request.host.stop});
    progress.Update(++done, songs.songs[excerpts[i].song].name);
  }
  if (samples.count() == 0)
    throw Error::Input("the songs to learn from are silent", "", "give others");

  ForestFile forest{songs.stems, songs.sample_rate_hz, options, {}, {}};
  for (const std::size_t song : chosen) forest.songs.push_back(songs.songs[song].name);
  for (std::size_t s = 0; s < count; ++s) {
    forest.trees.emplace_back();
    for (int trees = 0; trees < options.trees; trees += kTreesAtOnce) {
      StopFitIfAsked(request.host);
      GrowRequest grown;
      grown.rows = samples.rows().data();
      grown.targets = samples.targets(s).data();
      grown.count = samples.count();
      grown.columns = kRowFeatures;
      grown.trees = std::min(kTreesAtOnce, options.trees - trees);
      grown.depth = options.depth;
      grown.smallest_leaf = options.smallest_leaf;
      grown.seed = RandomStream({options.seed, 2, s, static_cast<std::uint64_t>(trees)}).Bits();
      try {
        forest.trees.back().push_back(grow(grown));
      } catch (const std::runtime_error& error) {
        throw Error::Input(std::string("the forest cannot be grown: ") + error.what(), "");
      }
      progress.Update(++done, "trees of " + songs.stems[s]);
    }
  }
  WriteForest(forest, request.out);
  progress.Finish();
}

}  // namespace stemsmith
