#include "datasets/recipes/song_mixer.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 4'096;  // of all sources stay in the second-level cache

// A file being read: `streams` streams side by side, each with `channels` channels.
struct OpenFile {
  SourceGroup group;
  std::unique_ptr<AudioReader> reader;  // at the mix's rate, with the channels that are taken
  int channels = 0;
  std::int64_t frames = 0;   // read so far, of the first pass
  bool ended = false;        // the first pass
  std::vector<float> block;  // [T, streams · channels]

  int columns() const { return channels * static_cast<int>(group.streams.size()); }
};

// Where a source's samples lie.
struct SourcePlace {
  std::size_t file = 0;
  int first_column = 0;
};

// Takes from each of the streams that lie side by side the channels that are wanted.
class ChannelReader : public AudioReader {
 public:
  ChannelReader(std::unique_ptr<AudioReader> inner, int streams, SourceChannels which, int wanted)
      : inner_(std::move(inner)), info_(inner_->info()), streams_(streams), which_(which) {
    channels_in_ = info_.channels / streams;
    channels_out_ = which == SourceChannels::kStereo ? std::min(channels_in_, wanted) : 1;
    info_.channels = channels_out_ * streams;
  }
  int channels() const { return channels_out_; }
  const AudioInfo& info() const override { return info_; }
  void Rewind() override { inner_->Rewind(); }
  std::vector<Damage> damage() const override { return inner_->damage(); }

  std::size_t Read(float* out, std::size_t frames) override {
    const int in_step = channels_in_ * streams_;
    if (channels_in_ == channels_out_) return inner_->Read(out, frames);
    block_.resize(std::max(block_.size(), frames * in_step));
    const std::size_t count = inner_->Read(block_.data(), frames);
    if (streams_ == 1 && which_ != SourceChannels::kLeft && which_ != SourceChannels::kRight) {
      RemixChannels(block_.data(), channels_in_, out, channels_out_, count);
      return count;
    }
    for (std::size_t t = 0; t < count; ++t) {
      for (int stream = 0; stream < streams_; ++stream) {
        const float* in = block_.data() + t * in_step + stream * channels_in_;
        float* to = out + (t * streams_ + stream) * channels_out_;
        if (which_ == SourceChannels::kLeft) {
          *to = in[0];
        } else if (which_ == SourceChannels::kRight) {
          *to = in[1];
        } else {
          RemixChannels(in, channels_in_, to, channels_out_, 1);
        }
      }
    }
    return count;
  }

 private:
  std::unique_ptr<AudioReader> inner_;
  AudioInfo info_;
  int streams_ = 1;
  SourceChannels which_;
  int channels_in_ = 0, channels_out_ = 0;
  std::vector<float> block_;
};

Error NoAudio(const SourceStem& stem) {
  return Error::Input("the stem \"" + stem.name + "\" holds no audio", stem.path.string(),
                      "remove the song or replace the file");
}

}  // namespace

std::vector<SourceGroup> GroupByFile(const Track& track) {
  std::vector<SourceGroup> groups;
  for (std::size_t s = 0; s < track.sources.size(); ++s) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const SourceGroup& group) {
      return group.path == track.sources[s].path;
    });
    SourceGroup& group = same == groups.end()
                             ? groups.emplace_back(SourceGroup{track.sources[s].path, {}, {}})
                             : *same;
    group.sources.push_back(s);
    const int stream = track.sources[s].stream;
    if (std::find(group.streams.begin(), group.streams.end(), stream) == group.streams.end()) {
      group.streams.push_back(stream);
    }
  }
  return groups;
}

std::unique_ptr<AudioReader> OpenGroup(const Track& track, const SourceGroup& group,
                                       OnDamage on_damage) {
  DecodeOptions decode;
  decode.on_damage = on_damage;
  decode.streams = group.streams;
  decode.language = track.sources[group.sources.front()].language;
  int needed = 0;
  for (const std::size_t s : group.sources) {
    needed = std::max(needed, track.sources[s].file_streams);
  }
  const auto check = [&](const AudioInfo& info) {
    const int count = static_cast<int>(info.streams.size());
    if (needed == 0 || count == needed) return;
    throw Error::Input(
        "holds " + std::to_string(count) + (count == 1 ? " audio stream" : " audio streams") +
            ", not " + std::to_string(needed),
        group.path.string(),
        "each song of such a dataset has " + std::to_string(needed) + "; download the file again");
  };
  std::unique_ptr<AudioReader> reader;
  try {
    reader = OpenAudio(group.path, decode);
  } catch (const Error&) {
    // A file with too few streams is told as such, not as one that lacks stream 4.
    if (needed > 0) check(OpenAudio(group.path)->info());
    throw;
  }
  check(reader->info());
  return reader;
}

struct SongMixer::Impl {
  Impl(const Track& song, const TrackMix& song_mix, const SongMixerOptions& mixer_options)
      : track(song), mix(song_mix), options(mixer_options), places(song.sources.size()) {
    columns = static_cast<int>(mix.size()) * options.channels;
    std::vector<double> native_seconds(track.sources.size(), -1.0);
    for (SourceGroup& group : GroupByFile(track)) {
      auto reader = OpenGroup(track, group, options.on_damage);
      const AudioInfo info = reader->info();
      bits = std::max(bits, info.bits);
      if (info.frames == 0) throw NoAudio(track.sources[group.sources.front()]);
      const double seconds = double(info.frames) / info.sample_rate_hz;
      if (info.expected_frames > 0) {
        expected_seconds =
            std::max(expected_seconds, double(info.expected_frames) / info.sample_rate_hz);
      }
      const int streams = static_cast<int>(group.streams.size());
      auto taken = std::make_unique<ChannelReader>(std::move(reader), streams,
                                                   options.source_channels, options.channels);
      OpenFile file;
      file.channels = taken->channels();
      for (const std::size_t s : group.sources) {
        const auto stream =
            std::find(group.streams.begin(), group.streams.end(), track.sources[s].stream);
        places[s] = {files.size(),
                     static_cast<int>(stream - group.streams.begin()) * file.channels};
        if (info.frames >= 0) native_seconds[s] = seconds;
      }
      const int all_channels = file.channels * streams;
      file.reader = ConvertAudio(std::move(taken), options.sample_rate_hz, all_channels);
      file.block.resize(kBlockFrames * all_channels);
      file.group = std::move(group);
      files.push_back(std::move(file));
    }
    CheckLengths(native_seconds);  // before any work, where the headers tell
    as_read = IsAsRead();
    if (!as_read) sum.resize(kBlockFrames * columns);
  }

  std::size_t Next(const float** stems) {
    std::size_t longest = 0;
    for (OpenFile& file : files) longest = std::max(longest, Fill(file));
    if (track.unrelated_takes &&
        std::all_of(files.begin(), files.end(), [](const OpenFile& file) { return file.ended; })) {
      std::int64_t total = 0;
      for (const OpenFile& file : files) total = std::max(total, file.frames);
      longest = static_cast<std::size_t>(total - given);
    }
    if (longest == 0) {
      std::vector<double> seconds;
      for (std::size_t s = 0; s < places.size(); ++s) {
        const OpenFile& file = files[places[s].file];
        if (file.frames == 0) throw NoAudio(track.sources[s]);
        seconds.push_back(double(file.frames) / options.sample_rate_hz);
      }
      CheckLengths(seconds);
      return 0;
    }
    given += static_cast<std::int64_t>(longest);
    if (as_read) {
      *stems = files.front().block.data();
      return longest;
    }
    std::fill_n(sum.begin(), longest * columns, 0.0f);
    constexpr std::size_t kTile = 256;  // stays in the first-level cache
    for (std::size_t begin = 0; begin < longest; begin += kTile) {
      for (std::size_t target = 0; target < mix.size(); ++target) {
        for (const MixPart& part : mix[target])
          Add(part, target, begin, std::min(longest, begin + kTile));
      }
    }
    *stems = sum.data();
    return longest;
  }

  // Whether the stems lie in one file as they are to be given.
  bool IsAsRead() const {
    if (files.size() != 1 || files[0].columns() != columns) return false;
    for (std::size_t target = 0; target < mix.size(); ++target) {
      if (mix[target].size() != 1 || mix[target][0].gain() != 1.0f) return false;
      const SourcePlace& place = places[mix[target][0].source];
      if (files[0].channels != options.channels ||
          place.first_column != static_cast<int>(target) * options.channels)
        return false;
    }
    return true;
  }

  void Add(const MixPart& part, std::size_t target, std::size_t begin, std::size_t end) {
    const float gain = part.gain();
    const SourcePlace& place = places[part.source];
    const OpenFile& file = files[place.file];
    const int step = file.columns();
    for (int c = 0; c < options.channels; ++c) {
      if (file.channels > 1 && c >= file.channels) break;  // as RemixChannels: silent
      const float* in = file.block.data() + place.first_column + (file.channels == 1 ? 0 : c);
      float* out = sum.data() + target * options.channels + c;
      for (std::size_t t = begin; t < end; ++t) out[t * columns] += gain * in[t * step];
    }
  }

  // A block of the file, silence behind its end. Takes that have nothing to do with each other
  // start over instead.
  std::size_t Fill(OpenFile& file) {
    const std::size_t step = static_cast<std::size_t>(file.columns());
    std::size_t filled = 0;
    bool starts_over = false;
    while (filled < kBlockFrames && (!file.ended || track.unrelated_takes)) {
      const std::size_t got =
          file.reader->Read(file.block.data() + filled * step, kBlockFrames - filled);
      if (got > 0) {
        if (!file.ended) file.frames += static_cast<std::int64_t>(got);
        filled += got;
        starts_over = false;
        continue;
      }
      file.ended = true;
      if (!track.unrelated_takes) break;
      if (file.frames == 0 || starts_over) throw NoAudio(track.sources[file.group.sources.front()]);
      file.reader->Rewind();
      starts_over = true;
    }
    std::fill(file.block.begin() + static_cast<std::ptrdiff_t>(filled * step), file.block.end(),
              0.0f);
    return filled;
  }

  // Lengths in seconds, negative where unknown.
  void CheckLengths(const std::vector<double>& seconds) const {
    if (track.unrelated_takes || track.lengths_vary) return;
    std::size_t shortest = seconds.size(), longest = seconds.size();
    for (std::size_t s = 0; s < seconds.size(); ++s) {
      if (seconds[s] < 0) continue;
      if (shortest == seconds.size() || seconds[s] < seconds[shortest]) shortest = s;
      if (longest == seconds.size() || seconds[s] > seconds[longest]) longest = s;
    }
    if (longest == seconds.size() ||
        seconds[longest] - seconds[shortest] <= kLengthToleranceSeconds) {
      return;
    }
    throw Error::Input("the stems differ in length: " + track.sources[shortest].name + " has " +
                           SecondsText(seconds[shortest]) + ", " + track.sources[longest].name +
                           " has " + SecondsText(seconds[longest]),
                       "song \"" + track.name + "\"", "cut or pad the stems to one length");
  }

  const Track& track;
  const TrackMix& mix;
  const SongMixerOptions options;
  std::vector<OpenFile> files;
  std::vector<SourcePlace> places;  // by source
  double expected_seconds = 0;
  int columns = 0;
  int bits = 0;
  std::int64_t given = 0;
  bool as_read = false;    // the file's block is what Next gives; else
  std::vector<float> sum;  // its sums
};

SongMixer::SongMixer(const Track& track, const TrackMix& mix, const SongMixerOptions& options)
    : impl_(std::make_unique<Impl>(track, mix, options)) {}
SongMixer::~SongMixer() = default;

int SongMixer::columns() const { return impl_->columns; }
int SongMixer::bits() const { return impl_->bits; }
std::int64_t SongMixer::expected_frames() const {
  return static_cast<std::int64_t>(impl_->expected_seconds * impl_->options.sample_rate_hz);
}
std::size_t SongMixer::Next(const float** stems) { return impl_->Next(stems); }

std::vector<std::string> SongMixer::Notes() const {
  std::vector<std::string> notes;
  for (const auto& file : impl_->files) {
    const std::string path = file.group.path.string();
    const bool chosen = file.group.streams == std::vector<int>{kDefaultStream} &&
                        impl_->track.sources[file.group.sources.front()].language.empty();
    const std::string choice = chosen ? StreamChoiceText(file.reader->info()) : "";
    if (!choice.empty())
      notes.push_back(path + " " + choice + " (a recipe's audio_stream chooses)");
    const std::string damage = DamageText(file.reader->damage());
    if (!damage.empty()) notes.push_back(path + ": " + damage);
  }
  return notes;
}

}  // namespace stemsmith
