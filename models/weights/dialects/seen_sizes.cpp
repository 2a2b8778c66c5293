// What weights say against what a configuration says.
#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/numbers.h"
#include "core/text.h"
#include "models/weights/dialects/dialect.h"
#include "models/weights/pickle_value.h"

namespace stemsmith {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Sizes of which another value is another model; the others of which weights speak are counted in
// several ways, or have changed their defaults.
constexpr std::string_view kIdentity[] = {
    "dim",         "depth", "num_bands",    "freqs_per_bands", "stft_n_fft", "dims",
    "num_dplayer", "nfft",  "num_channels", "growth",          "num_scales", "dim_f",
    "num_subbands"};

bool Contains(const auto& words, std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

// Numbers by value (8.0 is 8), Python's True as true, all else as it stands.
bool Same(const OrderedJson& a, const OrderedJson& b) {
  if (a.is_array() && b.is_array())
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), Same);
  if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
  return a == b;
}

// Of long lists how many there are, and the first ones.
std::string Shown(const OrderedJson& value) {
  constexpr std::size_t kShown = 8;
  if (!value.is_array() || value.size() <= kShown) return value.dump();
  std::string text = "[";
  for (std::size_t i = 0; i < kShown; ++i) text += value[i].dump() + ",";
  return text + " …] (" + std::to_string(value.size()) + ")";
}

}  // namespace

std::string DescribedWeights(const ModelPlan& seen) {
  std::string text = seen.model["name"].get<std::string>();
  const std::string stems = std::to_string(seen.seen.stems);
  std::vector<std::string> sizes = {stems + (stems == "1" ? " stem" : " stems")};
  if (seen.seen.channels > 0) sizes.push_back(std::to_string(seen.seen.channels) + " channels");
  for (const auto& [key, value] : seen.model.items())
    if (Contains(kIdentity, key)) sizes.push_back(key + " " + Shown(value));
  return "a model " + QuotedText(text) + " (" + JoinNames(sizes) + ")";
}

OrderedJson WithSeenSizes(const OrderedJson& given, const ModelPlan& seen,
                          const std::string& where, std::vector<std::string>& notes) {
  if (seen.seen.stems == 0) return given;
  if (given.contains("name") && given["name"] != seen.model["name"])
    throw Error::Input("the configuration is of a model " + given["name"].dump() +
                           ", the weights are of " + DescribedWeights(seen),
                       where, "use the configuration that they were trained with");
  OrderedJson model = given;
  std::vector<std::string> identity, others;
  for (const auto& [key, value] : seen.model.items()) {
    const auto own = given.find(key);
    if (own != given.end() && !Same(*own, value)) {
      (Contains(kIdentity, key) ? identity : others)
          .push_back(key + ": " + Shown(*own) + " in the configuration, " + Shown(value) +
                     " in the weights");
    }
    model[key] = value;
  }
  if (!identity.empty())
    throw Error::Input(
        "the configuration is of another model than the weights: " + JoinNames(identity, "; "),
        where, "use the one that they were trained with, or correct these keys in it");
  if (!others.empty())
    notes.push_back("the weights contradict the configuration, and count: " +
                    JoinNames(others, "; "));
  // Windows are 2048 long where nothing says it, but never longer than the transform.
  const OrderedJson n_fft = model.value("stft_n_fft", OrderedJson());
  if (!model.contains("stft_win_length") && n_fft.is_number_integer() && n_fft < 2048) {
    model["stft_win_length"] = n_fft;
    notes.push_back("the configuration has no stft_win_length, which weights do not show; " +
                    n_fft.dump() + ", that of stft_n_fft, is taken");
  }
  return model;
}

}  // namespace stemsmith
