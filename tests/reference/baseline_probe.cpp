// Parts of classical methods on arrays of the reference tests: baseline_probe PART OPTIONS IN…
// OUT…, where files are raw float32 (or uint32) and shapes come with the options. Times of PART are
// printed, so that they can be set beside those of the original.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "baselines/forest_file.h"
#include "baselines/frame_features.h"
#include "baselines/hpss.h"
#include "baselines/nearest_frames.h"
#include "baselines/nmf.h"

namespace stemsmith {
namespace {

using Words = std::vector<std::string>;

template <typename T = float>
std::vector<T> Load(const std::string& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  std::vector<T> values(static_cast<std::size_t>(in.tellg()) / sizeof(T));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(values.data()),
          static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

template <typename T>
void Save(const std::string& file, const std::vector<T>& values) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size() * sizeof(T)));
}

std::size_t Size(const std::string& text) { return std::stoul(text); }

void Time(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  std::cout << std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()
            << "\n";
}

// hpss BINS FRAMES_OF_MEDIAN BINS_OF_MEDIAN POWER MAGNITUDES[N,F] MASK[N,F]
void RunHpss(const Words& words) {
  const std::size_t bins = Size(words[0]);
  Hpss hpss({.harmonic_frames = std::stoi(words[1]),
             .percussive_bins = std::stoi(words[2]),
             .power = std::stod(words[3])});
  const std::vector<float> magnitudes = Load(words[4]);
  std::vector<float> mask(magnitudes.size());
  Time([&] {
    for (std::size_t n = 0; n * bins < mask.size(); ++n)
      hpss.HarmonicMask(magnitudes, bins, n, std::span(mask).subspan(n * bins, bins));
  });
  Save(words[5], mask);
}

// nearest BINS COUNT WIDTH MAGNITUDES[N,F] NEIGHBOURS[N,COUNT]
void RunNearest(const Words& words) {
  const std::size_t bins = Size(words[0]);
  const std::vector<float> magnitudes = Load(words[3]);
  NearestFrames nearest;
  Time([&] {
    nearest = FindNearestFrames(
        magnitudes.size() / bins, bins,
        [&](std::size_t n, float* out) { std::copy_n(magnitudes.data() + n * bins, bins, out); },
        {.count = Size(words[1]), .width = Size(words[2])});
  });
  std::vector<std::uint32_t> all;
  for (const auto& row : nearest) all.insert(all.end(), row.begin(), row.end());
  Save(words[4], all);
}

// nmf DIVERGENCE BINS COMPONENTS ITERATIONS V[N,F] ACTIVATIONS[N,K] SPECTRA[K,F] ACTIVATIONS
// SPECTRA
void RunNmf(const Words& words) {
  const std::map<std::string, Divergence> divergences = {
      {"frobenius", Divergence::kFrobenius},
      {"kullback-leibler", Divergence::kKullbackLeibler},
      {"itakura-saito", Divergence::kItakuraSaito}};
  const std::size_t bins = Size(words[1]);
  const std::vector<float> magnitudes = Load(words[4]);
  Factors factors{Size(words[2]), Load(words[5]), Load(words[6])};
  Time([&] {
    Factorize({magnitudes.data(), magnitudes.size() / bins, bins, bins}, divergences.at(words[0]),
              std::stoi(words[3]), factors);
  });
  Save(words[7], factors.activations);
  Save(words[8], factors.spectra);
}

// beginning SEED BINS COMPONENTS V[N,F] ACTIVATIONS[N,K] SPECTRA[K,F]: what NMF begins with
void RunBeginning(const Words& words) {
  const std::size_t bins = Size(words[1]);
  const std::vector<float> magnitudes = Load(words[3]);
  const Factors factors = RandomFactors({magnitudes.data(), magnitudes.size() / bins, bins, bins},
                                        Size(words[2]), Size(words[0]));
  Save(words[4], factors.activations);
  Save(words[5], factors.spectra);
}

// features RATE N_FFT HOP SONG[T] FEATURES[N,24]
void RunFeatures(const Words& words) {
  const int rate = std::stoi(words[0]);
  const StftOptions stft = {.n_fft = std::stoi(words[1]), .hop = std::stoi(words[2])};
  const std::vector<float> song = Load(words[3]);
  AudioBuffer audio(1, song.size());
  std::copy(song.begin(), song.end(), audio.channel(0));
  FrameTable table;
  Time([&] { table = DescribeFrames(audio, rate, stft, BandEdges(rate, stft.n_fft, 4), {}); });
  Save(words[4], table.features);
}

// forest COLUMNS TREES DEPTH SMALLEST_LEAF ROWS[N,COLUMNS] TARGETS[N] OTHER[M,COLUMNS] ANSWERS[M]
void RunForest(const Words& words) {
  const std::size_t columns = Size(words[0]);
  const std::vector<float> rows = Load(words[4]), targets = Load(words[5]), other = Load(words[6]);
  GrowRequest request;
  request.rows = rows.data();
  request.targets = targets.data();
  request.count = targets.size();
  request.columns = columns;
  request.trees = std::stoi(words[1]);
  request.depth = std::stoi(words[2]);
  request.smallest_leaf = std::stoi(words[3]);
  std::vector<float> answers(other.size() / columns);
  Time([&] {
    LoadReadTrees()(LoadGrowTrees()(request), columns)
        ->Ask(other.data(), answers.size(), answers.data());
  });
  Save(words[7], answers);
}

}  // namespace
}  // namespace stemsmith

int main(int argc, char** argv) {
  using namespace stemsmith;
  const std::map<std::string, void (*)(const Words&)> parts = {
      {"hpss", RunHpss},           {"nearest", RunNearest},   {"nmf", RunNmf},
      {"beginning", RunBeginning}, {"features", RunFeatures}, {"forest", RunForest}};
  const auto part = parts.find(argc > 1 ? argv[1] : "");
  if (part == parts.end()) return 2;
  part->second(Words(argv + 2, argv + argc));
}
