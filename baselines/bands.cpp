// A band of frequencies per stem, by Butterworth filters (baselines/butterworth.h). A stream.
//
// Zero-phase (the default): each band is filtered forward and, block by block from as far ahead as
// the filter rings, backward; its response is the square of the filter's, and a low and a high pass
// of the same corner sum to the mixture. Causal: forward alone, without delay but with the filter's
// phase. Before and after the song there is silence.
#include <algorithm>
#include <utility>

#include "baselines/baseline.h"
#include "baselines/butterworth.h"
#include "core/config.h"
#include "core/error.h"

namespace stemsmith {
namespace {

struct Band {
  std::string stem;
  double low_hz = 0;   // 0: from the lowest
  double high_hz = 0;  // 0: to the highest
};

struct Settings {
  std::vector<std::string> stems;
  std::vector<Band> bands;  // one per stem
  int order = 4;
  bool zero_phase = true;
};

// One channel of one stem. Where the whole band lies above half the rate it is silent.
class BandFilter {
 public:
  BandFilter(const Band& band, const Settings& settings, int rate_hz)
      : silent_(band.low_hz >= 0.5 * rate_hz),
        zero_phase_(settings.zero_phase),
        forward_(Sections(band, settings.order, rate_hz)),
        backward_(forward_),
        ahead_(zero_phase_ ? forward_.SettlingFrames() : 0) {}

  // Takes the next frames of the mixture; `ended`: there are no more.
  void Add(std::vector<double> samples, bool ended) {
    forward_.Run(samples.data(), samples.size());
    held_.insert(held_.end(), samples.begin(), samples.end());
    if (ended && zero_phase_) {
      // What rings on after the end counts, too.
      std::vector<double> rest(ahead_, 0.0);
      forward_.Run(rest.data(), rest.size());
      held_.insert(held_.end(), rest.begin(), rest.end());
    }
  }
  // As many frames of the band as can be given by now.
  std::vector<double> Take() {
    if (held_.size() <= ahead_) return {};
    const std::size_t count = held_.size() - ahead_;
    std::vector<double> out = held_;
    if (zero_phase_) {
      backward_.Reset();
      backward_.RunBackward(out.data(), out.size());
    }
    out.resize(count);
    if (silent_) std::fill(out.begin(), out.end(), 0.0);
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(count));
    return out;
  }

 private:
  // A low corner at 0 or a high one above half the rate passes everything.
  static std::vector<FilterSection> Sections(const Band& band, int order, int rate_hz) {
    std::vector<FilterSection> sections;
    const auto add = [&](PassBand pass, double corner_hz) {
      if (corner_hz <= 0 || corner_hz >= 0.5 * rate_hz) return;
      const auto more = Butterworth(pass, order, corner_hz, rate_hz);
      sections.insert(sections.end(), more.begin(), more.end());
    };
    add(PassBand::kHigh, band.low_hz);
    add(PassBand::kLow, band.high_hz);
    return sections;
  }

  bool silent_, zero_phase_;
  SectionFilter forward_, backward_;
  std::size_t ahead_;
  std::vector<double> held_;  // filtered forward, not yet given
};

class BandsSong : public SongSeparator {
 public:
  BandsSong(std::unique_ptr<AudioReader> song, const Settings& settings)
      : song_(std::move(song)), stems_(settings.stems), ready_(stems_.size()) {
    for (const Band& band : settings.bands)
      for (int c = 0; c < info().channels; ++c)
        filters_.emplace_back(band, settings, info().sample_rate_hz);
  }
  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return stems_; }
  std::vector<Damage> damage() const override { return song_->damage(); }

  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const auto channels = static_cast<std::size_t>(info().channels);
    while (!ended_ && ReadyFrames() < frames) Filter();
    const std::size_t count = std::min(frames, ReadyFrames());
    blocks.resize(stems_.size());
    for (std::size_t s = 0; s < stems_.size(); ++s) {
      const auto end = ready_[s].begin() + static_cast<std::ptrdiff_t>(count * channels);
      blocks[s].assign(ready_[s].begin(), end);
      ready_[s].erase(ready_[s].begin(), end);
    }
    return count;
  }

 private:
  static constexpr std::size_t kBlockFrames = 16384;

  // Bands that ring longer are given later: what all have.
  std::size_t ReadyFrames() const {
    std::size_t samples = ready_[0].size();
    for (const auto& ready : ready_) samples = std::min(samples, ready.size());
    return samples / static_cast<std::size_t>(info().channels);
  }

  void Filter() {
    const auto channels = static_cast<std::size_t>(info().channels);
    std::vector<float> block(kBlockFrames * channels);
    const std::size_t count = song_->Read(block.data(), kBlockFrames);
    ended_ = count == 0;
    for (std::size_t s = 0; s < stems_.size(); ++s) {
      for (std::size_t c = 0; c < channels; ++c) {
        std::vector<double> samples(count);
        for (std::size_t t = 0; t < count; ++t) samples[t] = block[t * channels + c];
        BandFilter& filter = filters_[s * channels + c];
        filter.Add(std::move(samples), ended_);
        const std::vector<double> out = filter.Take();
        if (c == 0) ready_[s].resize(ready_[s].size() + out.size() * channels);
        float* to = ready_[s].data() + ready_[s].size() - out.size() * channels + c;
        for (std::size_t t = 0; t < out.size(); ++t) to[t * channels] = static_cast<float>(out[t]);
      }
    }
  }

  std::unique_ptr<AudioReader> song_;
  std::vector<std::string> stems_;
  std::vector<BandFilter> filters_;        // [S, C]
  std::vector<std::vector<float>> ready_;  // interleaved, per stem
  bool ended_ = false;
};

class Bands : public Baseline {
 public:
  explicit Bands(const Config& config) {
    settings_.order = static_cast<int>(config.IntegerIn("order", 4, 1, 16));
    settings_.zero_phase = config.Bool("zero_phase", true);
    static const Config standard = Config::Parse(
        "{bass: {high_hz: 200}, other: {low_hz: 200, high_hz: 700},"
        " vocals: {low_hz: 700, high_hz: 5000}, drums: {low_hz: 5000}}",
        "bands");
    const Config given = config.Child("bands"), bands = config.Has("bands") ? given : standard;
    for (const std::string& stem : bands.Keys()) {
      const Config band = bands.Child(stem);
      constexpr double kHighestHz = 1e6;
      settings_.stems.push_back(stem);
      settings_.bands.push_back({stem, band.NumberIn("low_hz", 0, 0, kHighestHz),
                                 band.NumberIn("high_hz", 0, 0, kHighestHz)});
      const Band& read = settings_.bands.back();
      if (read.high_hz > 0 && read.high_hz <= read.low_hz)
        throw Error::Usage("the band of '" + stem + "' is empty", bands.Where(stem),
                           "low_hz must be below high_hz");
    }
    if (settings_.stems.empty())
      throw Error::Usage("there are no bands", config.Where("bands"), "name a stem at least");
  }
  const std::vector<std::string>& stems() const override { return settings_.stems; }
  std::unique_ptr<SongSeparator> Open(BaselineInput input) const override {
    return std::make_unique<BandsSong>(std::move(input.song), settings_);
  }

 private:
  Settings settings_;
};

}  // namespace

std::unique_ptr<Baseline> MakeBands(const Config& settings) {
  return std::make_unique<Bands>(settings);
}

}  // namespace stemsmith
