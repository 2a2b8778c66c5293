#include "train/best_metric.h"

#include "core/error.h"
#include "core/names.h"

namespace stemsmith {
namespace {

// Metrics that have a mean over the stems and a value for each.
struct StemMetric {
  const char* name;
  const char* mean;   // place of the mean in the figures
  const char* stems;  // place of the map by stem
};
constexpr StemMetric kStemMetrics[] = {
    {"sdr", "/mean_sdr_db", "/sdr_db"},
    {"song_sdr", "/songs/mean_sdr_db", "/songs/sdr_db"},
    {"song_nsdr", "/songs/mean_nsdr_db", "/songs/nsdr_db"},
};

bool IsNumber(const nlohmann::json& figures, const nlohmann::json::json_pointer& place) {
  return figures.contains(place) && figures.at(place).is_number();
}

bool IsBetterAt(const nlohmann::json::json_pointer& wanted, const nlohmann::json& figures,
                const nlohmann::json& best) {
  static const nlohmann::json::json_pointer kLoss("/loss");
  const bool by_loss = wanted.empty() || !IsNumber(figures, wanted);
  const auto& place = by_loss ? kLoss : wanted;
  if (!IsNumber(figures, place)) return false;
  if (!IsNumber(best, place)) return true;
  const double now = figures.at(place).get<double>(), then = best.at(place).get<double>();
  return by_loss ? now < then : now > then;
}

}  // namespace

BestMetric::BestMetric(const Config& config, const std::vector<std::string>& stems, bool audio)
    : name_(config.String("metric", "sdr")) {
  const std::size_t dot = name_.find('.');
  const std::string kind = name_.substr(0, dot);
  std::vector<std::string> known = {"loss"};
  for (const StemMetric& metric : kStemMetrics) {
    known.push_back(metric.name);
    for (const std::string& stem : stems) known.push_back(metric.name + ("." + stem));
  }
  RequireName(name_, known, "validation yields no metric '" + name_ + "'", config.Where("metric"));
  if (!audio) {
    if (dot != std::string::npos) {
      throw Error::Usage("the cache holds spectrograms: validation yields no '" + name_ + "'",
                         config.Where("metric"), "use metric: loss, or prepare a cache of audio");
    }
    name_ = "loss";
  }
  if (name_ == "loss") return;
  for (const StemMetric& metric : kStemMetrics) {
    if (kind != metric.name) continue;
    const auto place = [&](const StemMetric& of) {
      if (dot == std::string::npos) return nlohmann::json::json_pointer(of.mean);
      return nlohmann::json::json_pointer(of.stems) / name_.substr(dot + 1);
    };
    place_ = place(metric);
    segments_ = place(kStemMetrics[0]);
    of_songs_ = place_ != segments_;
  }
}

bool BestMetric::Judges(const nlohmann::json& figures) const {
  return !of_songs_ || IsNumber(figures, place_);
}

bool BestMetric::IsBetter(const nlohmann::json& figures, const nlohmann::json& best) const {
  return Judges(figures) && IsBetterAt(place_, figures, best);
}

bool BestMetric::IsBetterOnSegments(const nlohmann::json& figures,
                                    const nlohmann::json& best) const {
  return IsBetterAt(segments_, figures, best);
}

}  // namespace stemsmith
