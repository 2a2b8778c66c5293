// Demucs: packages that come with a class, bags of them, and the configurations of its training,
// which have the data under `dset`.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <sstream>

#include "core/error.h"
#include "core/numbers.h"
#include "core/option.h"
#include "core/text.h"
#include "models/weights/dialects/demucs_classes.h"
#include "models/weights/dialects/training_config.h"
#include "models/weights/pickle_value.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr char kDemucsV2Parameters[] =
    "sources audio_channels channels depth rewrite glu rescale resample kernel_size stride growth "
    "lstm_layers context normalize";
constexpr char kDemucsParameters[] =
    "sources audio_channels channels growth depth rewrite lstm_layers kernel_size stride context "
    "gelu glu norm_starts norm_groups dconv_mode dconv_depth dconv_comp dconv_attn dconv_lstm "
    "dconv_init normalize resample rescale";
constexpr char kHDemucsParameters[] =
    "sources audio_channels channels channels_time growth nfft wiener_iters end_iters "
    "wiener_residual cac depth rewrite hybrid hybrid_old multi_freqs multi_freqs_depth freq_emb "
    "emb_scale emb_smooth kernel_size time_stride stride context context_enc norm_starts "
    "norm_groups dconv_mode dconv_depth dconv_comp dconv_attn dconv_lstm dconv_init rescale";
constexpr char kHTDemucsParameters[] =
    "sources audio_channels channels channels_time growth nfft wiener_iters end_iters "
    "wiener_residual cac depth rewrite multi_freqs multi_freqs_depth freq_emb emb_scale emb_smooth "
    "kernel_size time_stride stride context context_enc norm_starts norm_groups dconv_mode "
    "dconv_depth dconv_comp dconv_init bottom_channels t_layers t_emb t_hidden_scale t_heads "
    "t_dropout t_max_positions t_norm_in t_norm_in_group t_group_norm t_norm_first t_norm_out "
    "t_max_period t_weight_decay t_lr t_layer_scale t_gelu t_weight_pos_embed t_sin_random_shift "
    "t_cape_mean_normalize t_cape_augment t_cape_glob_loc_scale t_sparse_self_attn "
    "t_sparse_cross_attn t_mask_type t_mask_random_seed t_sparse_attn_window t_global_window "
    "t_sparsity t_auto_sparsity t_cross_first rescale use_train_segment";

std::vector<std::string> Words(const char* text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), std::istream_iterator<std::string>()};
}

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

template <typename T>
T Argument(const OrderedJson& kwargs, const char* key, T fallback, const std::string& where) {
  const auto found = kwargs.find(key);
  if (found == kwargs.end() || found->is_null()) return fallback;
  try {
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    throw Error::Input(std::string("the argument '") + key + "' has the wrong kind of value", where,
                       "the package is damaged, or of a program that is not known");
  }
}

}  // namespace

const std::vector<DemucsClass>& DemucsClasses() {
  static const std::vector<DemucsClass> classes = {
      {"demucs.model.Demucs", "demucs_v2", "segment_length", true, 40, kDemucsV2Parameters},
      {"demucs.demucs.Demucs", "demucs", "segment", false, 40, kDemucsParameters},
      {"demucs.hdemucs.HDemucs", "hdemucs", "segment", false, 40, kHDemucsParameters},
      {"demucs.wdemucs.WDemucs", "hdemucs", "segment", false, 40, kHDemucsParameters},
      {"demucs.htdemucs.HTDemucs", "htdemucs", "segment", false, 10, kHTDemucsParameters},
  };
  return classes;
}

namespace {

// Rounds down, as the originals do. `value` is a number or a fraction.
std::int64_t SegmentFrames(const OrderedJson& value, int sample_rate_hz, const std::string& where) {
  constexpr std::int64_t kLongest = std::int64_t{1} << 31;
  double frames = NAN;
  if (value.is_number()) {
    frames = value.get<double>() * sample_rate_hz;
  } else if (value.is_object() && value.value("_type", "") == "fraction" &&
             value.contains("numerator") && value["numerator"].is_number_integer() &&
             value.contains("denominator") && value["denominator"].is_number_integer()) {
    const auto numerator = value["numerator"].get<std::int64_t>();
    const auto denominator = value["denominator"].get<std::int64_t>();
    if (numerator > 0 && denominator > 0 && numerator < kLongest)
      frames = static_cast<double>(numerator * sample_rate_hz / denominator);
  }
  if (!(frames >= 1 && frames <= static_cast<double>(kLongest)))
    throw Error::Input("the segment is no sensible length: " + QuotedText(value.dump()), where);
  return static_cast<std::int64_t>(frames);
}

std::optional<ModelPlan> PlanOfDemucsClass(const ForeignModel& foreign, const std::string& where) {
  const DemucsClass* row = nullptr;
  for (const DemucsClass& candidate : DemucsClasses()) {
    if (foreign.klass == candidate.klass) row = &candidate;
  }
  if (row == nullptr) return std::nullopt;
  std::vector<std::string> parameters = Words(row->parameters);
  OrderedJson kwargs = foreign.kwargs;
  if (foreign.args.size() > parameters.size())
    throw Error::Input("the class is given more arguments than it takes", where);
  for (std::size_t i = 0; i < foreign.args.size(); ++i) kwargs[parameters[i]] = foreign.args[i];

  ModelPlan plan;
  plan.setting.stems = Argument(kwargs, "sources", std::vector<std::string>(), where);
  if (plan.setting.stems.empty()) throw Error::Input("the package does not name its stems", where);
  plan.setting.channels = Argument(kwargs, "audio_channels", 2, where);
  plan.setting.sample_rate_hz = Argument(kwargs, "samplerate", 44100, where);
  if (plan.setting.sample_rate_hz < 1 || plan.setting.sample_rate_hz > 768000)
    throw Error::Input("the sample rate makes no sense", where);
  const OrderedJson segment =
      kwargs.contains(row->segment) && !kwargs[row->segment].is_null()
          ? kwargs[row->segment]
          : OrderedJson(row->default_segment_s * (row->segment_in_frames ? 44100 : 1));
  plan.segment_frames =
      SegmentFrames(segment, row->segment_in_frames ? 1 : plan.setting.sample_rate_hz, where);
  plan.song_normalization = SongNormalization::kMeanStd;
  plan.tail = Tail::kContext;

  plan.model["name"] = row->row;
  std::vector<std::string> dropped;
  for (const auto& [key, value] : kwargs.items()) {
    if (key == "sources" || key == "audio_channels" || key == "samplerate" || key == row->segment)
      continue;
    // As the original does with parameters that its class no longer has.
    if (!Contains(parameters, key)) {
      dropped.push_back(QuotedText(key));
    } else if (!value.is_null()) {
      plan.model[key] = value;
    }
  }
  if (!dropped.empty())
    plan.notes.push_back("options that the class does not have: " + JoinNames(dropped));
  return plan;
}

ModelPlan PlanOfDemucsConfig(const Config& config, const ModelPlan& fallback) {
  const Config data = config.Child("dset");
  ModelPlan plan = PlanOfTraining(config, data, "sources", fallback);
  // Its models are made for longer segments than those it trains with.
  plan.SetSegment(config.NumberIn("model_segment", 4 * TrainedSeconds(data), 0, 3600));
  return plan;
}

bool IsBag(const fs::path& path) {
  return path.extension() == ".yaml" || path.extension() == ".yml";
}

bool SpeaksDemucs(const Config& config) {
  return !config.Value("model").IsMap() && !config.Has("training");
}

// The package of a signature beside a bag.
fs::path FindPackage(const fs::path& folder, const std::string& signature,
                     const std::string& where) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    const std::string stem = path.stem().string();
    const bool named =
        stem == signature || (stem.rfind(signature + "-", 0) == 0 && path.extension() == ".th");
    if (named && (path.extension() == ".th" || path.extension() == ".safetensors"))
      found.push_back(path);
  }
  if (found.empty())
    throw Error::Input("the bag names '" + signature + "', which does not lie beside it", where,
                       "put " + signature + ".th or " + signature + ".safetensors into its folder");
  if (found.size() > 1)
    throw Error::Input(
        "several files have the name '" + signature + "'", where,
        "keep one of them: " + found[0].filename().string() + ", " + found[1].filename().string());
  return found[0];
}

void RequireAgreement(const ModelPlan& first, const ModelPlan& other, const std::string& names,
                      const std::string& where) {
  std::string difference;
  if (first.setting.stems != other.setting.stems)
    difference = "stems [" + JoinNames(first.setting.stems) + "] and [" +
                 JoinNames(other.setting.stems) + "]";
  else if (first.setting.sample_rate_hz != other.setting.sample_rate_hz)
    difference = std::to_string(first.setting.sample_rate_hz) + " and " +
                 std::to_string(other.setting.sample_rate_hz) + " Hz";
  else if (first.setting.channels != other.setting.channels)
    difference = std::to_string(first.setting.channels) + " and " +
                 std::to_string(other.setting.channels) + " channels";
  if (!difference.empty())
    throw Error::Input("the bag's models disagree: " + names + " have " + difference, where,
                       "a bag needs models with the same stems, sample rate and channels");
}

double WeightOf(const Config& item) {
  const std::string text = item.AsString();
  if (const auto weight = NumberIn<double>(text, {0, 1e6})) return *weight;
  throw Error::Input("the bag has the weight " + QuotedText(text), item.Where());
}

PlannedWeights ReadBag(const fs::path& path, const ImportOptions& options) {
  if (!options.config.empty())
    throw Error::Usage(Option("config") + " does not go with a bag", path.string(),
                       "import its models one by one");
  RefuseLora(options, path);
  const std::string where = path.string();
  ModelPlan plan;
  const Config bag = Config::LoadForeign(path, plan.notes);
  const std::vector<std::string> names = bag.Strings("models");
  if (names.empty())
    throw Error::Input("the bag names no models", where,
                       "a bag has a line such as models: ['955717e8']; a configuration goes beside "
                       "weights with " +
                           Option("config"));
  std::vector<std::vector<double>> weights;
  if (bag.Has("weights"))
    for (const Config& row : bag.List("weights")) {
      weights.emplace_back();
      for (const Config& item : row.Items()) weights.back().push_back(WeightOf(item));
    }
  const double bag_segment = bag.NumberIn("segment", 0, 0, 3600);
  bag.CheckAllRead();
  if (!weights.empty() && weights.size() != names.size())
    throw Error::Input("the bag has weights for " + std::to_string(weights.size()) +
                           " models, but names " + std::to_string(names.size()),
                       where);

  OrderedJson models = OrderedJson::array(), rows = OrderedJson::array();
  std::vector<NamedTensors> states;
  std::map<std::string, std::size_t> known;  // a model that is named twice counts twice
  std::vector<std::int64_t> segments;
  for (std::size_t m = 0; m < names.size(); ++m) {
    if (!weights.empty() && m > 0 && weights[m].size() != weights[0].size())
      throw Error::Input("the bag's weights are not equally many for each model", where);
    const auto [place, fresh] = known.try_emplace(names[m], models.size());
    if (fresh) {
      const fs::path package =
          FindPackage(path.parent_path().empty() ? "." : path.parent_path(), names[m], where);
      const ForeignModel foreign = ReadForeignModel(package, options.prefix);
      ModelPlan part = PlanFor(foreign, package, {}).plan;
      const bool transformer = part.model["name"] == "htdemucs";
      const auto wanted = static_cast<std::int64_t>(bag_segment * part.setting.sample_rate_hz);
      if (wanted > 0 && (!transformer || wanted <= part.segment_frames))
        part.segment_frames = wanted;
      segments.push_back(part.segment_frames);
      if (models.empty()) plan = part;
      RequireAgreement(plan, part, names[0] + " and " + names[m], where);
      states.push_back(foreign.state);
      models.push_back(part.model);
      rows.push_back(std::vector<double>(plan.setting.stems.size(), 0));
    }
    for (std::size_t s = 0; s < plan.setting.stems.size(); ++s) {
      if (!weights.empty() && weights[m].size() != plan.setting.stems.size())
        throw Error::Input("the bag has " + std::to_string(weights[m].size()) +
                               " weights for a model of " +
                               std::to_string(plan.setting.stems.size()) + " stems",
                           where);
      rows[place->second][s] =
          rows[place->second][s].get<double>() + (weights.empty() ? 1 : weights[m][s]);
    }
  }
  plan.segment_frames = *std::min_element(segments.begin(), segments.end());
  if (plan.segment_frames != *std::max_element(segments.begin(), segments.end()))
    plan.notes.push_back("the models' segments differ; all use the shortest, " +
                         std::to_string(plan.segment_frames) + " frames");
  const auto waves = std::count_if(models.begin(), models.end(), [](const auto& model) {
    return model["name"] == "demucs";
  });
  if (waves > 0 && static_cast<std::size_t>(waves) < models.size())
    plan.notes.push_back("its demucs will see silence around each segment, where Python's sees the "
                         "song: for the same stems import and export each model alone");
  if (models.size() > 1) plan.model = {{"name", "bag"}, {"models", models}, {"weights", rows}};
  return {plan, states};
}

}  // namespace

Dialect DemucsDialect() {
  return {.program = "Demucs",
          .owns = &IsBag,
          .read = &ReadBag,
          .plan_of_class = &PlanOfDemucsClass,
          .speaks = &SpeaksDemucs,
          .plan_of_config = &PlanOfDemucsConfig};
}

}  // namespace stemsmith
