#include "train/validator.h"

#include "core/error.h"
#include "core/text.h"
#include "models/manifest_for.h"

namespace stemsmith {

Validator::Validator(RunParts& parts, RunOutput& output, TrainState& state, SaveBest save_best)
    : parts_(parts), output_(output), state_(state), save_best_(std::move(save_best)) {
  const TrainOptions& options = parts_.options;
  if (options.validate_every > 0) {
    ValidationOptions validation;
    validation.split = options.validate_split;
    validation.segment_frames = parts_.segment_frames;
    validation.max_segments = options.max_segments;
    validation.batch_size = options.batch_size;
    segments_ = std::make_unique<Validation>(*parts_.cache, validation);
    MakeSongs();
    ExcerptOptions excerpts;
    excerpts.split = options.validate_split;
    excerpts.songs = options.report_songs;
    excerpts.seconds = options.report_seconds;
    excerpts_ = std::make_unique<ExcerptSource>(*parts_.cache, excerpts);
  }
  if (parts_.learning_rate->needs_validation() && !active()) {
    throw Error::Usage("the schedule looks at the validation's loss, and nothing is validated",
                       parts_.config.Child("schedule").Where("name"),
                       segments_ ? "the cache holds no songs of the split '" +
                                       options.validate_split + "'; take another schedule"
                                 : "set validate.every_steps above 0, or take another schedule");
  }
}

void Validator::MakeSongs() {
  const TrainOptions& options = parts_.options;
  if (options.songs_every == 0) return;
  if (parts_.cache->spectrogram()) {
    throw Error::Usage("the cache holds spectrograms: whole songs cannot be separated from them",
                       parts_.config.Child("validate").Where("songs_every"),
                       "set validate.songs_every to 0, or prepare a cache of audio");
  }
  // Rank 0 separates them, and the others wait.
  const double patience = 0.8 * options.rank_timeout_seconds, most = options.songs_max_seconds;
  if (parts_.ranks.several() && (most == 0.0 || most > patience)) {
    throw Error::Usage("whole songs may take longer than ranks wait for each other",
                       parts_.config.Child("validate").Where("max_seconds"),
                       Formatted("set validate.max_seconds to %g at most, ", patience) +
                           "or raise train.rank_timeout_seconds");
  }
  SongValidationOptions songs;
  songs.split = options.validate_split;
  songs.max_seconds = options.songs_max_seconds;
  songs_ = std::make_unique<SongValidation>(*parts_.cache, songs);
}

bool Validator::DueNow() const {
  return active() && state_.step % parts_.options.validate_every == 0;
}

bool Validator::WasRunNow() const {
  return state_.validation.is_object() && state_.validation["step"] == state_.step;
}

bool Validator::OutOfPatience() const {
  const std::int64_t patience = parts_.options.patience;
  return patience > 0 && state_.validations_since_best >= patience;
}

Validator::Choice Validator::ChooseAverage() {
  SeparationModel& model = *parts_.model;
  const std::vector<std::string>& stems = parts_.cache->stems();
  Choice best{segments_->Run(*parts_.objective, parts_.device, parts_.ranks), {}, {}, nullptr};
  best.json = best.figures.ToJson(stems);
  if (!parts_.averages->empty()) best.json["average"] = "none";
  best.all = {{"none", best.json}};
  for (const WeightAverage* average : parts_.averages->Updated()) {
    model.LoadStateDict(average->state(), average->name());
    parts_.ranks.Broadcast(model.StateDict());
    const ValidationFigures tried = segments_->Run(*parts_.objective, parts_.device, parts_.ranks);
    nlohmann::json json = tried.ToJson(stems);
    best.all[average->name()] = json;
    json["average"] = average->name();
    if (!parts_.best_metric->IsBetterOnSegments(json, best.json)) continue;
    best.json = std::move(json);
    best.figures = tried;
    best.weights = &average->state();
  }
  return best;
}

void Validator::Run(bool last) {
  SeparationModel& model = *parts_.model;
  output_.CheckStillThere();
  // Where batch norm is each rank's own, its running figures differ; rank 0's are those that count.
  parts_.ranks.Broadcast(model.StateDict());
  // The weights of the step, and every average of them: the best of all counts.
  const bool averaged = !parts_.averages->Updated().empty();
  const NamedTensors weights = averaged ? CloneTensors(model.StateDict()) : NamedTensors();
  Choice choice = ChooseAverage();
  if (averaged)
    model.LoadStateDict(choice.weights ? *choice.weights : weights, "the averaged weights");
  const std::int64_t every = parts_.options.validate_every;
  nlohmann::json songs;
  if (songs_ && (last || state_.step / every % parts_.options.songs_every == 0)) {
    songs = nlohmann::json::parse(
        parts_.ranks.Broadcast((parts_.ranks.first() ? JudgeSongs() : songs).dump()));
  }
  TakeExcerpts(last);

  // The one at the end of a run is not counted if none was due: a longer run would not have it.
  if (state_.step % every == 0) parts_.learning_rate->Validated(choice.figures.loss);
  nlohmann::json& figures = choice.json;
  figures["step"] = state_.step;
  if (!songs.is_null()) figures["songs"] = songs;
  state_.validation = figures;
  const bool better = parts_.best_metric->IsBetter(figures, state_.best);
  if (parts_.best_metric->Judges(figures)) ++state_.validations_since_best;
  if (better) state_.validations_since_best = 0;
  Tell(choice, better);
  const bool saved = better && save_best_(figures);
  if (averaged) model.LoadStateDict(weights, "the weights");
  figures["event"] = "validation";
  figures["best"] = saved;
  if (averaged) figures["averages"] = std::move(choice.all);
  output_.Append(figures);
}

void Validator::Tell(const Choice& choice, bool better) const {
  const ValidationFigures& figures = choice.figures;
  std::string text =
      "step " + std::to_string(state_.step) + Formatted(": validation loss %.5f", figures.loss);
  for (std::size_t s = 0; s < figures.sdr_db.size(); ++s) {
    text += s == 0 ? Formatted(", SDR %.2f dB (", figures.mean_sdr_db) : ", ";
    text += parts_.cache->stems()[s] + Formatted(" %.2f", figures.sdr_db[s]);
  }
  if (!figures.sdr_db.empty()) text += ")";
  if (choice.weights) text += ", by the average " + choice.json["average"].get<std::string>();
  if (better) text += ", the best so far";
  output_.Message(text);
}

ModelRuntime Validator::Runtime() const {
  const EvalMode eval(*parts_.model);
  return ModelRuntime(*parts_.model,
                      ManifestFor(parts_.DescribeModel(), *parts_.model, 0, parts_.where()),
                      parts_.device);
}

void Validator::TakeExcerpts(bool last) const {
  if (!parts_.ranks.first() || excerpts_->empty() || !output_.WantsExcerpts(state_.step, last))
    return;
  ModelRuntime runtime = Runtime();
  output_.Show(excerpts_->Separate(runtime, state_.step));
}

void Validator::ShowKept() const {
  if (!parts_.ranks.first() || !excerpts_ || excerpts_->empty() || !state_.best.is_object()) return;
  const auto step = state_.best["step"].get<std::int64_t>();
  if (output_.Shows(step)) return;
  try {
    SeparationModel& model = *parts_.model;
    const Checkpoint best = LoadCheckpoint(output_.folder()->best(), {}, AdapterUse::kApart);
    const NamedTensors weights = CloneTensors(model.StateDict());
    model.LoadStateDict(best.weights, "the best checkpoint");
    ModelRuntime runtime = Runtime();
    output_.ShowKept(excerpts_->Separate(runtime, step));
    model.LoadStateDict(weights, "the weights");
  } catch (const Error& error) {
    output_.Warn(error.text() + "; the excerpts are not those of the best checkpoint");
  }
}

nlohmann::json Validator::JudgeSongs() const {
  ModelRuntime runtime = Runtime();
  const SongFigures figures = songs_->Run(runtime);
  const std::size_t done = figures.songs.size(), all = songs_->tracks().size();
  std::string text = "step " + std::to_string(state_.step) + ": ";
  if (done > 0) {
    text += (all == 1 ? "the whole song" : "whole songs") +
            Formatted(": nSDR %.2f dB (", figures.mean_nsdr_db);
    for (std::size_t s = 0; s < figures.nsdr_db.size(); ++s) {
      text +=
          (s > 0 ? ", " : "") + parts_.cache->stems()[s] + Formatted(" %.2f", figures.nsdr_db[s]);
    }
    text += Formatted("), SDR %.2f dB", figures.mean_sdr_db);
  } else {
    text += "no whole song was judged";
  }
  output_.Message(text);
  if (done < all) {
    output_.Warn(std::to_string(all - done) + " of " + std::to_string(all) +
                 " songs were left out: " +
                 Formatted("validate.max_seconds is %g", parts_.options.songs_max_seconds));
  }
  return figures.ToJson(parts_.cache->stems());
}

}  // namespace stemsmith
