#include "datasets/doctor/judge.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "core/text.h"
#include "datasets/recipes/song_mixer.h"

namespace stemsmith {
namespace {

// Rounding leaves this much of a residual whatever the audio.
constexpr double kLowestResidual = 1e-14;

bool Lossy(const MeasuredPart& part) {
  static const std::set<std::string> kPlain = {"wav", "rf64", "w64", "aiff", "au", "caf"};
  return part.info.bits >= 32 && !kPlain.contains(part.info.format);
}

class Judge {
 public:
  Judge(const Track& track, const MeasuredSong& song, const DoctorLimits& limits)
      : track_(track), song_(song), limits_(limits) {}

  std::vector<Finding> Run() {
    const bool silent_song = SilentSong();
    for (const MeasuredPart& part : song_.parts) {
      if (!part.opened()) continue;
      Rate(part);
      if (part.meter->frames() == 0) continue;
      if (!silent_song) Silence(part);
      Clipping(part);
      Dc(part);
    }
    if (!track_.unrelated_takes) Lengths();
    Mixture();
    return std::move(findings_);
  }

 private:
  void Find(Severity severity, const char* kind, const std::string& stem, std::string what,
            std::string advice) {
    findings_.push_back(
        {severity, kind, track_.split, track_.name, stem, std::move(what), std::move(advice)});
  }

  void Rate(const MeasuredPart& part) {
    if (part.info.sample_rate_hz == song_.sample_rate_hz) return;
    Find(Severity::kRemark, "rate", part.name,
         Formatted("at %d Hz, other files of the song at %d Hz", part.info.sample_rate_hz,
                   song_.sample_rate_hz),
         "prepare resamples; export it at the song's rate where you can");
  }

  bool Silent(const MeasuredPart& part) const {
    return part.whole() && part.meter->windows().loudest_db() <= limits_.silence_db;
  }

  void Silence(const MeasuredPart& part) {
    if (!Silent(part)) return;
    Find(Severity::kRemark, "silence", part.name,
         Formatted("silent: never above %.0f dB", part.meter->windows().loudest_db()),
         "right where it does not play in this song; else export it anew");
  }

  // Told once, not for every stem.
  bool SilentSong() {
    const auto sources_end = song_.parts.begin() + static_cast<std::ptrdiff_t>(song_.sources());
    const bool silent =
        song_.sources() > 0 && std::all_of(song_.parts.begin(), sources_end,
                                           [&](const MeasuredPart& part) { return Silent(part); });
    if (silent) {
      Find(Severity::kError, "silence", song_.sources() == 1 ? song_.parts[0].name : "",
           song_.sources() == 1 ? "silent" : "no stem sounds at all",
           "export it anew or remove it");
    }
    return silent;
  }

  void Clipping(const MeasuredPart& part) {
    const StemMeter& meter = *part.meter;
    if (meter.clipped_runs() < limits_.clip_runs_remark) return;
    const bool heavy = meter.clipped_share() >= limits_.clip_share_error;
    Find(heavy ? Severity::kError : Severity::kRemark, "clipping", part.name,
         Formatted("clipped %lld times (%.2g %% of the samples), first at %s",
                   static_cast<long long>(meter.clipped_runs()), 100 * meter.clipped_share(),
                   FormatDuration(meter.first_clip_seconds()).c_str()),
         "export it anew with more headroom; turning it down does not mend it");
  }

  void Dc(const MeasuredPart& part) {
    const double offset = part.meter->dc_offset();
    if (std::abs(offset) < limits_.dc_remark) return;
    Find(std::abs(offset) >= limits_.dc_error ? Severity::kError : Severity::kRemark, "dc",
         part.name,
         Formatted("DC offset of %.3f (%.0f dB)", offset, 20 * std::log10(std::abs(offset))),
         "filter it with a high-pass at 10 to 20 Hz");
  }

  // Against the longest source, so that one short stem is named and not all the others.
  void Lengths() {
    const MeasuredPart* longest = nullptr;
    for (std::size_t s = 0; s < song_.sources(); ++s) {
      const MeasuredPart& part = song_.parts[s];
      if (!part.whole()) continue;
      if (longest == nullptr || part.meter->seconds() > longest->meter->seconds()) longest = &part;
    }
    if (longest == nullptr) return;
    for (const MeasuredPart& part : song_.parts) {
      if (!part.whole()) continue;
      const double difference = longest->meter->seconds() - part.meter->seconds();
      if (std::abs(difference) <= limits_.length_remark_seconds) continue;
      // What prepare refuses: the mixture does not go into the cache.
      const bool error = &part != song_.mixture() && difference > kLengthToleranceSeconds;
      Find(error ? Severity::kError : Severity::kRemark, "length", part.name,
           Formatted("%.3f s long, ", part.meter->seconds()) + longest->name +
               Formatted(" is %.3f s", longest->meter->seconds()),
           error ? "cut or pad the stems to one length"
                 : "harmless at the end; make sure that all start together");
    }
  }

  void Mixture() {
    const MixComparison& sums = song_.comparison;
    if (!song_.has_mixture || !song_.whole() || song_.sources() == 0 || sums.mix <= 0) return;
    const bool lossy = std::any_of(song_.parts.begin(), song_.parts.end(), Lossy);
    const double residual = sums.ResidualDb(1);
    const double remark = lossy ? limits_.mix_lossy_remark_db : limits_.mix_remark_db;
    if (residual <= remark) return;
    std::string what =
        Formatted("the stems do not add up to it: what is left is %.1f dB", residual);
    std::string advice = "look for a missing, shifted or otherwise processed stem";
    const double gain = sums.sum > 0 ? sums.product / sums.sum : 0;
    if (gain > 0 && sums.ResidualDb(gain) <= std::min(remark, residual - 10)) {
      what += Formatted(", with a gain of %+.1f dB %.1f dB", 20 * std::log10(gain),
                        sums.ResidualDb(gain));
      advice = "the mixture has another level: scale it, or train on the sum of the stems";
    }
    const bool error = residual > limits_.mix_error_db && !song_.has_residual;
    Find(error ? Severity::kError : Severity::kRemark, "mixture", song_.mixture()->name, what,
         advice);
  }

  const Track& track_;
  const MeasuredSong& song_;
  const DoctorLimits& limits_;
  std::vector<Finding> findings_;
};

}  // namespace

double MixComparison::ResidualDb(double gain) const {
  const double residual = mix - 2 * gain * product + gain * gain * sum;
  return 10 * std::log10(std::max(residual / mix, kLowestResidual));
}

double MeasuredSong::seconds() const {
  double longest = 0;
  for (std::size_t s = 0; s < sources(); ++s) {
    if (parts[s].opened()) longest = std::max(longest, parts[s].meter->seconds());
  }
  return longest;
}

bool MeasuredSong::whole() const {
  return std::all_of(parts.begin(), parts.end(),
                     [](const MeasuredPart& part) { return part.whole(); });
}

std::vector<Finding> JudgeSong(const Track& track, const MeasuredSong& song,
                               const DoctorLimits& limits) {
  return Judge(track, song, limits).Run();
}

}  // namespace stemsmith
