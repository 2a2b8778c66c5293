#include "train/report/recorder.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "picture/picture.h"
#include "train/report/report.h"

namespace stemsmith {
namespace {

using Scalars = std::vector<std::pair<std::string, double>>;

// Every finite number in a record, by its path.
void CollectScalars(const std::string& path, const nlohmann::json& value, Scalars& out) {
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) CollectScalars(path + "/" + key, item, out);
  } else if (value.is_number() && std::isfinite(value.get<double>())) {
    out.emplace_back(path, value.get<double>());
  }
}

// TensorBoard takes slashes in tags for groups.
std::string TagPart(std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

}  // namespace

RunRecorder::RunRecorder(const std::filesystem::path& run, std::int64_t last_step, bool tensorboard,
                         Listener warn)
    : run_(run), warn_(std::move(warn)), files_(run), metrics_(files_.metrics, last_step, warn_) {
  if (tensorboard) {
    try {
      events_ = std::make_unique<EventFile>(files_.tensorboard, last_step, warn_);
    } catch (const Error& error) {
      Tell(warn_, error.text() + "; training goes on without TensorBoard's files");
    } catch (const std::exception& error) {
      Tell(warn_, std::string(error.what()) + "; training goes on without TensorBoard's files");
    }
  }
  std::error_code none;
  if (last_step < 0) std::filesystem::remove_all(files_.listen, none);
  const nlohmann::json index = ReadExcerptIndex(files_.listen);
  if (!index.is_object()) return;
  for (const nlohmann::json& step : index["shown_steps"])
    if (step.get<std::int64_t>() <= last_step) shown_.push_back(step.get<std::int64_t>());
}

void RunRecorder::Append(const nlohmann::json& record) {
  metrics_.Append(record);
  const auto event = record["event"].get<std::string>();
  if (!events_ || event == "start" || event == "end") return;
  nlohmann::json figures = record;
  for (const char* key : {"event", "step"}) figures.erase(key);
  Scalars scalars;
  CollectScalars(event, figures, scalars);
  events_->AddScalars(record["step"].get<std::int64_t>(), scalars);
}

bool RunRecorder::WantsExcerpts(std::int64_t step, bool last) const {
  if (shown_.empty()) return true;
  return step != shown_.back() &&
         (last || 2 * static_cast<double>(step) >= 3 * static_cast<double>(shown_.back()));
}

void RunRecorder::Show(const ExcerptSet& set) {
  const bool first = shown_.empty();  // mixture and targets stay the same
  shown_.push_back(set.step);
  try {
    SaveExcerpts(files_.listen, set, shown_);
    if (events_ && !set.songs.empty()) {
      const Excerpt& song = set.songs.front();
      std::vector<const AudioBuffer*> signals = {&song.mixture};
      std::vector<std::string> names = {"mixture"};
      for (std::size_t s = 0; s < set.stems.size(); ++s) {
        signals.insert(signals.end(), {&song.targets[s], &song.estimates[s]});
        names.insert(names.end(),
                     {TagPart(set.stems[s]) + "/target", TagPart(set.stems[s]) + "/estimate"});
      }
      const StripOptions strip{.sample_rate_hz = set.sample_rate_hz};
      const std::vector<std::string> pictures = SpectrogramStrips(signals, strip);
      for (std::size_t i = 0; i < signals.size(); ++i) {
        if (!first && !names[i].ends_with("/estimate")) continue;
        events_->AddAudio(set.step, "audio/" + names[i], *signals[i], set.sample_rate_hz);
        events_->AddPicture(set.step, "spectrogram/" + names[i], pictures[i], strip.width,
                            strip.height);
      }
    }
  } catch (const Error& error) {
    Tell(warn_, error.text() + "; training goes on");
  }
}

void RunRecorder::End(std::int64_t step, int signal, double seconds) {
  Append({{"event", "end"}, {"step", step}, {"signal", signal}, {"seconds", seconds}});
  if (!HasReport()) return;
  try {
    WriteReport(run_);
  } catch (const Error& error) {
    Tell(warn_, error.text());
  }
}

}  // namespace stemsmith
