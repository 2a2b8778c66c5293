#include "models/weights/state_prefix.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include "core/option.h"
#include "core/text.h"
#include "models/weights/pickle_value.h"

namespace stemsmith {
namespace {

// Of torch.compile, of sharded training and of activation checkpointing: anywhere in a name.
constexpr std::string_view kWrappers[] = {"_orig_mod.", "_fsdp_wrapped_module.",
                                          "_checkpoint_wrapped_module."};
// How the names of averages of the weights begin, or a part of them.
constexpr std::string_view kAverages[] = {"ema", "shadow", "average", "avg", "swa"};
// Where the model's names have no prefix, what training programs keep beside it begins with these.
constexpr std::string_view kBeside[] = {"loss",   "criterion", "metric", "ema",       "model_ema",
                                        "train_", "val_",      "test_",  "n_averaged"};

bool BeginsLike(std::string_view text, const auto& beginnings) {
  return std::any_of(std::begin(beginnings), std::end(beginnings),
                     [&](std::string_view begin) { return text.starts_with(begin); });
}

std::string WithoutWrappers(std::string name) {
  for (const std::string_view word : kWrappers)
    for (std::size_t at = name.find(word); at != name.npos; at = name.find(word, at))
      if (at == 0 || name[at - 1] == '.') {
        name.erase(at, word.size());
      } else {
        at += word.size();
      }
  return name;
}

NamedTensors WithoutWrappers(const NamedTensors& given) {
  NamedTensors plain;
  std::set<std::string> names;
  for (const auto& [name, tensor] : given) {
    plain.emplace_back(WithoutWrappers(name), tensor);
    if (!names.insert(plain.back().first).second) return given;
  }
  return plain;
}

bool IsAverage(std::string_view prefix) {
  for (std::size_t at = 0; at < prefix.size(); ++at)
    if ((at == 0 || prefix[at - 1] == '.' || prefix[at - 1] == '_') &&
        BeginsLike(prefix.substr(at), kAverages))
      return true;
  return false;
}

struct PrefixFit {
  std::size_t names = 0, shapes = 0;  // of the model, found under the prefix
  bool operator==(const PrefixFit&) const = default;
};

std::string Counted(const std::vector<std::string>& names) {
  constexpr std::ptrdiff_t kShown = 4;
  const std::vector<std::string> shown(names.begin(),
                                       names.begin() + std::min(std::ssize(names), kShown));
  return JoinNames(shown, ", ", QuotedText) + (std::ssize(names) > kShown ? ", …" : "");
}

}  // namespace

std::string ChosenState::Note() const {
  std::string text;
  if (!others.empty())
    text = "of several sets of weights that fit, that under " + QuotedText(prefix) + " is taken; " +
           Option("prefix") + " chooses another: " + Counted(others);
  if (!aside.empty())
    text += (text.empty() ? "" : "; ") + std::string("not the model's, left out: ") +
            std::to_string(aside.size()) + " (" + Counted(aside) + ")";
  return text;
}

std::string ChosenState::Sight() const {
  if (known == 0) return "the names begin with " + PrefixesOf(state);
  if (prefix.empty()) return "";
  return "under the prefix " + QuotedText(prefix) +
         (aside.empty() ? "" : ", beside " + Counted(aside));
}

ChosenState ChooseState(const NamedTensors& given, const NamedTensors& model) {
  const std::map<std::string, torch::Tensor> wanted(model.begin(), model.end());
  std::set<std::string> parts;  // first words of the model's names
  for (const auto& [name, tensor] : model) parts.insert(name.substr(0, name.find('.')));
  const NamedTensors plain = WithoutWrappers(given);

  std::map<std::string, PrefixFit> found;
  for (const auto& [name, tensor] : plain) {
    for (std::size_t at = 0;; ++at) {
      const auto own = wanted.find(name.substr(at));
      if (own != wanted.end()) {
        PrefixFit& fit = found[name.substr(0, at)];
        ++fit.names;
        if (own->second.sizes() == tensor.sizes()) ++fit.shapes;
      }
      at = name.find('.', at);
      if (at == name.npos) break;
    }
  }
  ChosenState chosen;
  PrefixFit best;
  const auto order = [](const std::string& prefix, const PrefixFit& fit) {
    return std::tuple(fit.names, fit.shapes, !IsAverage(prefix), -std::ssize(prefix));
  };
  for (const auto& [prefix, fit] : found)
    if (order(prefix, fit) > order(chosen.prefix, best)) chosen.prefix = prefix, best = fit;
  chosen.known = best.names;
  for (const auto& [prefix, fit] : found)
    if (prefix != chosen.prefix && fit == best && fit.names == wanted.size())
      chosen.others.push_back(prefix);
  for (const auto& [name, tensor] : plain) {
    if (BeginsLike(name, chosen.others)) continue;
    const bool beside = chosen.prefix.empty() && best.names > 0 &&
                        parts.count(name.substr(0, name.find('.'))) == 0 &&
                        BeginsLike(name, kBeside);
    if (name.starts_with(chosen.prefix) && !beside) {
      chosen.state.emplace_back(name.substr(chosen.prefix.size()), tensor);
    } else {
      chosen.aside.push_back(name);
    }
  }
  return chosen;
}

std::string PrefixesOf(const NamedTensors& given) {
  if (given.empty()) return "";
  std::string common = given[0].first.substr(0, given[0].first.rfind('.') + 1);
  std::map<std::string, std::size_t> counts;
  for (const auto& [name, tensor] : given) {
    while (!name.starts_with(common))
      common.resize(common.size() < 2 ? 0 : common.rfind('.', common.size() - 2) + 1);
    ++counts[name.substr(0, name.find('.'))];
  }
  if (!common.empty()) return QuotedText(common);
  std::vector<std::pair<std::string, std::size_t>> words(counts.begin(), counts.end());
  std::stable_sort(words.begin(), words.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (std::size_t i = 0; i < words.size() && i < 4; ++i)
    text += (i == 0 ? "" : ", ") + QuotedText(words[i].first) + " (" +
            std::to_string(words[i].second) + ")";
  return text;
}

}  // namespace stemsmith
