#include "datasets/loader/sample_maker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "augment/stem_change.h"
#include "core/error.h"
#include "core/text.h"

namespace stemsmith {
namespace {

// Draws of one sample until one sounds as asked for: of a stem that sounds a twentieth of the time,
// one in a hundred and fifty samples is still without.
constexpr std::uint64_t kMostDraws = 100;
// Draws of one sample given up because of damage before that is an error after all.
constexpr int kMostSkips = 100;

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

TrackTable TableOf(const CacheReader& cache, const std::vector<std::size_t>& numbers,
                   const LoaderOptions& options) {
  const std::string where = "split " + Quoted(options.split) + " of the cache";
  if (numbers.empty()) {
    std::vector<std::string> splits;
    for (const CachedTrack& track : cache.tracks())
      if (std::find(splits.begin(), splits.end(), track.split) == splits.end())
        splits.push_back(track.split);
    std::string advice = "the cache is empty: prepare it again from a dataset with songs";
    for (std::size_t i = 0; i < splits.size(); ++i)
      advice = (i == 0 ? "the cache has " : advice + ", ") + Quoted(splits[i]);
    throw Error::Input("there is no song to draw from", where, advice);
  }
  std::vector<std::int64_t> frames;
  for (const std::size_t number : numbers) frames.push_back(cache.tracks()[number].frames);
  TrackTable table(std::move(frames), cache.sample_rate_hz(), cache.stems());
  if (table.longest_frames() < options.segment_frames)
    throw Error::Input("no song is as long as a segment of " +
                           SecondsText(options.segment_frames, cache.sample_rate_hz()),
                       where,
                       "the longest has " +
                           SecondsText(table.longest_frames(), cache.sample_rate_hz()) +
                           ": shorten the segment");
  return table;
}

SamplerOptions SamplerOptionsOf(const LoaderOptions& options) {
  return {.segment_frames = options.segment_frames,
          .grid_frames = options.grid_frames,
          .context_frames = options.context_frames,
          .batch_size = options.batch_size,
          .batches_per_step = options.batches_per_step,
          .samples_per_epoch = options.samples_per_epoch,
          .seed = options.seed,
          .rank = options.rank,
          .world_size = options.world_size};
}

BatchShape ShapeOf(const CacheReader& cache, const AugmentChain& augment,
                   const LoaderOptions& options) {
  BatchShape shape{.batch = options.batch_size,
                   .stems = static_cast<std::int64_t>(cache.stems().size()),
                   .channels = cache.channels(),
                   .frames = options.segment_frames + 2 * options.context_frames};
  if (const auto& spectrogram = cache.spectrogram()) {
    if (!augment.empty()) {
      throw Error::Usage("spectrograms cannot be augmented: magnitudes do not add",
                         "loader options", "take a cache of audio");
    }
    if (options.grid_frames != spectrogram->hop || options.context_frames != spectrogram->half()) {
      throw Error::Usage("the cache holds spectrograms, not audio", "loader options",
                         "take a cache of audio; spectrograms are read with their hop as "
                         "grid_frames and half of n_fft as context_frames");
    }
    shape.channels *= spectrogram->bins();
    shape.frames = options.segment_frames / spectrogram->hop;
  }
  return shape;
}

std::unique_ptr<const Sounding> SoundingOf(const CacheReader& cache,
                                           const std::vector<std::size_t>& numbers,
                                           const LoaderOptions& options) {
  const bool any_level = options.min_rms_db <= kAnyLevelDb;
  if (any_level && !options.balance_stems) return nullptr;
  return std::make_unique<Sounding>(cache, numbers,
                                    any_level ? kBalancedLevelDb : options.min_rms_db);
}

// The epoch as augmentations see it that trade stems between samples.
class SamplesOf : public EpochSamples {
 public:
  SamplesOf(const Sampler& sampler, std::uint64_t epoch) : sampler_(sampler), epoch_(epoch) {}
  std::int64_t size() const override { return sampler_.samples_per_epoch(); }
  ReadPlan::Piece PieceOf(std::int64_t index, std::size_t) const override {
    return sampler_.Draw(epoch_, index);
  }
  RandomStream SharedStream() const override { return sampler_.EpochStream(epoch_); }

 private:
  const Sampler& sampler_;
  const std::uint64_t epoch_;
};

}  // namespace

SampleMaker::SampleMaker(const CacheReader& cache, AugmentChain augment,
                         const LoaderOptions& options)
    : cache_(cache),
      augment_(std::move(augment)),
      options_(options),
      numbers_(cache.TracksOf(options.split)),
      sampler_(TableOf(cache, numbers_, options), SamplerOptionsOf(options)),
      shape_(ShapeOf(cache, augment_, options)),
      sample_frames_(options.segment_frames + 2 * options.context_frames),
      sounding_(SoundingOf(cache, numbers_, options)) {
  augment_.CheckStems(cache.stems());
}

std::int64_t SampleMaker::table_bytes() const {
  return cache_.table_bytes() + (sounding_ == nullptr ? 0 : sounding_->bytes());
}

SampleMaker::Planned SampleMaker::Plan(const EpochSamples& epoch, std::uint64_t epoch_number,
                                       std::int64_t index, std::uint64_t attempt) const {
  const auto at = [&](std::uint64_t k) {
    Planned planned{.random = sampler_.AugmentStream(epoch_number, index, k), .attempt = k};
    planned.plan.frames = sample_frames_;
    planned.plan.stems.assign(static_cast<std::size_t>(shape_.stems),
                              sampler_.Draw(epoch_number, index, k));
    // Only the first attempt trades with its neighbours: what they hold does not change.
    planned.plan.epoch = k == 0 ? &epoch : nullptr;
    planned.plan.index = index;
    augment_.Plan(planned.plan, sampler_.tracks(), planned.random);
    return planned;
  };
  if (sounding_ == nullptr) return at(attempt);

  std::optional<Planned> best;
  int best_sounding = -1;
  for (std::uint64_t k = attempt; k < attempt + kMostDraws; ++k) {
    Planned planned = at(k);
    const Sounding::Verdict verdict =
        options_.balance_stems
            ? sounding_->JudgeOne(planned.plan, static_cast<std::size_t>(sampler_.Turn(
                                                    epoch_number, index, shape_.stems)))
            : sounding_->JudgeAll(planned.plan);
    if (verdict.enough) return planned;
    if (verdict.sounding > best_sounding) {
      best_sounding = verdict.sounding;
      best = std::move(planned);
    }
  }
  return std::move(*best);
}

void SampleMaker::Fill(Batch& batch, const LoaderPosition& position, std::int64_t slot) const {
  const std::int64_t index = sampler_.IndexOf(position.batch, slot);
  const SamplesOf epoch(sampler_, position.epoch);
  float* stems = batch.stem_audio.data() + slot * shape_.stems_size();
  float* mix = batch.mix.data() + slot * shape_.mix_size();
  std::uint64_t attempt = 0;
  for (int skips = 0;; ++skips) {
    const Planned planned = Plan(epoch, position.epoch, index, attempt);
    try {
      Make(planned, stems, mix);
      batch.tracks[static_cast<std::size_t>(slot)] =
          cache_.tracks()[numbers_[planned.plan.stems.front().track]].name;
      break;
    } catch (const DamagedAudio& damage) {
      if (options_.on_bad_draw == OnBadDraw::kFail || skips == kMostSkips) throw;
      ReportDamage(damage);
      attempt = planned.attempt + 1;
    }
  }
}

void SampleMaker::Make(const Planned& planned, float* stems, float* mix) const {
  if (const auto& spectrogram = cache_.spectrogram()) {
    const ReadPlan::Piece& piece = planned.plan.stems.front();
    const std::int64_t first = (piece.start_frame + options_.context_frames) / spectrogram->hop;
    cache_.ReadSpectrogram(numbers_[piece.track], first, shape_.frames, mix, stems);
    return;
  }
  const StemBlock sample{.data = stems,
                         .stems = static_cast<int>(shape_.stems),
                         .channels = static_cast<int>(shape_.channels),
                         .frames = shape_.frames,
                         .sample_rate_hz = cache_.sample_rate_hz()};
  const bool longer = planned.plan.frames != shape_.frames;
  if (!longer) {
    if (const auto changes = augment_.ChangesAlone(sample.stems, sample.channels, planned.random)) {
      Read(planned.plan, *changes, sample, mix);
      return;
    }
  }
  StemBlock block = sample;
  block.frames = planned.plan.frames;
  // What is longer than the sample until it is augmented goes through memory of its own.
  thread_local std::vector<float> scratch;
  if (longer) {
    scratch.resize(static_cast<std::size_t>(shape_.stems * shape_.channels * block.frames));
    block.data = scratch.data();
  }
  Read(planned.plan, {}, block, nullptr);
  const std::vector<StemChange> changes = augment_.ApplyBeforeChanges(block, planned.random);
  if (longer) {
    for (std::int64_t row = 0; row < shape_.stems * shape_.channels; ++row)
      std::copy_n(block.data + row * block.frames, shape_.frames, stems + row * shape_.frames);
  }
  ChangeAndSum(sample, changes, mix);
}

void SampleMaker::Read(const ReadPlan& plan, std::span<const StemChange> changes,
                       const StemBlock& block, float* mix) const {
  // Changes come after what is added to a stem, else with the reading.
  const bool all_in_reading = plan.extras.empty();
  std::vector<StemRead> reads(plan.stems.size());
  for (std::size_t s = 0; s < reads.size(); ++s) {
    const ReadPlan::Piece& piece = plan.stems[s];
    reads[s] = {.track = numbers_[piece.track],
                .stem = s,
                .start = piece.start_frame,
                .out = block.channel(static_cast<int>(s), 0)};
    if (!all_in_reading || changes.empty()) continue;
    reads[s].factor = changes[s].factor;
    reads[s].swapped = changes[s].swapped;
  }
  cache_.ReadStems(reads, block.frames, block.frames, all_in_reading ? mix : nullptr);
  if (all_in_reading) return;
  const std::int64_t stem_size = block.channels * block.frames;
  thread_local std::vector<float> extra_audio;
  for (const ReadPlan::Extra& extra : plan.extras) {
    extra_audio.resize(static_cast<std::size_t>(stem_size));
    cache_.ReadStem(numbers_[extra.piece.track], extra.stem, extra.piece.start_frame, block.frames,
                    extra_audio.data());
    float* to = block.channel(static_cast<int>(extra.stem), 0);
    for (std::int64_t i = 0; i < stem_size; ++i)
      to[i] += extra.factor * extra_audio[static_cast<std::size_t>(i)];
  }
  if (mix != nullptr) ChangeAndSum(block, changes, mix);
}

void SampleMaker::ReportDamage(const DamagedAudio& damage) const {
  ++skipped_draws_;
  const std::lock_guard lock(reported_mutex_);
  if (reported_.insert(damage.where()).second)
    Tell(options_.warn, damage.text() + " (passed over in training)");
}

}  // namespace stemsmith
