// The classes of Demucs, and how their arguments become a configuration of ours.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>

#include "core/error.h"
#include "core/text.h"
#include "models/weights/foreign.h"
#include "models/weights/pickle.h"

namespace stemsmith {
namespace {

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

// A scalar of YAML as JSON: a number, a boolean or a text.
OrderedJson ScalarOf(const Config& node) {
  std::string text = node.AsString();
  if (text == "True" || text == "False") text[0] = text[0] == 'T' ? 't' : 'f';
  const OrderedJson value = OrderedJson::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_number() || value.is_boolean() ? value : OrderedJson(text);
}

// A map of options; those that are null are left out.
OrderedJson OptionsOf(const Config& node) {
  OrderedJson object = OrderedJson::object();
  for (const std::string& key : node.Keys()) {
    if (!node.Has(key)) continue;
    const Config value = node.Value(key);
    if (value.IsList()) {
      object[key] = OrderedJson::array();
      for (const Config& item : value.Items()) object[key].push_back(ScalarOf(item));
    } else {
      object[key] = ScalarOf(value);
    }
  }
  return object;
}

}  // namespace

const std::vector<ForeignClass>& ForeignClasses() {
  // The first row of a model is the class that packages are written with.
  static const std::vector<ForeignClass> classes = {
      {"demucs.model.Demucs", "demucs_v2", "segment_length", true, 40, kDemucsV2Parameters},
      {"demucs.demucs.Demucs", "demucs", "segment", false, 40, kDemucsParameters},
      {"demucs.hdemucs.HDemucs", "hdemucs", "segment", false, 40, kHDemucsParameters},
      {"demucs.wdemucs.WDemucs", "hdemucs", "segment", false, 40, kHDemucsParameters},
      {"demucs.htdemucs.HTDemucs", "htdemucs", "segment", false, 10, kHTDemucsParameters},
  };
  return classes;
}

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

ModelPlan PlanFromClass(const ForeignModel& foreign, const std::string& where) {
  const ForeignClass* row = nullptr;
  for (const ForeignClass& candidate : ForeignClasses()) {
    if (foreign.klass == candidate.klass) row = &candidate;
  }
  if (row == nullptr)
    throw Error::Input("weights of the unknown class " + QuotedText(foreign.klass), where,
                       "known are " + JoinNames(ForeignClasses(), ", ", &ForeignClass::klass));
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

ModelPlan PlanFromConfig(const std::filesystem::path& path, const ModelPlan& fallback) {
  const Config config = Config::Load(path);
  ModelPlan plan = fallback;
  const Config model = config.Value("model");
  double seconds = 0;
  if (model.IsMap()) {
    plan.model = OptionsOf(model);
    plan.setting.stems = config.Strings("stems", fallback.setting.stems);
    plan.setting.sample_rate_hz = static_cast<int>(
        config.IntegerIn("sample_rate_hz", fallback.setting.sample_rate_hz, 1000, 768000));
    plan.setting.channels =
        static_cast<int>(config.IntegerIn("channels", fallback.setting.channels, 1, 64));
    seconds = config.NumberIn("segment_seconds", 0, 0, 3600);
    if (fallback.segment_frames == 0 && seconds == 0) seconds = 6;
  } else {
    // `dset` in the configurations of Demucs, `training` in those of MSST.
    const std::string name = model.AsString();
    const bool msst = config.Has("training");
    const Config data = config.Child(msst ? "training" : "dset");
    const Config options = config.Child(name);
    plan.model = {{"name", name}};
    plan.model.update(OptionsOf(options));
    plan.model.erase("num_subbands");
    plan.setting.stems = data.Strings(msst ? "instruments" : "sources");
    plan.setting.sample_rate_hz =
        static_cast<int>(data.IntegerIn("samplerate", 44100, 1000, 768000));
    plan.setting.channels = static_cast<int>(data.IntegerIn("channels", 2, 1, 64));
    seconds = data.NumberIn("segment", 11, 0, 3600);
    if (!msst) seconds = config.NumberIn("model_segment", 4 * seconds, 0, 3600);
    plan.song_normalization = SongNormalization::kMeanStd;
    plan.tail = Tail::kContext;
  }
  if (plan.setting.stems.empty())
    throw Error::Usage("the configuration does not name the stems", config.Where(),
                       "add stems: [drums, bass, …], in the order they were trained in");
  if (seconds > 0)
    plan.segment_frames = static_cast<std::int64_t>(seconds * plan.setting.sample_rate_hz);
  return plan;
}

}  // namespace stemsmith
