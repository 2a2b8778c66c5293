#include "separate/chain.h"

#include <algorithm>

#include "core/error.h"
#include "core/names.h"
#include "core/text.h"
#include "separate/manifest.h"
#include "separate/shared_stems.h"
#include "separate/spectral_song.h"

namespace stemsmith {
namespace {

constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

// Errors of what stands in a step name its place.
template <typename Work>
auto InStep(const std::string& where, Work&& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.code(), error.problem(), where, error.advice());
  }
}

bool Makes(const ChainStep& step, const std::string& name) {
  if (step.models.empty()) return step.mix.starts_with(name + "=");
  const auto& all = step.models.front()->info().stems;
  return step.stems.empty()
             ? std::find(all.begin(), all.end(), name) != all.end()
             : std::any_of(step.stems.begin(), step.stems.end(),
                           [&](const auto& stem) { return stem.second == name; });
}

bool MeasuresWholeSongs(const Runtime* model) {
  return model->manifest().song_normalization != SongNormalization::kNone;
}

}  // namespace

Chain::Chain(std::vector<ChainStep> steps, std::vector<std::string> files,
             const std::string& where) {
  if (steps.empty()) throw Error::Usage("a chain without steps", where, "give it one at least");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    RequireInputBefore({steps.begin() + static_cast<std::ptrdiff_t>(i), steps.end()});
    Add(std::move(steps[i]));
  }
  if (files.empty()) {
    for (const Step& step : steps_)
      for (const Product& product : step.products)
        if (!product.used) files.push_back(product.name);
  }
  for (const std::string& file : files) {
    if (std::count(files.begin(), files.end(), file) > 1)
      throw Error::Usage("the file '" + file + "' is named twice", where, "name it once");
    RequireName(file, Names(), "no step makes the file '" + file + "'", where);
    Use(file, false);
  }
  for (Step& step : steps_) {
    if (std::erase_if(step.products, [](const Product& product) { return !product.used; }) > 0 &&
        step.products.empty())
      throw Error::Usage("nobody uses what this step makes", step.where,
                         "leave it out, or name its stems among the files");
  }
  files_ = std::move(files);
}

std::vector<std::string> Chain::Names() const {
  std::vector<std::string> names;
  for (const Step& step : steps_)
    for (const Product& product : step.products) names.push_back(product.name);
  return names;
}

std::pair<std::size_t, std::size_t> Chain::MakerOf(const std::string& name) const {
  for (std::size_t i = 0; i < steps_.size(); ++i)
    for (std::size_t k = 0; k < steps_[i].products.size(); ++k)
      if (steps_[i].products[k].name == name) return {i, k};
  return {kNobody, kNobody};
}

void Chain::AddProduct(Step& step, const std::string& from, const std::string& name) {
  const auto same = [&](const Product& product) { return product.name == name; };
  const std::size_t maker = MakerOf(name).first;
  const bool twice = std::any_of(step.products.begin(), step.products.end(), same);
  if (name.empty() || name.starts_with('.') || name.find_first_of("/\\") != name.npos)
    throw Error::Usage("no file can be called '" + name + "'", step.where, "choose another name");
  if (maker == kNobody && !twice && name != kMixture) {
    step.products.push_back({from, name});
    return;
  }
  throw Error::Usage(
      "the name '" + name + "' is taken by " +
          (name == kMixture ? "the song itself"
                            : "another stem (" + (twice ? step.where : steps_[maker].where) + ")"),
      step.where, "give the stem another one: stems: {" + from + ": NAME}");
}

void Chain::Use(const std::string& name, bool whole) {
  if (name == kMixture) return;
  const auto [maker, product] = MakerOf(name);
  steps_[maker].products[product].used = true;
  if (!whole || steps_[maker].is_kept) return;
  steps_[maker].is_kept = true;
  KeepInputsOf(steps_[maker]);
}

// They are read to their ends while others have not begun.
void Chain::KeepInputsOf(const Step& step) {
  if (!step.models.empty()) Use(step.input, true);
  for (const StemMix::Term& term : step.sum.terms) Use(term.stem, true);
}

void Chain::RequireInputBefore(std::span<const ChainStep> left) const {
  const ChainStep& step = left.front();
  if (step.models.empty() || step.input == kMixture || MakerOf(step.input).first != kNobody) return;
  for (const ChainStep& later : left) {
    if (Makes(later, step.input))
      throw Error::Usage("the input '" + step.input + "' is made by " +
                             (&later == &step ? "this step itself"
                                              : "a later step (" + later.where + ")"),
                         step.where, "steps cannot go round: each takes what those before it make");
  }
  std::vector<std::string> names = Names();
  names.emplace_back(kMixture);
  RequireName(step.input, names, "no step makes the input '" + step.input + "'", step.where);
}

void Chain::Add(ChainStep given) {
  Step step{std::move(given), {}, {}, false};
  if (step.models.empty()) {
    step.sum = InStep(
        step.where, [&] { return ParseStemMix(step.mix, Names(), "the steps before make"); });
    for (const StemMix::Term& term : step.sum.terms) Use(term.stem, false);
    AddProduct(step, step.sum.name, step.sum.name);
  } else {
    const std::vector<std::string> stems = InStep(step.where, [&] {
      step.ensemble.Check(step.models.size());
      return StemsOfAll(step.models, !step.stems.empty());
    });
    if (step.stems.empty())
      for (const std::string& stem : stems) step.stems.emplace_back(stem, stem);
    for (const auto& [stem, name] : step.stems) {
      RequireName(stem, stems, "the model has no stem '" + stem + "'", step.where);
      AddProduct(step, stem, name);
    }
    Use(step.input, std::any_of(step.models.begin(), step.models.end(), MeasuresWholeSongs));
  }
  steps_.push_back(std::move(step));
}

std::unique_ptr<SongSeparator> Chain::Open(const OpenReader& open, const StemStreamOptions& stream,
                                           const PassOptions& passes,
                                           const std::filesystem::path& folder) const {
  const auto keep_in = folder.empty() ? std::filesystem::temp_directory_path() : folder;
  std::vector<SharedStems> made;
  const auto reader = [&](const std::string& name) {
    if (name == kMixture) return open();
    const auto [maker, product] = MakerOf(name);
    return made[maker].Reader(product);
  };
  const auto gather = [&](const std::vector<std::string>& names) {
    std::vector<std::unique_ptr<AudioReader>> readers;
    for (const std::string& name : names) readers.push_back(reader(name));
    return GatherStems(names, std::move(readers));
  };
  for (const Step& step : steps_) {
    std::unique_ptr<SongSeparator> song;
    if (step.models.empty()) {
      const std::vector<std::string> stems = StemsIn({step.sum});
      song = MixStems(stems.empty() ? SongOfItself(open()) : gather(stems),
                      NeedsMixture({step.sum}) ? open() : nullptr, {step.sum});
    } else {
      StemStreamOptions options = stream;
      options.stems.clear();
      for (const Product& product : step.products) options.stems.push_back(product.from);
      song = SeparateByModels(
          step.models, [&] { return reader(step.input); }, options, passes, step.ensemble);
    }
    made.emplace_back(std::move(song), step.is_kept ? keep_in : std::filesystem::path());
  }
  return gather(files_);
}

}  // namespace stemsmith
