#include "separate/separator.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "audio/decode.h"
#include "audio/read_fully.h"
#include "audio/tags.h"
#include "core/error.h"
#include "core/option.h"
#include "core/pending_files.h"
#include "core/text.h"
#include "separate/ensemble.h"
#include "separate/nameless_file.h"
#include "separate/wiener.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlockFrames = 16384;

// The lowest folder above `folder` that is there: what grows there leaves nothing where it fails.
// Empty where `folder` is there itself.
fs::path FolderAbove(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder, ignored)) return {};
  fs::path above = fs::absolute(folder).lexically_normal();
  while (!fs::exists(above, ignored) && above != above.parent_path()) above = above.parent_path();
  return above;
}

// The lowest folder that holds all of these files.
fs::path FolderOfAll(const std::vector<fs::path>& files) {
  fs::path folder = files.front().parent_path();
  for (const fs::path& file : files) {
    const fs::path own = file.parent_path();
    while (std::mismatch(folder.begin(), folder.end(), own.begin(), own.end()).first !=
           folder.end())
      folder = folder.parent_path();
  }
  return folder;
}

// A song that is being written goes on growing, or has its header filled in.
class FileState {
 public:
  explicit FileState(fs::path file) : file_(std::move(file)), state_(Now()) {}
  void RequireUnchanged() const {
    if (Now() != state_)
      throw Error::Input("the song changed while it was separated", file_.string(),
                         "separate it again when it is complete");
  }

 private:
  using State = std::pair<std::uintmax_t, fs::file_time_type>;
  State Now() const {
    std::error_code ignored;
    return {fs::file_size(file_, ignored), fs::last_write_time(file_, ignored)};
  }
  const fs::path file_;
  const State state_;
};

// "Song" becomes "Song (vocals)".
EncodeOptions WithStemInTitle(EncodeOptions options, const std::string& stem) {
  for (auto& [name, text] : options.tags)
    if (name == "title") text += " (" + stem + ")";
  return options;
}

// Where the stems of a song go.
class StemFiles {
 public:
  virtual ~StemFiles() = default;
  // Of the song itself, where it goes into a file, too.
  virtual void ScaleMixture(float gain) {}
  virtual void Write(const std::vector<std::vector<float>>& stems, std::size_t frames) = 0;
  // Completes the files, and says of them what is known by then.
  virtual void Finish(SeparatedSong& song) = 0;

 protected:
  static void FinishOne(AudioWriter& writer, SeparatedSong& song) {
    writer.Finish();
    song.clipped_samples += writer.clipped_samples();
    song.stems_rate_hz = writer.written_rate_hz();
  }
};

class FilePerStem : public StemFiles {
 public:
  explicit FilePerStem(std::vector<std::unique_ptr<AudioWriter>> writers)
      : writers_(std::move(writers)) {}
  void Write(const std::vector<std::vector<float>>& stems, std::size_t frames) override {
    for (std::size_t s = 0; s < writers_.size(); ++s) writers_[s]->Write(stems[s].data(), frames);
  }
  void Finish(SeparatedSong& song) override {
    for (const auto& writer : writers_) FinishOne(*writer, song);
  }

 private:
  std::vector<std::unique_ptr<AudioWriter>> writers_;
};

// All stems in one file, behind the song itself, which is read a second time for that.
class FileOfStreams : public StemFiles {
 public:
  FileOfStreams(std::unique_ptr<AudioWriter> writer, std::unique_ptr<AudioReader> song)
      : writer_(std::move(writer)),
        song_(std::move(song)),
        channels_(static_cast<std::size_t>(song_->info().channels)) {}

  void Write(const std::vector<std::vector<float>>& stems, std::size_t frames) override {
    const std::size_t step = channels_ * (stems.size() + 1);
    mixture_.assign(frames * channels_, 0.0f);
    ReadFully(*song_, mixture_.data(), frames);
    for (float& sample : mixture_) sample *= gain_;
    all_.resize(frames * step);
    for (std::size_t t = 0; t < frames; ++t) {
      float* out = std::copy_n(mixture_.data() + t * channels_, channels_, &all_[t * step]);
      for (const auto& stem : stems) out = std::copy_n(&stem[t * channels_], channels_, out);
    }
    writer_->Write(all_.data(), frames);
  }
  void Finish(SeparatedSong& song) override { FinishOne(*writer_, song); }
  void ScaleMixture(float gain) override { gain_ = gain; }

 private:
  float gain_ = 1;
  std::unique_ptr<AudioWriter> writer_;
  std::unique_ptr<AudioReader> song_;
  std::size_t channels_;
  std::vector<float> mixture_, all_;
};

// Keeps the stems on the disk until all are known, then writes them as much quieter as the loudest
// sample needs.
class RescaledFiles : public StemFiles {
 public:
  RescaledFiles(std::unique_ptr<StemFiles> files, const fs::path& folder, std::size_t stems)
      : files_(std::move(files)),
        path_(folder / ".stems.f32"),
        file_(OpenNamelessFile(path_, kCannotKeep)),
        blocks_(stems) {}
  void Write(const std::vector<std::vector<float>>& stems, std::size_t frames) override {
    if (frames == 0) return;
    const std::size_t count = stems.front().size();
    sizes_.push_back({frames, count});
    for (const auto& stem : stems) {
      for (const float sample : stem) peak_ = std::max(peak_, std::abs(sample));
      if (std::fwrite(stem.data(), sizeof(float), count, file_.get()) != count)
        throw Error::Write(kCannotKeep, path_.string());
    }
  }
  void Finish(SeparatedSong& song) override {
    // As Python demucs, which does so stem by stem: a hundredth of room, as lossy codecs overshoot.
    const float gain = 1.0f / std::max(1.01f * peak_, 1.0f);
    song.gain = gain;
    files_->ScaleMixture(gain);
    if (std::fflush(file_.get()) != 0)
      throw Error::Write(kCannotKeep, path_.string());
    std::rewind(file_.get());
    for (const auto& [frames, count] : sizes_) {
      for (auto& block : blocks_) {
        block.resize(count);
        if (std::fread(block.data(), sizeof(float), count, file_.get()) != count)
          throw Error::System("cannot read the stems back", path_.string());
        for (float& sample : block) sample *= gain;
      }
      files_->Write(blocks_, frames);
    }
    files_->Finish(song);
  }

 private:
  static constexpr char kCannotKeep[] = "cannot keep the stems until they are complete";

  std::unique_ptr<StemFiles> files_;
  const fs::path path_;
  const NamelessFile file_;
  std::vector<std::pair<std::size_t, std::size_t>> sizes_;  // of each block: frames and samples
  std::vector<std::vector<float>> blocks_;
  float peak_ = 0;
};

// Whether each stem is changed by all others before anything is mixed.
bool ChangesStemsTogether(const SeparatorOptions& options) {
  return options.mixture_consistent || options.wiener > 0;
}

// The options for which a song's files depend on all stems of its models.
std::vector<std::string> OptionsForAllStems(const SeparatorOptions& options) {
  std::vector<std::string> names;
  if (!options.files.two_stems.empty()) names.push_back(Option("two-stems"));
  if (!options.files.preset.empty()) names.push_back(Option("preset"));
  if (options.wiener > 0) names.push_back(Option("wiener"));
  if (options.mixture_consistent) names.push_back(Option("mixture-consistent"));
  return names;
}

std::vector<std::string> StemsOf(const std::vector<Runtime*>& models,
                                 const SeparatorOptions& options) {
  const std::vector<std::string> needing = OptionsForAllStems(options);
  return StemsOfAll(models, needing.empty() && !options.files.empty(),
                    needing.empty() ? ""
                                    : "leave out what needs all stems of each model: " +
                                          JoinNames(needing));
}

// Puts full scale in the place of what is above; gives how many samples that was.
std::int64_t Clamp(std::vector<float>& samples) {
  std::int64_t count = 0;
  for (float& sample : samples) {
    if (sample >= -1 && sample <= 1) continue;
    sample = std::clamp(sample, -1.0f, 1.0f);
    ++count;
  }
  return count;
}

}  // namespace

Separator::Separator(Runtime& runtime, const SeparatorOptions& options)
    : Separator(std::vector<Runtime*>{&runtime}, options) {}

Separator::Separator(const std::vector<Runtime*>& models, const SeparatorOptions& options)
    : Separator(StemsOf(models, options), {}, options) {
  for (const Runtime* model : models) StemStream::CheckOverlap(*model, options_.stream);
  if (!ChangesStemsTogether(options_)) options_.stream.stems = StemsIn(mixes_);
  options_.ensemble.Check(models.size());
  PassesOf(options_.passes, models.front()->info().sample_rate_hz, 2);  // for faults in them
  open_ = [models, options = options_](std::unique_ptr<AudioReader> input, const fs::path& file) {
    StemStreamOptions stream = options.stream;
    stream.input_name = file.string();
    const auto open = [&] {
      return input ? std::move(input) : OpenAudio(file, options.decode);
    };
    return SeparateByModels(models, open, stream, options.passes, options.ensemble);
  };
}

Separator::Separator(const std::vector<std::string>& all_stems, OpenSong open,
                     SeparatorOptions options)
    : options_(std::move(options)),
      mixes_(FilesOf(options_.files, all_stems)),
      open_(std::move(open)) {
  for (const StemMix& mix : mixes_) names_.push_back(mix.name);
  options_.encoding.streams.clear();
  if (FindFormat(options_.encoding.format).many_streams) {
    options_.encoding.streams = {"mixture"};
    options_.encoding.streams.insert(options_.encoding.streams.end(), names_.begin(), names_.end());
  }
  CheckEncodeOptions(options_.encoding);
  // Players of Stems show four, and read no other number.
  if (!options_.encoding.streams.empty() && names_.size() != kStemsOfOneFile)
    throw Error::Usage(options_.encoding.format + " holds the song and exactly " +
                           std::to_string(kStemsOfOneFile) + " stems, not " +
                           std::to_string(names_.size()) + " (" + JoinNames(names_) + ")",
                       Option("format"),
                       "choose or sum four: " + Option("preset", "4stem") + ", or " +
                           Option("stems") + " and " + Option("mix"));
  if (options_.wiener > 0) CheckWiener(all_stems);
  if (options_.mixture_consistent && all_stems.size() < 2)
    throw Error::Usage("the single stem '" + all_stems.front() + "' would become the song itself",
                       Option("mixture-consistent"),
                       "leave it out: with " + Option("two-stems", all_stems.front()) +
                           " the stem and the rest add up to the song as they are");
  CheckClipping();
}

std::vector<std::string> Separator::StemsNeeded(const SeparatorOptions& options,
                                                const std::vector<std::string>& all_stems) {
  const std::vector<StemMix> files = FilesOf(options.files, all_stems);
  return ChangesStemsTogether(options) ? all_stems : StemsIn(files);
}

void Separator::CheckClipping() {
  const FormatRow& format = FindFormat(options_.encoding.format);
  const auto& asked = options_.encoding.sample_format;
  const bool integers = format.lossy() ? asked.has_value()
                                       : asked.value_or(format.sample_formats.front()) !=
                                             SampleFormat::kFloat32;
  if (options_.clipping == Clipping::kDefault)
    options_.clipping = integers ? Clipping::kClamp : Clipping::kNone;
  if (options_.clipping == Clipping::kNone && integers)
    throw Error::Usage("integers cannot hold samples above full scale", Option("clip"),
                       "clamp or rescale them, or write float: " + Option("format", "wav") + " " +
                           Option("bits", "32f"));
  if (options_.clipping == Clipping::kRescale && options_.mixture_consistent)
    throw Error::Usage("stems that are made quieter do not add up to the song", Option("clip"),
                       "leave out " + Option("mixture-consistent") + ", or choose clamp or none");
  // The writer of integers does so, and counts.
  clamp_ = options_.clipping == Clipping::kClamp && !integers;
}

std::vector<fs::path> Separator::Targets(const fs::path& folder) const {
  const FormatRow& format = FindFormat(options_.encoding.format);
  std::vector<fs::path> targets;
  for (const std::string& name : names_) {
    targets.push_back(format.many_streams ? fs::path(folder.string() + format.ending)
                                          : folder / (name + format.ending));
  }
  return targets;
}

std::unique_ptr<SongSeparator> Separator::Begin(const fs::path& input, SeparatedSong& song) const {
  std::unique_ptr<SongSeparator> stream = open_(OpenAudio(input, options_.decode), input);
  if (options_.wiener > 0)
    stream =
        RefineByWiener(std::move(stream), OpenAudio(input, options_.decode), options_.wiener);
  if (options_.mixture_consistent)
    stream = MakeConsistent(std::move(stream), OpenAudio(input, options_.decode));
  if (!std::all_of(mixes_.begin(), mixes_.end(), IsStem))
    stream = MixStems(std::move(stream),
                      NeedsMixture(mixes_) ? OpenAudio(input, options_.decode) : nullptr, mixes_);
  const AudioInfo& info = stream->info();
  song.sample_rate_hz = song.stems_rate_hz = info.sample_rate_hz;
  song.channels = info.channels;
  const bool chosen = options_.decode.stream != kDefaultStream || !options_.decode.language.empty();
  if (!chosen) song.stream_choice = StreamChoiceText(info);
  return stream;
}

void Separator::Read(SongSeparator& stream, const fs::path& input, bool clamp,
                     const std::function<void(const std::vector<std::vector<float>>& stems,
                                              std::size_t frames)>& take,
                     const Observer& observer, SeparatedSong& song) const {
  const AudioInfo& info = stream.info();
  const std::int64_t total = info.frames >= 0 ? info.frames : info.expected_frames;
  std::vector<std::size_t> indices;  // of the files, in the song's stems
  for (const std::string& name : names_)
    indices.push_back(StemStream::FindStem(stream.stems(), name));
  std::vector<std::vector<float>> blocks, wanted(indices.size());
  if (observer) observer(0, total, info.sample_rate_hz);
  while (const std::size_t count = stream.Read(kBlockFrames, blocks)) {
    for (std::size_t s = 0; s < indices.size(); ++s) {
      wanted[s].swap(blocks[indices[s]]);
      if (clamp) song.clipped_samples += Clamp(wanted[s]);
    }
    take(wanted, count);
    song.frames += static_cast<std::int64_t>(count);
    if (observer) observer(song.frames, total, info.sample_rate_hz);
  }
  if (song.frames == 0) {
    throw Error::Input("holds no audio", input.string(), "give a file with at least one sample");
  }
  song.damage = stream.damage();
}

SeparatedSong Separator::SeparateFile(const fs::path& input, const fs::path& folder,
                                      const Observer& observer) {
  return SeparateInto(input, Targets(folder), observer);
}

SeparatedSong Separator::SeparateInto(const fs::path& input, std::vector<fs::path> files,
                                      const Observer& observer) {
  const FileState state(input);
  try {
    return Write(input, std::move(files), observer, [&] { state.RequireUnchanged(); });
  } catch (const Error& error) {
    if (!error.stopped_by_signal()) state.RequireUnchanged();  // or that is why
    throw;
  }
}

SeparatedSong Separator::Write(const fs::path& input, std::vector<fs::path> targets,
                               const Observer& observer, const std::function<void()>& check) const {
  SeparatedSong song;
  const std::unique_ptr<SongSeparator> stream = Begin(input, song);
  const AudioInfo& info = stream->info();
  song.files = std::move(targets);
  song.folder = FolderOfAll(song.files);

  EncodeOptions encoding = options_.encoding;
  encoding.channel_mask = info.channel_mask;
  if (options_.tags) {
    Tags tags = ReadTags(input, FindFormat(encoding.format).cover);
    encoding.tags = std::move(tags.texts);
    encoding.cover = std::move(tags.cover);
  }
  PendingFolder pending(song.folder, options_.growing_in.empty() ? FolderAbove(song.folder)
                                                                 : options_.growing_in);
  std::unique_ptr<StemFiles> files;
  const auto add = [&](const fs::path& target, const EncodeOptions& options) {
    const std::string name = target.lexically_relative(song.folder).string();
    return std::make_unique<AudioWriter>(pending.Add(name), info.sample_rate_hz, info.channels,
                                         options);
  };
  if (encoding.streams.empty()) {
    std::vector<std::unique_ptr<AudioWriter>> writers;
    for (std::size_t s = 0; s < names_.size(); ++s)
      writers.push_back(add(song.files[s], WithStemInTitle(encoding, names_[s])));
    files = std::make_unique<FilePerStem>(std::move(writers));
  } else {
    files = std::make_unique<FileOfStreams>(add(song.files.front(), encoding),
                                            OpenAudio(input, options_.decode));
  }
  if (options_.clipping == Clipping::kRescale)
    files = std::make_unique<RescaledFiles>(std::move(files), pending.folder(), names_.size());

  const auto write = [&](const auto& stems, std::size_t frames) { files->Write(stems, frames); };
  Read(*stream, input, clamp_, write, observer, song);
  files->Finish(song);
  check();
  pending.Commit();
  return song;
}

SeparatedSong Separator::SeparateTo(const fs::path& input, const Hear& begin, const Take& take,
                                    const Observer& observer) {
  const FileState state(input);
  SeparatedSong song;
  const std::unique_ptr<SongSeparator> stream = Begin(input, song);
  begin(stream->info());
  const auto give = [&](const auto& stems, std::size_t frames) { take(stems[0].data(), frames); };
  Read(*stream, input, options_.clipping == Clipping::kClamp, give, observer, song);
  state.RequireUnchanged();
  return song;
}

}  // namespace stemsmith
