#include "baselines/parted_song.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/numbers.h"

namespace stemsmith {
namespace {

// Parts of equal length where the song's is known, so that none is a short rest; a single one ends
// behind the song.
std::size_t EvenPart(const AudioInfo& info, std::size_t longest, std::size_t overlap) {
  if (info.frames < 0) return longest;
  const auto frames = static_cast<std::size_t>(info.frames);
  if (frames < longest) return std::max(frames + 1, overlap + 1);
  const std::size_t rest = frames - overlap, step = longest - overlap;
  const std::size_t parts = (rest + step - 1) / step;
  return (rest + parts - 1) / parts + overlap;
}

}  // namespace

PartOptions ReadPartOptions(const Config& settings) {
  PartOptions options;
  options.seconds = settings.NumberIn("part_seconds", options.seconds, 1, 36'000);
  options.overlap_seconds =
      settings.NumberIn("part_overlap_seconds", options.overlap_seconds, 0, 600);
  if (options.overlap_seconds > options.seconds / 3)
    throw Error::Usage("parts of " + NumberText(options.seconds) + " s cannot overlap by " +
                           NumberText(options.overlap_seconds) + " s",
                       settings.Where("part_overlap_seconds"),
                       "part_overlap_seconds must be at most a third of part_seconds");
  return options;
}

PartedSong::PartedSong(std::unique_ptr<AudioReader> song, std::vector<std::string> stems,
                       const PartOptions& options, OpenPart open)
    : song_(std::move(song)),
      stems_(std::move(stems)),
      open_(std::move(open)),
      channels_(static_cast<std::size_t>(song_->info().channels)),
      tail_(stems_.size()) {
  const double rate = song_->info().sample_rate_hz, channels = static_cast<double>(channels_);
  const double longest = std::min(options.seconds * rate, options.seconds * 44100 * 2 / channels);
  const auto frames = std::max<std::size_t>(2, static_cast<std::size_t>(longest));
  overlap_frames_ = std::min(static_cast<std::size_t>(options.overlap_seconds * rate), frames / 3);
  part_frames_ = EvenPart(song_->info(), frames, overlap_frames_);
}

// Reads the next part behind the overlap of the one before; false where there is none.
bool PartedSong::NextPart() {
  separator_.reset();
  const std::size_t kept = part_.empty() ? 0 : overlap_frames_;
  AudioBuffer next(static_cast<int>(channels_), part_frames_);
  for (std::size_t c = 0; c < channels_ && kept > 0; ++c) {
    const float* last = part_.channel(static_cast<int>(c)) + part_.frames() - kept;
    std::copy_n(last, kept, next.channel(static_cast<int>(c)));
  }
  part_ = AudioBuffer();
  std::vector<float> block;
  std::size_t read = kept;
  while (read < part_frames_) {
    constexpr std::size_t kBlockFrames = 65536;
    block.resize(std::min(kBlockFrames, part_frames_ - read) * channels_);
    const std::size_t count = song_->Read(block.data(), block.size() / channels_);
    if (count == 0) break;
    for (std::size_t c = 0; c < channels_; ++c)
      for (std::size_t t = 0; t < count; ++t)
        next.channel(static_cast<int>(c))[read + t] = block[t * channels_ + c];
    read += count;
  }
  ended_ = read < part_frames_;
  if (read == kept) return false;
  if (ended_) {
    part_ = AudioBuffer(static_cast<int>(channels_), read);
    for (int c = 0; c < static_cast<int>(channels_); ++c)
      std::copy_n(next.channel(c), read, part_.channel(c));
  } else {
    part_ = std::move(next);
  }
  fade_frames_ = kept;
  position_ = 0;
  separator_ = open_(part_);
  return true;
}

// The first `count` frames of the blocks lie at position_ of the part.
void PartedSong::FadeIn(std::size_t count, std::vector<std::vector<float>>& blocks) const {
  for (std::size_t t = 0; t < count && position_ + t < fade_frames_; ++t) {
    const float weight =
        (static_cast<float>(position_ + t) + 0.5f) / static_cast<float>(fade_frames_);
    for (std::size_t s = 0; s < stems_.size(); ++s) {
      for (std::size_t c = 0; c < channels_; ++c) {
        float& sample = blocks[s][t * channels_ + c];
        const float before = tail_[s][(position_ + t) * channels_ + c];
        sample = before + weight * (sample - before);
      }
    }
  }
}

std::size_t PartedSong::Read(std::size_t frames, std::vector<std::vector<float>>& blocks) {
  blocks.resize(stems_.size());
  for (;;) {
    if (separator_ != nullptr) {
      // Of a part with another behind it, the overlap is given with that one.
      const std::size_t end = part_.frames() - (ended_ ? 0 : overlap_frames_);
      const std::size_t count = separator_->Read(std::min(frames, end - position_), blocks);
      FadeIn(count, blocks);
      position_ += count;
      if (count > 0) return count;
      for (auto& tail : tail_) tail.clear();
      std::vector<std::vector<float>> more;
      while (separator_->Read(overlap_frames_, more) > 0)
        for (std::size_t s = 0; s < tail_.size(); ++s)
          tail_[s].insert(tail_[s].end(), more[s].begin(), more[s].end());
      separator_.reset();
    }
    if (!ended_ && NextPart()) continue;
    // Nothing came behind the overlap: it is given as it is.
    const std::size_t count = std::min(frames, tail_[0].size() / channels_);
    for (std::size_t s = 0; s < tail_.size(); ++s) {
      const auto last = tail_[s].begin() + static_cast<std::ptrdiff_t>(count * channels_);
      blocks[s].assign(tail_[s].begin(), last);
      tail_[s].erase(tail_[s].begin(), last);
    }
    return count;
  }
}

}  // namespace stemsmith
