// stemsmith probe: what an audio or video file holds, found out by decoding it.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "audio/decode.h"
#include "audio/tags.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/text.h"
#include "picture/picture.h"
#include "picture/waveform_peaks.h"

namespace stemsmith {
namespace {

constexpr std::size_t kBlockFrames = 16384;
constexpr std::size_t kMostPeaks = 2000;
constexpr double kLargestPeak = 4;

struct Arguments {
  std::filesystem::path file, peaks, spectrogram;
  std::optional<double> max_seconds;
  OutputMode mode = OutputMode::kAuto;
};

class Probe {
 public:
  explicit Probe(const Arguments& arguments)
      : arguments_(arguments), reader_(OpenAudio(arguments.file)), peaks_(kMostPeaks) {
    if (arguments.max_seconds)
      most_frames_ = std::llround(*arguments.max_seconds * info().sample_rate_hz);
  }

  const AudioInfo& info() const { return reader_->info(); }
  std::int64_t frames() const { return frames_; }

  // What nobody needs is not decoded: of a length that the file says, a second shows that it is
  // audio.
  void Run() {
    frames_ = info().frames;
    CheckLength(frames_);
    const bool wants_peaks = !arguments_.peaks.empty();
    const bool wants_picture = !arguments_.spectrogram.empty();
    const bool whole = wants_peaks || wants_picture;
    std::optional<SpectrogramStrip> strip;
    if (frames_ < 0) {
      frames_ = Read(INT64_MAX, nullptr);
      if (wants_picture) reader_->Rewind();
    }
    if (wants_picture)
      strip.emplace(frames_, StripOptions{.sample_rate_hz = info().sample_rate_hz,
                                          .width = 1200,
                                          .height = 160});
    if (wants_picture || info().frames >= 0)
      Read(whole ? INT64_MAX : info().sample_rate_hz, strip ? &*strip : nullptr);
    if (wants_peaks) WriteFileAtomically(arguments_.peaks, PeaksJson());
    if (wants_picture) WriteFileAtomically(arguments_.spectrogram, strip->Finish());
  }

 private:
  void CheckLength(std::int64_t frames) const {
    if (frames > most_frames_)
      throw Error::Input("is longer than " + NumberText(*arguments_.max_seconds) + " s",
                         arguments_.file.string(), "cut it, or allow more: --max-seconds");
  }

  // Decodes that many frames, or to the end, and gives how many there were.
  std::int64_t Read(std::int64_t most, SpectrogramStrip* strip) {
    const int channels = info().channels;
    const bool first = peaks_.frames() == 0;
    std::vector<float> block(kBlockFrames * static_cast<std::size_t>(channels));
    std::int64_t read = 0;
    while (read < most) {
      StopIfInterrupted("interrupted, nothing was written");
      const std::size_t count = reader_->Read(block.data(), kBlockFrames);
      if (count == 0) break;
      read += static_cast<std::int64_t>(count);
      CheckLength(read);
      if (first) peaks_.Add(block.data(), channels, count);
      if (strip != nullptr) strip->Add(block.data(), channels, count);
    }
    return read;
  }

  std::string PeaksJson() const {
    nlohmann::json numbers = nlohmann::json::array();
    for (const WaveformPeaks::Part& part : peaks_.Parts())
      for (const float value : {part.low, part.high})
        numbers.push_back(
            std::round(std::clamp<double>(value, -kLargestPeak, kLargestPeak) * 1e4) / 1e4);
    return nlohmann::json{
        {"seconds", static_cast<double>(frames_) / info().sample_rate_hz}, {"peaks", numbers}}
               .dump() +
           '\n';
  }

  const Arguments& arguments_;
  std::unique_ptr<AudioReader> reader_;
  std::int64_t most_frames_ = INT64_MAX;
  std::int64_t frames_ = -1;
  WaveformPeaks peaks_;
};

nlohmann::json Fields(const Arguments& arguments, const Probe& probe, const Tags& tags) {
  const AudioInfo& info = probe.info();
  nlohmann::json streams = nlohmann::json::array();
  for (const AudioStreamInfo& stream : info.streams)
    streams.push_back({{"channels", stream.channels},
                       {"sample_rate_hz", stream.sample_rate_hz},
                       {"title", stream.title},
                       {"language", stream.language},
                       {"default", stream.is_default}});
  nlohmann::json texts = nlohmann::json::object();
  for (const auto& [name, text] : tags.texts) texts[name] = text;
  return {{"file", arguments.file.string()},
          {"format", info.format},
          {"sample_rate_hz", info.sample_rate_hz},
          {"channels", info.channels},
          {"bits", info.bits},
          {"frames", probe.frames()},
          {"seconds", static_cast<double>(probe.frames()) / info.sample_rate_hz},
          {"stream", info.stream},
          {"streams", streams},
          {"tags", texts}};
}

std::string Text(const Arguments& arguments, const Probe& probe, const Tags& tags) {
  const AudioInfo& info = probe.info();
  std::string text = arguments.file.string() + ": " + info.format + ", " +
                     std::to_string(info.sample_rate_hz) + " Hz, " +
                     std::to_string(info.channels) +
                     (info.channels == 1 ? " channel, " : " channels, ") +
                     (info.bits < 32 ? std::to_string(info.bits) + " bits, " : "") +
                     SecondsText(probe.frames(), info.sample_rate_hz) + '\n';
  if (const std::string choice = StreamChoiceText(info); !choice.empty())
    text += "  " + choice + '\n';
  for (const auto& [name, value] : tags.texts) text += "  " + name + ": " + value + '\n';
  return text;
}

void RunProbe(const Arguments& arguments) {
  CatchInterrupts();
  for (const std::filesystem::path& target : {arguments.peaks, arguments.spectrogram}) {
    if (target.empty()) continue;
    CheckTarget(target);
    CheckAreNoSources({target}, {arguments.file});
  }
  try {
    Probe probe(arguments);
    probe.Run();
    const Tags tags = ReadTags(arguments.file, /*with_cover=*/false);
    PrintResult(arguments.mode, Text(arguments, probe, tags), Fields(arguments, probe, tags));
  } catch (const Error& error) {
    throw WithoutConcealing(error);
  }
}

}  // namespace

void AddProbeCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("probe", "Say what an audio or video file holds, and draw it");
  command->add_option("FILE", arguments->file, "The file; what it is is found out by decoding")
      ->required();
  AddNumber(*command, "--max-seconds", arguments->max_seconds, {0.001, 1e7},
            "Refuse longer audio");
  command
      ->add_option("--peaks", arguments->peaks,
                   "Write the waveform as JSON: lowest and highest sample of up to 2000 parts")
      ->check(IsNotEmpty);
  command
      ->add_option("--spectrogram", arguments->spectrogram,
                   "Write a spectrogram as PNG, 1200 × 160 pixels without axes")
      ->check(IsNotEmpty);
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] { RunProbe(*arguments); });
}

}  // namespace stemsmith
