#include "separate/shared_stems.h"

#include <algorithm>
#include <cstdio>

#include "audio/read_fully.h"
#include "core/error.h"
#include "core/pending_files.h"
#include "separate/nameless_file.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlockFrames = 16384;

// The samples of a stem, from the first that is still there on.
class StemStore {
 public:
  explicit StemStore(const fs::path& folder) {
    if (folder.empty()) return;
    path_ = TemporaryBeside(folder / "stem.f32");
    file_ = OpenNamelessFile(path_, kCannotKeep);
  }
  bool is_file() const { return file_ != nullptr; }

  void Append(const std::vector<float>& samples) {
    if (!file_) {
      samples_.insert(samples_.end(), samples.begin(), samples.end());
      return;
    }
    // Flushed, as a full disk shows only then.
    if (std::fseek(file_.get(), 0, SEEK_END) != 0 ||
        std::fwrite(samples.data(), sizeof(float), samples.size(), file_.get()) != samples.size() ||
        std::fflush(file_.get()) != 0)
      throw Error::Write(kCannotKeep, path_.string());
  }
  void Read(std::size_t begin, std::size_t count, float* out) const {
    if (!file_) {
      std::copy_n(samples_.begin() + static_cast<std::ptrdiff_t>(begin - dropped_), count, out);
      return;
    }
    if (fseeko(file_.get(), static_cast<off_t>(begin * sizeof(float)), SEEK_SET) != 0 ||
        std::fread(out, sizeof(float), count, file_.get()) != count)
      throw Error::System("cannot read a stem back", path_.string());
  }
  // Nobody will read what lies before.
  void Drop(std::size_t begin) {
    if (file_) return;
    const auto gone = static_cast<std::ptrdiff_t>(begin - dropped_);
    samples_.erase(samples_.begin(), samples_.begin() + gone);
    dropped_ = begin;
  }

 private:
  static constexpr char kCannotKeep[] = "cannot keep a stem until it is complete";

  fs::path path_;
  NamelessFile file_;
  std::vector<float> samples_;
  std::size_t dropped_ = 0;
};

class GatheredSong : public SongSeparator {
 public:
  GatheredSong(std::vector<std::string> names, std::vector<std::unique_ptr<AudioReader>> stems)
      : names_(std::move(names)), stems_(std::move(stems)) {}
  const AudioInfo& info() const override { return stems_.front()->info(); }
  const std::vector<std::string>& stems() const override { return names_; }
  std::vector<Damage> damage() const override { return stems_.front()->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const auto channels = static_cast<std::size_t>(info().channels);
    blocks.resize(stems_.size());
    std::size_t count = frames;
    for (std::size_t s = 0; s < stems_.size(); ++s) {
      blocks[s].resize(frames * channels);
      count = std::min(count, ReadFully(*stems_[s], blocks[s].data(), frames));
    }
    for (auto& block : blocks) block.resize(count * channels);
    return count;
  }

 private:
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<AudioReader>> stems_;
};

}  // namespace

struct SharedStems::State {
  std::unique_ptr<SongSeparator> song;
  std::vector<StemStore> stores;  // of each stem
  std::vector<const StemReader*> readers;
  std::size_t frames = 0;  // that are made
  bool ended = false;
  std::vector<std::vector<float>> blocks;

  // Separates more of the song, and drops what all have read; false at its end.
  bool More();
};

class SharedStems::StemReader : public AudioReader {
 public:
  StemReader(std::shared_ptr<State> state, std::size_t stem)
      : state_(std::move(state)), stem_(stem) {
    state_->readers.push_back(this);
  }
  ~StemReader() override { std::erase(state_->readers, this); }
  StemReader(const StemReader&) = delete;
  StemReader& operator=(const StemReader&) = delete;

  const AudioInfo& info() const override { return state_->song->info(); }
  std::vector<Damage> damage() const override { return state_->song->damage(); }
  std::size_t position() const { return position_; }
  std::size_t stem() const { return stem_; }

  std::size_t Read(float* out, std::size_t frames) override {
    while (position_ == state_->frames && state_->More()) continue;
    const auto channels = static_cast<std::size_t>(info().channels);
    const std::size_t count = std::min(frames, state_->frames - position_);
    if (count > 0) state_->stores[stem_].Read(position_ * channels, count * channels, out);
    position_ += count;
    return count;
  }
  void Rewind() override {
    if (!state_->stores[stem_].is_file())
      throw Error::Input("a stem that is not kept cannot be read again", "");
    position_ = 0;
  }

 private:
  std::shared_ptr<State> state_;
  std::size_t stem_, position_ = 0;
};

bool SharedStems::State::More() {
  if (ended) return false;
  const std::size_t count = song->Read(kBlockFrames, blocks);
  ended = count == 0;
  const auto channels = static_cast<std::size_t>(song->info().channels);
  for (std::size_t s = 0; s < stores.size() && !ended; ++s) {
    std::size_t first = frames;  // that somebody still reads
    for (const StemReader* reader : readers)
      if (reader->stem() == s) first = std::min(first, reader->position());
    stores[s].Drop(first * channels);
    stores[s].Append(blocks[s]);
  }
  frames += count;
  return !ended;
}

SharedStems::SharedStems(std::unique_ptr<SongSeparator> song, const fs::path& folder)
    : state_(std::make_shared<State>()) {
  for (std::size_t s = 0; s < song->stems().size(); ++s) state_->stores.emplace_back(folder);
  state_->song = std::move(song);
}

std::unique_ptr<AudioReader> SharedStems::Reader(std::size_t stem) {
  return std::make_unique<StemReader>(state_, stem);
}

std::unique_ptr<SongSeparator> GatherStems(std::vector<std::string> names,
                                           std::vector<std::unique_ptr<AudioReader>> stems) {
  return std::make_unique<GatheredSong>(std::move(names), std::move(stems));
}

}  // namespace stemsmith
