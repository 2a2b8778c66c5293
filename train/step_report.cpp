#include "train/step_report.h"

#include <algorithm>

#include "core/json_fields.h"
#include "core/progress_fields.h"
#include "core/text.h"
#include "train/device.h"

namespace stemsmith {

void StepReport::RecordStart() {
  const CacheReader& cache = *parts_.cache;
  nlohmann::json record = {
      {"event", "start"},
      {"step", state_.step},
      {"total_steps", parts_.total_steps},
      {"steps_per_epoch", parts_.loader->batches_per_epoch()},
      {"parameters", parts_.Parameters()},
      {"stems", cache.stems()},
      {"sample_rate_hz", cache.sample_rate_hz()},
      {"segment_seconds", static_cast<double>(parts_.segment_frames) / cache.sample_rate_hz()},
      {"device", parts_.device.str()},
      {"threads", parts_.threads},
      {"ranks", parts_.ranks.size()},
      {"audio", !cache.spectrogram()}};
  if (parts_.options.validate_every > 0)
    record["validation_songs"] = cache.TracksOf(parts_.options.validate_split).size();
  if (const std::string backend = parts_.ranks.backend(); !backend.empty())
    record["backend"] = backend;
  output_.Append(record);
}

void StepReport::Begin() {
  for (Meter* meter : {&session_, &record_, &shown_}) meter->Reset(parts_.loader->seconds_waited());
}

void StepReport::AddStep(double loss, std::int64_t samples) {
  state_.loss_sum += loss;
  ++state_.loss_count;
  for (Meter* meter : {&record_, &shown_}) meter->Add(samples);
}

void StepReport::Leave(double seconds) {
  for (Meter* meter : {&record_, &shown_}) meter->Leave(seconds);
}

void StepReport::Record(double gradient_norm, std::int64_t skipped_draws) {
  output_.CheckStillThere();
  const double waited = parts_.loader->seconds_waited();
  nlohmann::json record = {{"event", "train"},
                           {"step", state_.step},
                           {"epoch", state_.position.epoch},
                           {"loss", state_.loss_sum / static_cast<double>(state_.loss_count)},
                           {"learning_rate", parts_.learning_rate->At(state_.step - 1)},
                           {"gradient_norm", FiniteOrNull(gradient_norm)},
                           {"samples_per_second", record_.samples_per_second()},
                           {"data_wait", record_.wait_share(waited)},
                           {"overhead", record_.other_share(waited, computed_seconds_)},
                           {"skipped_draws", skipped_draws},
                           {"seconds", Elapsed()}};
  if (parts_.device.is_cuda()) record["gpu_memory_bytes"] = UsedMemory(parts_.device).device;
  if (parts_.scaler) {
    record["loss_scale"] = parts_.scaler->scale();
    record["steps_left_out"] = parts_.scaler->left_out();
  }
  output_.Append(record);
  state_.loss_sum = 0.0;
  state_.loss_count = 0;
  record_.Reset(parts_.loader->seconds_waited(), computed_seconds_);
}

void StepReport::RecordRest(double gradient_norm, std::int64_t skipped_draws) {
  if (state_.loss_count == 0) return;
  const double sum = state_.loss_sum;
  const std::int64_t count = state_.loss_count;
  Record(gradient_norm, skipped_draws);
  state_.loss_sum = sum;
  state_.loss_count = count;
}

void StepReport::Show(double loss) {
  if (speed_text_.empty() || shown_.seconds() >= 1.0) {
    const double waited = parts_.loader->seconds_waited();
    speed_text_ = Formatted("%.1f samples/s", shown_.samples_per_second());
    rate_text_ = Formatted("data wait %.0f %%", 100.0 * shown_.wait_share(waited));
    rate_fields_ = {{"samples_per_second", shown_.samples_per_second()},
                    {"data_wait", shown_.wait_share(waited)}};
    const MemoryUse memory = UsedMemory(parts_.device);
    rate_text_ += ", " + FormatBytes(memory.resident);
    rate_fields_["memory_bytes"] = memory.resident;
    if (parts_.device.is_cuda()) {
      rate_text_ += ", GPU " + FormatBytes(memory.device);
      rate_fields_["gpu_memory_bytes"] = memory.device;
    }
    shown_.Reset(waited);
  }
  const double rate = parts_.learning_rate->At(state_.step - 1);
  nlohmann::json fields = rate_fields_;
  fields["loss"] = loss;
  fields["learning_rate"] = rate;
  if (const double most = parts_.options.max_seconds; most > 0)
    fields[kMostSecondsLeft] = std::max(0.0, most - Elapsed());
  output_.progress().Update(
      state_.step,
      Formatted("loss %.5f, ", loss) + speed_text_ + Formatted(", lr %.2e, ", rate) + rate_text_,
      fields);
}

}  // namespace stemsmith
