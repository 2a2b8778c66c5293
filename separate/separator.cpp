#include "separate/separator.h"

#include <algorithm>
#include <memory>

#include "audio/decode.h"
#include "core/error.h"
#include "core/pending_files.h"

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

}  // namespace

Separator::Separator(Runtime& runtime, SeparatorOptions options)
    : runtime_(runtime), options_(std::move(options)) {
  const ModelInfo& model = runtime_.info();
  if (options_.stream.stems.empty()) options_.stream.stems = model.stems;
  const std::vector<std::string>& stems = options_.stream.stems;
  for (auto stem = stems.begin(); stem != stems.end(); ++stem) {
    StemStream::FindStem(model.stems, *stem);
    if (std::find(stems.begin(), stem, *stem) != stem)
      throw Error::Usage("the stem '" + *stem + "' is named twice", "--stems", "name each once");
  }
  if (!(options_.stream.overlap < 1)) {
    throw Error::Usage("the overlap must lie in [0, 1)", "--overlap", "0.25 is usual");
  }
  if (options_.encoding.container == AudioContainer::kFlac &&
      options_.encoding.sample_format == SampleFormat::kFloat32) {
    throw Error::Usage("flac holds no 32-bit float samples", "--bits 32f",
                       "use --format wav, or --bits 24");
  }
}

SeparatedSong Separator::SeparateFile(const fs::path& input, const fs::path& folder,
                                      const Observer& observer) {
  StemStreamOptions stream_options = options_.stream;
  stream_options.input_name = input.string();
  StemStream stream(runtime_, OpenAudio(input, options_.decode), stream_options);
  const AudioInfo& info = stream.info();
  const std::int64_t total = info.frames >= 0 ? info.frames : info.expected_frames;
  const std::string ending =
      options_.encoding.container == AudioContainer::kFlac ? ".flac" : ".wav";

  EncodeOptions encoding = options_.encoding;
  encoding.channel_mask = info.channel_mask;
  PendingFolder pending(
      folder, options_.growing_in.empty() ? FolderAbove(folder) : options_.growing_in);
  std::vector<std::string> names;
  std::vector<std::unique_ptr<AudioWriter>> writers;
  for (const std::string& stem : stems()) {
    names.push_back(stem + ending);
    writers.push_back(std::make_unique<AudioWriter>(pending.Add(names.back()), info.sample_rate_hz,
                                                    info.channels, encoding));
  }

  SeparatedSong song;
  song.sample_rate_hz = info.sample_rate_hz;
  song.channels = info.channels;
  const bool chosen = options_.decode.stream != kDefaultStream || !options_.decode.language.empty();
  if (!chosen) song.stream_choice = StreamChoiceText(info);
  std::vector<std::vector<float>> blocks;
  if (observer) observer(0, total, info.sample_rate_hz);
  while (const std::size_t count = stream.Read(kBlockFrames, blocks)) {
    for (std::size_t s = 0; s < writers.size(); ++s) writers[s]->Write(blocks[s].data(), count);
    song.frames += static_cast<std::int64_t>(count);
    if (observer) observer(song.frames, total, info.sample_rate_hz);
  }
  if (song.frames == 0) {
    throw Error::Input("holds no audio", input.string(), "give a file with at least one sample");
  }
  song.damage = stream.damage();
  for (const auto& writer : writers) {
    writer->Finish();
    song.clipped_samples += writer->clipped_samples();
  }
  pending.Commit();
  for (const std::string& name : names) song.files.push_back(folder / name);
  return song;
}

}  // namespace stemsmith
