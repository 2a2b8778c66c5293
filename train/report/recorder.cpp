#include "train/report/recorder.h"

#include <algorithm>
#include <cmath>

#include "core/config.h"
#include "core/error.h"
#include "core/files.h"
#include "core/numbers.h"
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

// Every value of a configuration by its path: "optimizer.lr", "augment.0.name". Numbers and flags
// are told apart from words by how they are written.
void CollectSettings(const std::string& path, const Config& config, Settings& out) {
  const auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  if (config.IsMap()) {
    for (const std::string& key : config.Keys())
      if (config.Has(key)) CollectSettings(below(key), config.Value(key), out);
  } else if (config.IsList()) {
    const std::vector<Config> items = config.Items();
    for (std::size_t i = 0; i < items.size(); ++i)
      CollectSettings(below(std::to_string(i)), items[i], out);
  } else {
    const std::string text = config.AsString();
    if (const auto number = ParseNumber(text)) {
      out.emplace_back(path, *number);
    } else if (text == "true" || text == "false") {
      out.emplace_back(path, text == "true");
    } else {
      out.emplace_back(path, text);
    }
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
      Tell(warn_, error.text() + "; training continues without TensorBoard's files");
    } catch (const std::exception& error) {
      Tell(warn_, std::string(error.what()) + "; training continues without TensorBoard's files");
    }
  }
  AddConfiguration(last_step);
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
      const StripOptions strip{.sample_rate_hz = set.sample_rate_hz, .axes = true};
      const PictureSize size = StripSize(strip);
      const std::vector<std::string> pictures = SpectrogramStrips(signals, strip);
      for (std::size_t i = 0; i < signals.size(); ++i) {
        if (!first && !names[i].ends_with("/estimate")) continue;
        events_->AddAudio(set.step, "audio/" + names[i], *signals[i], set.sample_rate_hz);
        events_->AddPicture(set.step, "spectrogram/" + names[i], pictures[i], size.width,
                            size.height);
      }
    }
  } catch (const Error& error) {
    Tell(warn_, error.text() + "; training continues");
  }
}

bool RunRecorder::Shows(std::int64_t step) const {
  const nlohmann::json index = ReadExcerptIndex(files_.listen);
  return index.is_object() && index["step"] == step;
}

void RunRecorder::ShowKept(const ExcerptSet& set) {
  try {
    SaveExcerpts(files_.listen, set, shown_);
  } catch (const Error& error) {
    Tell(warn_, error.text() + "; training continues");
  }
}

void RunRecorder::AddConfiguration(std::int64_t last_step) {
  const std::filesystem::path file = run_ / "config.yaml";
  if (!events_ || !std::filesystem::exists(file)) return;
  std::string text = ReadFile(file), indented;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    indented += "    " + text.substr(at, end - at) + '\n';  // Markdown's way to say code
    at = end + 1;
  }
  events_->AddText(std::max<std::int64_t>(0, last_step), "configuration", indented);
  if (last_step >= 0) return;  // one set of parameters for each run
  Settings settings;
  CollectSettings("", Config::Load(file), settings);
  events_->AddHyperparameters(settings);
}

void RunRecorder::End(std::int64_t step, RunEnd end, int signal, double seconds) {
  Append({{"event", "end"},
          {"step", step},
          {"stopped_by", NameOf(end)},
          {"signal", signal},
          {"seconds", seconds}});
  if (!HasReport()) return;
  try {
    WriteReport(run_);
  } catch (const Error& error) {
    Tell(warn_, error.text());
  }
}

}  // namespace stemsmith
