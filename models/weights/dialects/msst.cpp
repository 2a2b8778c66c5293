// Music-Source-Separation-Training (MSST): weights are plain state dicts, in the wrappings of many
// programs; their sizes are told from the weights (networks.h). Configurations (YAML) have the
// model's options under `model`, or for Demucs' models under a key of the model's name, the data
// under `training` (stems as `instruments`) and `audio`, and how songs are separated under
// `inference`. Facts: utils/settings.py, utils/model_utils.py of its repository.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "core/error.h"
#include "core/numbers.h"
#include "core/option.h"
#include "core/text.h"
#include "models/weights/dialects/json_options.h"
#include "models/weights/dialects/networks.h"
#include "models/weights/dialects/training_config.h"
#include "models/weights/pickle_value.h"

namespace stemsmith {
namespace {

using OrderedJson = nlohmann::ordered_json;

// A network by the names that configurations have for it.
struct MsstModel {
  const char* name;
  const char* key;  // that only its options have; "": none
  const char* hop;  // its key …
  std::int64_t default_hop;
  // Options that our models take (all sizes that weights do not say).
  std::vector<std::string> taken;
  // Options that mean nothing here, or that are told from what else is said.
  std::vector<std::string> known;
};

const std::vector<MsstModel>& MsstModels() {
  static const std::vector<std::string> roformer = {
      "dim", "depth", "time_transformer_depth", "freq_transformer_depth",
      "linear_transformer_depth", "dim_head", "heads", "attn_dropout", "ff_dropout", "stft_n_fft",
      "stft_hop_length", "stft_win_length", "stft_normalized", "zero_dc", "mask_estimator_depth",
      "mlp_expansion_factor", "skip_connection", "use_pope"};
  static const std::vector<std::string> training = {
      "num_stems", "stereo", "sample_rate", "flash_attn", "dim_freqs_in", "sage_attention",
      "use_torch_checkpoint", "match_input_audio_length", "multi_stft_resolution_loss_weight",
      "multi_stft_resolutions_window_sizes", "multi_stft_hop_size", "multi_stft_normalized"};
  const auto with = [](std::vector<std::string> words, const char* word) {
    words.emplace_back(word);
    return words;
  };
  static const std::vector<std::string> scnet = {
      "dims", "nfft", "hop_size", "win_size", "normalized", "band_SR", "band_stride",
      "band_kernel", "conv_depths", "compress", "conv_kernel", "num_dplayer", "expand"};
  static const std::vector<MsstModel> table = {
      {"bs_roformer", "freqs_per_bands", "stft_hop_length", 512,
       with(roformer, "freqs_per_bands"), training},
      {"mel_band_roformer", "num_bands", "stft_hop_length", 512, with(roformer, "num_bands"),
       training},
      {"scnet", "band_SR", "hop_size", 1024, scnet, {"sources", "audio_channels"}},
      {"scnet_masked", "", "hop_size", 1024, scnet, {"sources", "audio_channels"}},
      {"mdx23c", "num_subbands", "hop_length", 1024,
       {"n_fft", "hop_length", "dim_f", "act", "bottleneck_factor", "growth", "norm",
        "num_blocks_per_scale", "num_channels", "num_scales", "num_subbands", "scale"},
       {}},
  };
  return table;
}

const MsstModel* FindModel(const std::string& name) {
  for (const MsstModel& model : MsstModels())
    if (name == model.name) return &model;
  return nullptr;
}

// The model that a configuration says it is of, "": none. Some say it, all others have keys that
// only one network has.
std::string NamedModel(const Config& config) {
  for (const Config& section : {config.Child("training"), config}) {
    const std::string type = section.String("model_type", "");
    if (!type.empty()) return type;
  }
  if (config.Has("kwargs")) return "bandit_v2";
  std::vector<std::string> found;
  const Config options = config.Child("model");
  for (const MsstModel& model : MsstModels())
    if (options.Has(model.key)) found.emplace_back(model.name);
  return found.size() == 1 ? found[0] : "";
}

// Words of `model_type` for networks that are not had.
constexpr std::string_view kOtherTypes[] = {
    "apollo",      "bandit",     "bandit_v2",        "bs_conformer",
    "bs_mamba2",   "conformer",  "mel_band_conformer", "moises_light",
    "scnet_tran",  "segm_models", "scnet_unofficial", "swin_upernet",
    "torchseg",    "experimental_mdx23c_stht"};

void RefuseOtherType(const std::string& named, const Config& config) {
  if (std::find(std::begin(kOtherTypes), std::end(kOtherTypes), named) == std::end(kOtherTypes))
    return;
  throw Error::Input(
      "the configuration is of a network " + QuotedText(named) + ", which stemsmith does not have",
      config.Where(),
      "known are " + JoinNames(MsstModels(), ", ", &MsstModel::name) + " and Demucs' models");
}

// The name in our table for what a configuration says, where weights are of `seen`: a variant with
// the same options ("scnet" of a masked one, "…_experimental"), and words that nobody knows, are
// told by the weights.
std::string NameBeside(const std::string& named, const std::string& seen) {
  const bool variant = named.starts_with(seen) || seen.starts_with(named);
  return variant || FindModel(named) == nullptr ? seen : named;
}

// The stems that the weights give. A model that was trained for one of the instruments gives that.
std::vector<std::string> StemsOf(const Config& training, ModelPlan& plan) {
  const std::vector<std::string> instruments = training.Strings("instruments");
  const std::string target = training.String("target_instrument", "");
  if (target.empty() || target == "None" || plan.seen.stems > 1) return instruments;
  if (!instruments.empty() &&
      std::find(instruments.begin(), instruments.end(), target) == instruments.end())
    plan.notes.push_back("training.target_instrument, " + QuotedText(target) +
                         ", is none of training.instruments (" + JoinNames(instruments) +
                         "): the stem is called so all the same");
  for (const std::string& other : instruments)
    if (other != target && instruments.size() == 2)
      plan.notes.push_back("one stem, " + target + "; separate gives the rest of the song as " +
                           QuotedText(other) + " with " +
                           Option("mix", "'" + other + "=mixture-" + target + "'"));
  return {target};
}

// Frames of a segment: what songs are separated in, else what was trained with.
std::int64_t SegmentOf(const Config& config, std::int64_t hop, ModelPlan& plan) {
  constexpr std::int64_t kDefault = 485100, kMost = std::int64_t{1} << 31;
  const Config inference = config.Child("inference"), audio = config.Child("audio");
  for (const Config& section : {inference, audio})
    if (section.Has("chunk_size")) return section.IntegerIn("chunk_size", 0, 1, kMost);
  for (const Config& section : {inference, audio})
    if (section.Has("dim_t")) return hop * (section.IntegerIn("dim_t", 0, 2, kMost / hop) - 1);
  plan.notes.push_back("the configuration has no chunk_size; segments of " +
                       std::to_string(kDefault) + " frames are taken");
  return kDefault;
}

// Weights do not show the hop, and stems of a wrong one are bad without any error. That segments
// are no multiple of it is a sign, if no proof.
void HintAtHop(const MsstModel& row, const OrderedJson& given, std::int64_t hop,
               ModelPlan& plan) {
  if (!given.contains(row.hop)) {
    const OrderedJson window = plan.model.value("stft_win_length", OrderedJson());
    if (window.is_number_integer() && window < 2 * hop)
      throw Error::Input(std::string("the configuration has no ") + row.hop +
                             ", which weights do not show, and the program's default, " +
                             std::to_string(hop) + ", is too long for windows of " +
                             window.dump(),
                         plan.places[""], std::string("add ") + row.hop + " under model");
    plan.notes.push_back(std::string("the configuration has no ") + row.hop +
                         ", which weights do not show; " + std::to_string(hop) +
                         ", the program's default, is taken");
  } else if (plan.segment_frames % hop != 0 && std::string_view(row.name).ends_with("roformer")) {
    std::string others;
    for (const std::int64_t other : {441, 512, 882, 1024})
      if (other != hop && plan.segment_frames % other == 0)
        others += (others.empty() ? ", but of " : " and ") + std::to_string(other);
    plan.notes.push_back("the segment of " + std::to_string(plan.segment_frames) +
                         " frames is no multiple of " + row.hop + ", " + std::to_string(hop) +
                         others + "; weights do not show the hop: if the stems sound wrong, look "
                         "for another configuration");
  }
}

void NoteOverlap(const Config& config, ModelPlan& plan) {
  const std::int64_t overlap = config.Child("inference").IntegerIn("num_overlap", 0, 0, 1000);
  if (overlap > 1)
    plan.notes.push_back(
        "it separates with num_overlap " + std::to_string(overlap) + ", which is " +
        Option("overlap", NumberText(std::round(1e4 * (1 - 1.0 / static_cast<double>(overlap))) /
                                     1e4)) +
        " of separate");
}

// Options under `model`, for MDX23C with those under `audio` that its network reads.
OrderedJson OptionsOf(const MsstModel& row, const Config& config, ModelPlan& plan) {
  const auto in = [](const std::vector<std::string>& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  OrderedJson taken = OrderedJson::object();
  std::vector<std::string> unknown;
  const Config options = config.Child("model"), audio = config.Child("audio");
  plan.places[""] = options.Where();
  for (const std::string& key : options.Keys()) {
    if (!options.Has(key) || key == "model_type") continue;
    if (in(row.taken, key)) {
      taken[key] = JsonOption(options.Value(key));
      plan.places[key] = options.Where(key);
    } else if (!in(row.known, key)) {
      unknown.push_back(key);
    }
  }
  if (row.name == std::string("mdx23c"))
    for (const char* key : {"n_fft", "hop_length", "dim_f"})
      if (audio.Has(key)) {
        taken[key] = JsonOption(audio.Value(key));
        plan.places[key] = audio.Where(key);
      }
  if (taken.empty() && !unknown.empty())
    throw Error::Input("the configuration is of another model than " + std::string(row.name) +
                           ", which has none of its options: " + JoinNames(unknown),
                       options.Where(), "use the configuration that the weights were trained with");
  if (!unknown.empty())
    plan.notes.push_back("keys of the configuration that the model does not have, left out: " +
                         JoinNames(unknown));
  return taken;
}

// What configurations say besides of the number of stems and channels, against the weights.
void CheckChannels(const Config& config, const std::string& name, ModelPlan& plan) {
  const Config options = config.Child("model");
  ModelSetting& setting = plan.setting;
  std::int64_t given = 0;
  std::string where;
  if (name.ends_with("roformer")) {
    if (options.Has("stereo")) given = JsonOption(options.Value("stereo")) == true ? 2 : 1;
    where = options.Where("stereo");
  } else if (name.starts_with("scnet")) {
    given = options.IntegerIn("audio_channels", 0, 0, 64);
    where = options.Where("audio_channels");
  } else {
    given = config.Child("audio").IntegerIn("num_channels", 2, 1, 64);
    where = config.Child("audio").Where("num_channels");
  }
  const std::int64_t seen = plan.seen.channels;
  if (seen > 0 && given > 0 && given != seen)
    throw Error::Input("the configuration is of a model of " + std::to_string(given) +
                           (given == 1 ? " channel" : " channels") + ", the weights are of " +
                           std::to_string(seen),
                       where, "use the configuration that they were trained with");
  setting.channels = static_cast<int>(seen > 0 ? seen : given > 0 ? given : 2);
  const auto contradict = [&](const std::string& key, std::int64_t said, std::int64_t shown) {
    if (said > 0 && shown > 0 && said != shown)
      plan.notes.push_back("the weights contradict the configuration, and count: " + key + ": " +
                           std::to_string(said) + " in the configuration, " +
                           std::to_string(shown) + " in the weights");
  };
  contradict("num_channels", config.Child("audio").IntegerIn("num_channels", 0, 0, 64), seen);
  contradict("num_stems", options.IntegerIn("num_stems", 0, 0, 1024), plan.seen.stems);
}

// MDX23C folds subbands into channels: how many there are follows from both.
void AddSubbands(ModelPlan& plan, OrderedJson& sizes, const std::string& where) {
  const std::int64_t per_band = 2 * plan.setting.channels;
  if (plan.seen.planes == 0) return;
  if (plan.seen.planes % per_band != 0)
    throw Error::Input("the weights take " + std::to_string(plan.seen.planes) +
                           " planes, which are no real and imaginary parts of " +
                           std::to_string(plan.setting.channels) + " channels",
                       where,
                       "correct audio.num_channels; variants with a Hartley transform are not "
                       "known");
  sizes["num_subbands"] = plan.seen.planes / per_band;
  sizes["dim_f"] = plan.seen.plane_bins * (plan.seen.planes / per_band);
}

ModelPlan PlanOfNetwork(const Config& config, const ModelPlan& seen) {
  ModelPlan plan = seen;
  const std::string named = NamedModel(config);
  const std::string name = seen.model.is_null() ? named : seen.model["name"].get<std::string>();
  RefuseOtherType(named, config);
  const MsstModel* const row = FindModel(name);
  if (row == nullptr)
    throw Error::Input("neither the weights nor the configuration say which network they are of",
                       config.Where(),
                       "name it: training.model_type, one of " +
                           JoinNames(MsstModels(), ", ", &MsstModel::name));
  const OrderedJson given = OptionsOf(*row, config, plan);
  CheckChannels(config, name, plan);
  ModelPlan sizes = seen;
  AddSubbands(plan, sizes.model, config.Where());
  OrderedJson options = {{"name", NameBeside(named, name)}};
  options.update(given);
  plan.model = WithSeenSizes(options, sizes, config.Where(), plan.notes);

  const Config audio = config.Child("audio"), training = config.Child("training");
  const std::int64_t rate = audio.IntegerIn(
      "sample_rate", training.IntegerIn("samplerate", 44100, 1000, 768000), 1000, 768000);
  if (seen.seen.sample_rate_hz > 0 && seen.seen.sample_rate_hz != rate)
    throw Error::Input("the bands of the weights are those of " +
                           std::to_string(seen.seen.sample_rate_hz) +
                           " Hz, the configuration says " + std::to_string(rate) + " Hz",
                       audio.Where("sample_rate"),
                       "use the configuration that they were trained with");
  plan.setting.sample_rate_hz = static_cast<int>(rate);
  plan.setting.stems = config.Has("stems") ? config.Strings("stems") : StemsOf(training, plan);
  const std::int64_t hop =
      plan.model.contains(row->hop) && plan.model[row->hop].is_number_integer()
          ? std::max<std::int64_t>(1, plan.model[row->hop].get<std::int64_t>())
          : row->default_hop;
  plan.segment_frames = SegmentOf(config, hop, plan);
  HintAtHop(*row, given, hop, plan);
  NoteOverlap(config, plan);
  plan.song_normalization = config.Child("inference").Has("normalize") &&
                                    JsonOption(config.Child("inference").Value("normalize")) == true
                                ? SongNormalization::kMeanStd
                                : SongNormalization::kNone;
  plan.tail = Tail::kContext;
  return plan;
}

bool SpeaksMsst(const Config& config) {
  return config.Has("training") || config.Has("audio") || config.Has("inference") ||
         config.Value("model").IsMap();
}

ModelPlan PlanOfMsstConfig(const Config& config, const ModelPlan& fallback) {
  if (!config.Has("model") || config.Value("model").IsMap())
    return PlanOfNetwork(config, fallback);
  const Config data = config.Child("training");
  ModelPlan plan = PlanOfTraining(config, data, "instruments", fallback);
  plan.model.erase("num_subbands");  // of its own variant of HTDemucs; 1 is the original
  if (!fallback.model.is_null())
    plan.model = WithSeenSizes(plan.model, fallback, config.Where(), plan.notes);
  plan.SetSegment(TrainedSeconds(data));
  return plan;
}

}  // namespace

Dialect MsstDialect() {
  return {.program = "MSST",
          .plan_of_weights = &NetworkOf,
          .speaks = &SpeaksMsst,
          .plan_of_config = &PlanOfMsstConfig};
}

}  // namespace stemsmith
