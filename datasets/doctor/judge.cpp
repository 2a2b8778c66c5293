#include "datasets/doctor/judge.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "core/text.h"
#include "datasets/recipes/song_mixer.h"
#include "datasets/recipes/stem_names.h"

namespace stemsmith {
namespace {

// Residuals below this are rounding, and alike.
constexpr double kExactDb = -50;

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
    if (!track_.unrelated_takes) {
      Lengths();
      Bounces();
    }
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
         "right where it does not play in this song; else export it again");
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
           "export it again or remove it");
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
         "export it again with more headroom; turning it down does not fix it");
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
      const bool error =
          &part != song_.mixture() && !track_.lengths_vary && difference > kLengthToleranceSeconds;
      Find(error ? Severity::kError : Severity::kRemark, "length", part.name,
           Formatted("%.3f s long, ", part.meter->seconds()) + longest->name +
               Formatted(" is %.3f s", longest->meter->seconds()),
           error ? "cut or pad the stems to one length"
                 : "harmless at the end; make sure that all start together");
    }
  }

  // Stems that are the sum of the others, one after another: beside two bounces the sum holds the
  // other one, at another level.
  void Bounces() {
    std::vector<std::size_t> stems;
    for (std::size_t s = 0; s < song_.sources(); ++s) {
      const bool opened = song_.parts[s].opened();
      if (opened && !Silent(song_.parts[s]) && song_.products(s, s) > 0) stems.push_back(s);
    }
    Twins(stems, false);
    while (const std::optional<Bounce> bounce = ClearestBounce(stems)) {
      TellBounce(*bounce,
                 "the other stems together at " +
                     Formatted("%.0f dB", std::round(20 * std::log10(bounce->gain)) + 0.0));
      std::erase(stems, bounce->stem);
    }
    Twins(stems, true);
  }

  struct Bounce {
    std::size_t stem = 0;
    double residual_db = 0, gain = 1;
    bool named = false;  // by what it is called, too
  };

  bool Named(std::size_t stem) const { return LooksLikeMixture(song_.parts[stem].name); }

  std::optional<Bounce> ClearestBounce(const std::vector<std::size_t>& stems) const {
    std::optional<Bounce> clearest;
    for (const std::size_t stem : stems) {
      std::vector<std::size_t> others = stems;
      std::erase(others, stem);
      const Comparison comparison = ComparePart(song_.products, stem, others);
      const double residual = std::max(comparison.LeastResidualDb(), kExactDb);
      if (residual > limits_.bounce_remark_db || !HoldsTheOthers(song_.products, stem, others)) {
        continue;
      }
      const bool named = Named(stem);
      if (clearest &&
          std::pair(!clearest->named, clearest->residual_db) <= std::pair(!named, residual)) {
        continue;
      }
      clearest = {stem, residual, comparison.BestGain(), named};
    }
    return clearest;
  }

  void TellBounce(const Bounce& bounce, const std::string& sum) {
    bounces_.push_back(bounce.stem);
    const bool error = bounce.named || bounce.residual_db <= limits_.bounce_error_db;
    Find(error ? Severity::kError : Severity::kRemark, "bounce", song_.parts[bounce.stem].name,
         "a mixture of the others: without " + sum +
             Formatted(", %.0f dB of it are left", bounce.residual_db),
         "a model would learn the whole song as this stem: leave the file out with a recipe's "
         "`ignore: [NAME]`, or say with `mixture_file: NAME` that it is the mixture");
  }

  // Two files with one recording. Where one of them is called a mixture, that is what it is: of a
  // song with one stem.
  void Twins(std::vector<std::size_t>& stems, bool named) {
    for (std::size_t i = 0; i < stems.size(); ++i) {
      for (std::size_t k = i + 1; k < stems.size();) {
        const bool any_named = Named(stems[i]) || Named(stems[k]);
        const double residual = ComparePart(song_.products, stems[k], {stems[i]}).LeastResidualDb();
        if (any_named != named || residual > limits_.twin_db) {
          ++k;
          continue;
        }
        if (Named(stems[i]) != Named(stems[k])) {
          const bool first = Named(stems[i]);
          const std::string& other = song_.parts[first ? stems[k] : stems[i]].name;
          TellBounce({first ? stems[i] : stems[k], std::max(residual, kExactDb), 1, true},
                     "\"" + other + "\"");
        } else {
          Find(Severity::kRemark, "duplicate", song_.parts[stems[k]].name,
               "the same recording as the stem \"" + song_.parts[stems[i]].name + "\"",
               "it would sound twice: leave one of them out with a recipe's `ignore: [NAME]`");
        }
        stems.erase(stems.begin() + static_cast<std::ptrdiff_t>(k));
      }
    }
  }

  void Mixture() {
    if (!song_.has_mixture || track_.mastered || !song_.whole() || song_.sources() == 0) return;
    std::vector<std::size_t> stems;
    for (std::size_t s = 0; s < song_.sources(); ++s) {
      if (std::find(bounces_.begin(), bounces_.end(), s) == bounces_.end()) stems.push_back(s);
    }
    const Comparison sums = ComparePart(song_.products, song_.parts.size() - 1, stems);
    if (sums.part <= 0) return;
    const bool lossy = std::any_of(song_.parts.begin(), song_.parts.end(), Lossy);
    const double residual = sums.ResidualDb(1);
    const double remark = lossy ? limits_.mix_lossy_remark_db : limits_.mix_remark_db;
    if (residual <= remark) return;
    std::string what =
        Formatted("the stems do not add up to it: what is left is %.1f dB", residual);
    std::string advice = "look for a missing, shifted or otherwise processed stem";
    const double gain = sums.BestGain();
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
  std::vector<std::size_t> bounces_;
  std::vector<Finding> findings_;
};

}  // namespace

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
