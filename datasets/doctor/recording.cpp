#include "datasets/doctor/recording.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <span>
#include <tuple>

#include "audio/stft.h"

namespace stemsmith {
namespace {

constexpr int kBits = 32;
constexpr int kBands = kBits + 1;
constexpr double kLowestHz = 300, kHighestHz = 2000;  // what every codec keeps
constexpr int kFft = 8 * RecordingPrint::kHopFrames;
// Frames over which the change in time is taken: half a window, so that both see other audio.
constexpr std::size_t kDelta = 4;
// Frames transformed at once.
constexpr std::size_t kFramesAtOnce = 64;
constexpr float kSilentShare = 1e-6f;  // of the loudest frame's energy: 60 dB below
// Words that more frames than this have say little (steady tones), and would cost much.
constexpr std::ptrdiff_t kCommonWord = 64;
constexpr int kLeastVotes = 3;
constexpr std::size_t kCandidateLags = 3;
constexpr std::int64_t kLagSlack = 2;

// Bins [edge(m), edge(m + 1)) make band m; bands are equally wide in octaves.
std::array<int, kBands + 1> BandEdges() {
  std::array<int, kBands + 1> edges{};
  for (int m = 0; m <= kBands; ++m) {
    const double hz = kLowestHz * std::pow(kHighestHz / kLowestHz, double(m) / kBands);
    edges[m] = static_cast<int>(std::lround(hz * kFft / RecordingPrint::kSampleRateHz));
  }
  return edges;
}

}  // namespace

struct RecordingPrinter::Impl {
  using Bands = std::array<float, kBands>;

  Stft stft{{kFft, RecordingPrint::kHopFrames}};
  std::array<int, kBands + 1> edges = BandEdges();
  std::vector<float> audio;     // not yet transformed, with the overlap
  std::vector<Bands> before;    // the last kDelta frames, oldest first
  std::vector<float> energies;  // per word
  RecordingPrint print;

  // Transforms the whole frames of `audio` and drops what no later frame needs. The STFT centres
  // its frames: those at both ends would reach beyond the audio and are left out.
  void Transform() {
    constexpr std::size_t kHop = RecordingPrint::kHopFrames, kEdge = kFft / 2 / kHop;
    if (audio.size() < kFft) return;
    const std::size_t count = 1 + (audio.size() - kFft) / kHop;
    const std::size_t used = kFft + (count - 1) * kHop;
    const auto spectrum = stft.Forward(std::span(audio).first(used));
    const auto bins = static_cast<std::size_t>(stft.bins());
    for (std::size_t n = 0; n < count; ++n) AddFrame(spectrum.data() + (n + kEdge) * bins);
    audio.erase(audio.begin(), audio.begin() + static_cast<std::ptrdiff_t>(count * kHop));
  }

  void AddFrame(const std::complex<float>* bins) {
    Bands now{};
    float energy = 0;
    for (int m = 0; m < kBands; ++m) {
      for (int k = edges[m]; k < edges[m + 1]; ++k) now[m] += std::norm(bins[k]);
      energy += now[m];
    }
    if (before.size() == kDelta) {
      const Bands& then = before.front();
      std::uint32_t word = 0;
      for (int m = 0; m < kBits; ++m) {
        const float change = (now[m] - now[m + 1]) - (then[m] - then[m + 1]);
        word |= static_cast<std::uint32_t>(change > 0) << m;
      }
      print.words.push_back(word == RecordingPrint::kSilent ? 1 : word);
      energies.push_back(energy);
      before.erase(before.begin());
    }
    before.push_back(now);
  }
};

RecordingPrinter::RecordingPrinter() : impl_(std::make_unique<Impl>()) {}
RecordingPrinter::~RecordingPrinter() = default;

void RecordingPrinter::Push(const float* mono, std::size_t frames) {
  constexpr std::size_t kFull = kFft + (kFramesAtOnce - 1) * RecordingPrint::kHopFrames;
  while (frames > 0) {
    const std::size_t count = std::min(frames, kFull - impl_->audio.size());
    impl_->audio.insert(impl_->audio.end(), mono, mono + count);
    mono += count;
    frames -= count;
    if (impl_->audio.size() == kFull) impl_->Transform();
  }
}

RecordingPrint RecordingPrinter::Finish() {
  impl_->Transform();
  RecordingPrint print = std::move(impl_->print);
  float loudest = 0;
  for (const float energy : impl_->energies) loudest = std::max(loudest, energy);
  for (std::size_t n = 0; n < print.words.size(); ++n) {
    if (impl_->energies[n] <= kSilentShare * loudest) print.words[n] = RecordingPrint::kSilent;
  }
  return print;
}

double BitError(const RecordingPrint& a, const RecordingPrint& b, std::int64_t lag,
                const DoctorLimits& limits) {
  const auto size_a = static_cast<std::int64_t>(a.words.size());
  const auto size_b = static_cast<std::int64_t>(b.words.size());
  std::int64_t frames = 0, different = 0;
  for (std::int64_t n = std::max<std::int64_t>(0, -lag); n < std::min(size_a, size_b - lag); ++n) {
    const std::uint32_t x = a.words[n], y = b.words[n + lag];
    if (x == RecordingPrint::kSilent || y == RecordingPrint::kSilent) continue;
    different += std::popcount(x ^ y);
    ++frames;
  }
  const auto sounding = [](const RecordingPrint& print) {
    return static_cast<double>(print.words.size()) -
           static_cast<double>(
               std::count(print.words.begin(), print.words.end(), RecordingPrint::kSilent));
  };
  const double least = std::max(limits.duplicate_seconds / RecordingPrint::kHopSeconds,
                                limits.duplicate_overlap * std::min(sounding(a), sounding(b)));
  if (frames == 0 || static_cast<double>(frames) < least) return 1;
  return static_cast<double>(different) / static_cast<double>(frames * kBits);
}

namespace {

struct Place {
  std::uint32_t word;
  std::uint32_t recording;
  std::uint32_t frame;
};

// The lags at which two recordings have most words in common.
std::vector<std::int64_t> LikelyLags(const std::map<std::int64_t, int>& votes) {
  std::vector<std::pair<int, std::int64_t>> ranked;
  for (const auto& [lag, count] : votes) {
    const auto next = votes.find(lag + 1);
    const int both = count + (next == votes.end() ? 0 : next->second);
    if (both >= kLeastVotes) ranked.emplace_back(-both, lag);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::int64_t> lags;
  for (std::size_t i = 0; i < std::min(kCandidateLags, ranked.size()); ++i) {
    lags.push_back(ranked[i].second);
  }
  return lags;
}

}  // namespace

std::vector<SameRecording> FindSameRecordings(const std::vector<RecordingPrint>& prints,
                                              const DoctorLimits& limits) {
  std::vector<Place> index;
  for (std::size_t r = 0; r < prints.size(); ++r) {
    for (std::size_t n = 0; n < prints[r].words.size(); ++n) {
      if (prints[r].words[n] == RecordingPrint::kSilent) continue;
      index.push_back(
          {prints[r].words[n], static_cast<std::uint32_t>(r), static_cast<std::uint32_t>(n)});
    }
  }
  std::sort(index.begin(), index.end(), [](const Place& a, const Place& b) {
    return std::tie(a.word, a.recording, a.frame) < std::tie(b.word, b.recording, b.frame);
  });
  const auto by_word = [](const Place& place, std::uint32_t word) { return place.word < word; };

  std::vector<SameRecording> found;
  for (std::size_t first = 0; first < prints.size(); ++first) {
    std::map<std::size_t, std::map<std::int64_t, int>> votes;  // per other recording and lag
    for (std::size_t n = 0; n < prints[first].words.size(); ++n) {
      const std::uint32_t word = prints[first].words[n];
      if (word == RecordingPrint::kSilent) continue;
      const auto begin = std::lower_bound(index.begin(), index.end(), word, by_word);
      auto end = begin;
      while (end != index.end() && end->word == word && end - begin <= kCommonWord) ++end;
      if (end - begin > kCommonWord) continue;
      for (auto place = begin; place != end; ++place) {
        if (place->recording <= first) continue;
        ++votes[place->recording][std::int64_t{place->frame} - static_cast<std::int64_t>(n)];
      }
    }
    for (const auto& [second, lags] : votes) {
      SameRecording best{first, second, 1, 0};
      for (const std::int64_t likely : LikelyLags(lags)) {
        for (std::int64_t lag = likely - kLagSlack; lag <= likely + kLagSlack; ++lag) {
          const double error = BitError(prints[first], prints[second], lag, limits);
          if (error >= best.bit_error) continue;
          best.bit_error = error;
          best.offset_seconds = static_cast<double>(lag) * RecordingPrint::kHopSeconds;
        }
      }
      if (best.bit_error <= limits.duplicate_bit_error) found.push_back(best);
    }
  }
  return found;
}

}  // namespace stemsmith
