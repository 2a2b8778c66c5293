#include "separate/averaged_song.h"

#include <algorithm>

#include "core/error.h"
#include "core/option.h"
#include "core/random.h"
#include "separate/combined_song.h"

namespace stemsmith {
namespace {

// Swaps the two channels of interleaved frames, and turns their sign.
void Turn(const Pass& pass, float* samples, std::size_t frames, int channels) {
  const auto count = frames * static_cast<std::size_t>(channels);
  if (pass.swapped)
    for (std::size_t i = 0; i < count; i += 2) std::swap(samples[i], samples[i + 1]);
  if (pass.negated)
    for (std::size_t i = 0; i < count; ++i) samples[i] = -samples[i];
}

class TurnedReader : public AudioReader {
 public:
  TurnedReader(std::unique_ptr<AudioReader> song, const Pass& pass)
      : song_(std::move(song)), pass_(pass) {}
  const AudioInfo& info() const override { return song_->info(); }
  std::size_t Read(float* out, std::size_t frames) override {
    const std::size_t count = song_->Read(out, frames);
    Turn(pass_, out, count, info().channels);
    return count;
  }
  void Rewind() override { song_->Rewind(); }
  std::vector<Damage> damage() const override { return song_->damage(); }

 private:
  std::unique_ptr<AudioReader> song_;
  Pass pass_;
};

// A pass's result, turned back.
class TurnedBackSong : public SongSeparator {
 public:
  TurnedBackSong(std::unique_ptr<SongSeparator> song, const Pass& pass)
      : song_(std::move(song)), pass_(pass) {}
  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return song_->stems(); }
  std::vector<Damage> damage() const override { return song_->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const std::size_t count = song_->Read(frames, blocks);
    for (auto& block : blocks) Turn(pass_, block.data(), count, info().channels);
    return count;
  }

 private:
  std::unique_ptr<SongSeparator> song_;
  Pass pass_;
};

}  // namespace

std::vector<Pass> PassesOf(const PassOptions& options, int model_rate_hz, int channels) {
  const std::int64_t most = model_rate_hz / 2;
  std::vector<std::int64_t> leads;
  for (const std::int64_t shift : options.shift_frames) {
    if (shift < 0 || shift > most)
      throw Error::Usage("a shift of " + std::to_string(shift) + " frames", Option("shift-frames"),
                         "give 0 to " + std::to_string(most) + ", half a second of the model's");
    leads.push_back(most - shift);
  }
  if (leads.empty()) {
    RandomStream random({options.seed, 0x7368696674ULL});
    for (int i = 0; i < options.shifts; ++i)
      leads.push_back(
          static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(most) + 1)));
  }
  if (leads.empty()) leads.push_back(0);
  std::vector<Pass> passes;
  for (const std::int64_t lead : leads) {
    passes.push_back({.lead_frames = lead});
    if (options.turned && channels == 2) passes.push_back({.lead_frames = lead, .swapped = true});
    if (options.turned) passes.push_back({.lead_frames = lead, .negated = true});
  }
  return passes;
}

std::unique_ptr<AudioReader> TurnedSong(std::unique_ptr<AudioReader> song, const Pass& pass) {
  if (!pass.swapped && !pass.negated) return song;
  return std::make_unique<TurnedReader>(std::move(song), pass);
}

std::unique_ptr<SongSeparator> AverageSongs(std::vector<std::unique_ptr<SongSeparator>> songs,
                                            const std::vector<Pass>& passes) {
  for (std::size_t k = 0; k < songs.size(); ++k)
    if (passes[k].swapped || passes[k].negated)
      songs[k] = std::make_unique<TurnedBackSong>(std::move(songs[k]), passes[k]);
  return CombineSongs(std::move(songs));
}

}  // namespace stemsmith
