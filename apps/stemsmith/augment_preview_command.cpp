// stemsmith augment-preview: what an augmentation list does to a cache's songs, to hear and to see.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "apps/checked_options.h"
#include "apps/stemsmith/commands.h"
#include "audio/encode.h"
#include "core/config_library.h"
#include "core/decibel.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/text.h"
#include "datasets/cache/cache.h"
#include "datasets/loader/loader.h"
#include "picture/picture.h"

namespace stemsmith {
namespace {

struct Arguments {
  std::string config;
  std::filesystem::path cache, out;
  std::vector<std::string> settings;
  int samples = 3;
  double seconds = 6.0;
  LoaderOptions loader;
  OutputMode mode = OutputMode::kAuto;
};

// The list alone: the other keys of a training configuration are not looked at.
AugmentChain ReadChain(const Arguments& arguments) {
  const std::filesystem::path file = FindConfig(arguments.config);
  CheckContent(file, FileUse::kTrainConfig);
  const Config config = Config::Load(file, arguments.settings);
  const std::vector<Config> items = config.List("augment");
  if (items.empty())
    throw Error::Usage("there is nothing to preview: the list augment is missing or empty",
                       file.string(), "docs/augmentation.md names what it may hold");
  AugmentChain chain(items);
  for (const Config& item : items) item.CheckAllRead();
  return chain;
}

// One stem of a batch of one sample.
AudioBuffer StemOf(const Batch& batch, std::size_t stem) {
  AudioBuffer audio(static_cast<int>(batch.channels), static_cast<std::size_t>(batch.frames));
  const std::int64_t size = batch.channels * batch.frames;
  std::copy_n(batch.stem_audio.data() + static_cast<std::int64_t>(stem) * size, size,
              audio.samples().begin());
  return audio;
}

AudioBuffer MixtureOf(const Batch& batch) {
  AudioBuffer audio(static_cast<int>(batch.channels), static_cast<std::size_t>(batch.frames));
  std::copy_n(batch.mix.data(), batch.channels * batch.frames, audio.samples().begin());
  return audio;
}

double RmsDb(const AudioBuffer& audio) {
  double sum = 0.0;
  for (const float sample : audio.samples())
    sum += static_cast<double>(sample) * static_cast<double>(sample);
  const double mean = sum / static_cast<double>(std::max<std::size_t>(1, audio.samples().size()));
  return PowerToDb(mean, -120.0);
}

// Pictures are titled in ASCII.
std::string Printable(std::string text) {
  for (char& letter : text)
    if (letter < ' ' || letter > '~') letter = '?';
  return text;
}

class Preview {
 public:
  explicit Preview(const Arguments& arguments)
      : arguments_(arguments),
        chain_(ReadChain(arguments)),
        cache_(arguments.cache, Warn),
        before_(cache_, {}, OptionsOf(arguments, cache_)),
        after_(cache_, chain_, OptionsOf(arguments, cache_)),
        folder_(arguments.out) {}

  void Run() {
    for (int i = 1; i <= arguments_.samples; ++i) {
      StopIfInterrupted("interrupted, the sample in work was left out");
      const std::shared_ptr<const Batch> before = before_.Next(), after = after_.Next();
      const std::filesystem::path folder = arguments_.out / ("sample_" + std::to_string(i));
      PendingFolder files(folder, arguments_.out);
      text_ += "sample " + std::to_string(i) + "  from " + before->tracks.front() + '\n';
      nlohmann::json stems = nlohmann::json::object();
      for (std::size_t s = 0; s < cache_.stems().size(); ++s)
        stems[cache_.stems()[s]] =
            Write(files, cache_.stems()[s], StemOf(*before, s), StemOf(*after, s));
      stems["mixture"] = Write(files, "mixture", MixtureOf(*before), MixtureOf(*after));
      files.Commit();
      samples_.push_back({{"folder", folder.string()},
                          {"song", before->tracks.front()},
                          {"stems", std::move(stems)}});
    }
    PrintResult(arguments_.mode, text_ + arguments_.out.string(),
                {{"out", arguments_.out.string()}, {"samples", samples_}});
  }

 private:
  static LoaderOptions OptionsOf(const Arguments& arguments, const CacheReader& cache) {
    LoaderOptions options = arguments.loader;
    options.warn = Warn;
    options.segment_frames =
        std::max<std::int64_t>(1, std::llround(arguments.seconds * cache.sample_rate_hz()));
    options.batch_size = 1;
    options.threads = 1;
    options.prefetch_batches = 1;
    return options;
  }

  // The files of one stem; returns its levels.
  nlohmann::json Write(PendingFolder& files, const std::string& name, const AudioBuffer& before,
                       const AudioBuffer& after) {
    StopIfInterrupted("interrupted, the sample in work was left out");
    const int rate = cache_.sample_rate_hz();
    // Floats: what goes beyond full scale is there to be seen, too.
    const EncodeOptions encode{.sample_format = SampleFormat::kFloat32};
    WriteAudio(files.Add(name + "_before.wav"), before, rate, encode);
    WriteAudio(files.Add(name + "_after.wav"), after, rate, encode);
    WriteSpectrogramPng(
        files.Add(name + ".png"),
        {{Printable(name) + " before", before}, {Printable(name) + " after", after}}, rate);
    text_ += "  " + name + std::string(name.size() < 20 ? 20 - name.size() : 0, ' ') +
             Formatted(" %7.1f dB -> %7.1f dB\n", RmsDb(before), RmsDb(after));
    return {{"before_rms_db", RmsDb(before)}, {"after_rms_db", RmsDb(after)}};
  }

  const Arguments& arguments_;
  const AugmentChain chain_;
  const CacheReader cache_;
  // The same samples of the same epoch, without and with the chain.
  Loader before_, after_;
  const ResultFolder folder_;
  std::string text_;
  nlohmann::json samples_ = nlohmann::json::array();
};

}  // namespace

void AddAugmentPreviewCommand(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "augment-preview", "Write samples before and after augmentation, to hear and to see");
  command
      ->add_option("CONFIG", arguments->config,
                   "A training configuration or a preset (configs/augment/): its list `augment`")
      ->required();
  command->add_option("CACHE", arguments->cache, "The cache to draw samples from")->required();
  command
      ->add_option("-o,--out", arguments->out,
                   "Folder for sample_N/STEM_before.wav, STEM_after.wav and STEM.png")
      ->required();
  command->add_option("--set", arguments->settings, "Changes: augment.0.probability=1 …");
  AddNumber(*command, "--samples", arguments->samples, {1, 1000}, "How many")
      ->capture_default_str();
  AddNumber(*command, "--seconds", arguments->seconds, {0.1, 60}, "Length of each")
      ->capture_default_str();
  command->add_option("--split", arguments->loader.split, "Songs to draw from")
      ->capture_default_str();
  AddNumber(*command, "--seed", arguments->loader.seed, {}, "Other samples")->capture_default_str();
  AddOutputFlags(*command, arguments->mode);
  command->callback([arguments] {
    CatchInterrupts();
    Preview(*arguments).Run();
  });
}

}  // namespace stemsmith
