// A chain of models: what one makes of a song is what the next one separates, and sums between
// them. All steps go through a song side by side, in constant memory.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "separate/ensemble.h"
#include "separate/stem_mix.h"

namespace stemsmith {

// A step has models, or a mix.
struct ChainStep {
  std::string where;  // it stands, for errors: "chain.yaml:4"
  // Several are an ensemble. They must outlive the chain.
  std::vector<Runtime*> models;
  EnsembleOptions ensemble;
  std::string input = kMixture;  // the song, or what a step before makes
  // What it makes of stems of the models; empty: all of them, under their names.
  std::vector<std::pair<std::string, std::string>> stems;
  std::string mix;  // of what steps before make, as ParseStemMix() takes it
};

class Chain {
 public:
  // `files` is what songs become; empty: all that no step takes, in the order in which it is made.
  // Throws Error::Usage, naming the place of the step, for an input that no step before makes, a
  // name that is there already, a stem that the model does not have, and a step of which nobody
  // uses anything; and as StemsOfAll(), ParseStemMix() and EnsembleOptions::Check() do.
  Chain(std::vector<ChainStep> steps, std::vector<std::string> files, const std::string& where);

  const std::vector<std::string>& files() const { return files_; }

  // A song through all steps, each model in all passes; `open` begins it once more. What a model
  // separates that measures whole songs lies in a nameless file in `folder`, or, where that is
  // empty, in that of the system for temporary files, until it is complete.
  std::unique_ptr<SongSeparator> Open(const OpenReader& open, const StemStreamOptions& stream,
                                      const PassOptions& passes,
                                      const std::filesystem::path& folder) const;

 private:
  // What a step makes that is used: `from` is the models' stem, of a mix its own name.
  struct Product {
    std::string from, name;
    bool used = false;
  };
  struct Step : ChainStep {
    std::vector<Product> products;
    StemMix sum;           // of the mix
    bool is_kept = false;  // on the disk, as who takes it reads it whole before anything else
  };
  // The step that makes it, and the number of its product.
  std::pair<std::size_t, std::size_t> MakerOf(const std::string& name) const;
  std::vector<std::string> Names() const;  // of all that is made so far
  void RequireInputBefore(std::span<const ChainStep> left) const;  // `left` begins with a step
  void Add(ChainStep step);
  void AddProduct(Step& step, const std::string& from, const std::string& name);
  void Use(const std::string& name, bool whole);
  void KeepInputsOf(const Step& step);

  std::vector<Step> steps_;
  std::vector<std::string> files_;
};

}  // namespace stemsmith
