#include "separate/stem_mix.h"

#include <algorithm>
#include <optional>

#include "audio/read_fully.h"
#include "core/error.h"
#include "core/names.h"
#include "core/numbers.h"
#include "core/option.h"
#include "core/text.h"
#include "separate/stem_stream.h"

namespace stemsmith {
namespace {

constexpr std::size_t kLongestName = 200;  // bytes; files have 255, some of them for the ending

Error NoMix(const std::string& text, const std::string& why) {
  return Error::Usage("'" + text + "' is no mix of stems: " + why, Option("mix"),
                      "write NAME=STEM+STEM-STEM, such as karaoke=drums+bass+other");
}

std::string Trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// Takes the stem that `rest` begins with: the longest name that the model has, else all before the
// next sign, which is then no stem.
std::string TakeStem(std::string& rest, const std::vector<std::string>& model_stems) {
  rest = Trimmed(rest);
  std::size_t length = 0;
  const auto consider = [&](const std::string& stem) {
    if (!rest.starts_with(stem)) return;
    const std::size_t next = rest.find_first_not_of(' ', stem.size());
    if (next == rest.npos || rest[next] == '+' || rest[next] == '-')
      length = std::max(length, stem.size());
  };
  for (const std::string& stem : model_stems) consider(stem);
  consider(kMixture);
  if (length == 0) length = std::min(rest.find_first_of("+-"), rest.size());
  std::string stem = Trimmed(rest.substr(0, length));
  rest = Trimmed(rest.substr(length));
  return stem;
}

StemMix Alone(const std::string& stem) { return {stem, {{stem, 1}}}; }

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// All stems but these, as one sum.
StemMix Others(const std::string& name, const std::vector<std::string>& model_stems,
               const std::vector<std::string>& without) {
  StemMix mix{name, {}};
  for (const std::string& stem : model_stems)
    if (!Has(without, stem)) mix.terms.push_back({stem, 1});
  return mix;
}

std::vector<StemMix> StemAndRest(const std::string& stem,
                                 const std::vector<std::string>& model_stems) {
  StemMix rest = Others("no_" + stem, model_stems, {stem});
  if (rest.terms.empty()) rest.terms = {{kMixture, 1}, {stem, -1}};
  return {Alone(stem), std::move(rest)};
}

void RequireStems(const std::vector<std::string>& wanted, const std::string& preset,
                  const std::vector<std::string>& model_stems) {
  for (const std::string& stem : wanted)
    if (!Has(model_stems, stem))
      throw Error::Usage("the preset '" + preset + "' needs the stem '" + stem + "'",
                         Option("preset"), "the model has " + JoinNames(model_stems));
}

std::vector<StemMix> TwoStems(const std::vector<std::string>& model_stems) {
  RequireStems({"vocals"}, "2stem", model_stems);
  return StemAndRest("vocals", model_stems);
}

std::vector<StemMix> FourStems(const std::vector<std::string>& model_stems) {
  const std::vector<std::string> named = {"drums", "bass", "vocals"};
  RequireStems(named, "4stem", model_stems);
  StemMix other = Others("other", model_stems, named);
  if (other.terms.empty())
    other.terms = {{kMixture, 1}, {"drums", -1}, {"bass", -1}, {"vocals", -1}};
  return {Alone("drums"), Alone("bass"), std::move(other), Alone("vocals")};
}

// The song itself, read along with its stems. What its end lacks is silence.
class Along {
 public:
  explicit Along(std::unique_ptr<AudioReader> song) : song_(std::move(song)) {}
  const std::vector<float>& Read(std::size_t frames) {
    const auto channels = static_cast<std::size_t>(song_->info().channels);
    samples_.assign(frames * channels, 0.0f);
    ReadFully(*song_, samples_.data(), frames);
    return samples_;
  }

 private:
  std::unique_ptr<AudioReader> song_;
  std::vector<float> samples_;
};

class ConsistentSong : public SongSeparator {
 public:
  ConsistentSong(std::unique_ptr<SongSeparator> song, std::unique_ptr<AudioReader> mixture)
      : song_(std::move(song)), mixture_(std::move(mixture)) {}
  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return song_->stems(); }
  std::vector<Damage> damage() const override { return song_->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const std::size_t count = song_->Read(frames, blocks);
    const std::vector<float>& whole = mixture_.Read(count);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      double sum = 0;
      for (const auto& block : blocks) sum += block[i];
      const double share = (whole[i] - sum) / static_cast<double>(blocks.size());
      for (auto& block : blocks) block[i] = static_cast<float>(block[i] + share);
    }
    return count;
  }

 private:
  std::unique_ptr<SongSeparator> song_;
  Along mixture_;
};

// What several options ask for alike is one file.
std::vector<StemMix> WithoutRepeats(std::vector<StemMix> files) {
  std::vector<StemMix> kept;
  for (StemMix& mix : files) {
    const auto same_name = std::find_if(
        kept.begin(), kept.end(), [&](const StemMix& other) { return other.name == mix.name; });
    if (same_name == kept.end()) {
      kept.push_back(std::move(mix));
    } else if (same_name->terms != mix.terms) {
      throw Error::Usage("two different files of a song would be called '" + mix.name + "'", "",
                         "choose one of the options that ask for it, or give a mix another name");
    }
  }
  return kept;
}

class MixedSong : public SongSeparator {
 public:
  MixedSong(std::unique_ptr<SongSeparator> song, std::unique_ptr<AudioReader> mixture,
            std::vector<StemMix> mixes)
      : song_(std::move(song)) {
    if (mixture) mixture_.emplace(std::move(mixture));
    for (StemMix& mix : mixes) {
      names_.push_back(std::move(mix.name));
      auto& terms = terms_.emplace_back();
      for (const StemMix::Term& term : mix.terms)
        terms.emplace_back(
            term.stem == kMixture ? kSong : StemStream::FindStem(song_->stems(), term.stem),
            static_cast<float>(term.factor));
    }
  }
  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return names_; }
  std::vector<Damage> damage() const override { return song_->damage(); }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    const std::size_t count = song_->Read(frames, stems_);
    const std::vector<float>* const whole = mixture_ ? &mixture_->Read(count) : nullptr;
    blocks.resize(terms_.size());
    for (std::size_t m = 0; m < terms_.size(); ++m) {
      std::vector<float>& out = blocks[m];
      out.assign(count * static_cast<std::size_t>(info().channels), 0.0f);
      for (const auto& [stem, factor] : terms_[m]) {
        const std::vector<float>& in = stem == kSong ? *whole : stems_[stem];
        for (std::size_t i = 0; i < out.size(); ++i) out[i] += factor * in[i];
      }
    }
    return count;
  }

 private:
  static constexpr std::size_t kSong = static_cast<std::size_t>(-1);

  std::unique_ptr<SongSeparator> song_;
  std::optional<Along> mixture_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::pair<std::size_t, float>>> terms_;  // of each mix
  std::vector<std::vector<float>> stems_;
};

}  // namespace

StemMix ParseStemMix(const std::string& text, const std::vector<std::string>& model_stems,
                     const std::string& who) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) throw NoMix(text, "there is no '='");
  StemMix mix{Trimmed(text.substr(0, equals)), {}};
  if (mix.name.empty()) throw NoMix(text, "the name is missing");
  if (mix.name.size() > kLongestName) throw NoMix(text, "the name is too long for a file");
  if (mix.name.starts_with('.') || mix.name.find_first_of("/\\") != mix.name.npos)
    throw NoMix(text, "no file can be called '" + mix.name + "'");
  std::string rest = Trimmed(text.substr(equals + 1));
  do {
    double factor = rest.starts_with('-') ? -1 : 1;
    // The first one has a sign or none.
    if (rest.starts_with('-') || rest.starts_with('+')) rest.erase(0, 1);
    if (const std::size_t star = rest.find('*'); star < rest.find_first_of("+-")) {
      factor *= RequireNumber<double>(Trimmed(rest.substr(0, star)), {0, 1000},
                                      "a factor of " + Option("mix"), text,
                                      "a factor stands before its stem: 0.5*drums");
      rest.erase(0, star + 1);
    }
    const std::string stem = TakeStem(rest, model_stems);
    if (stem.empty()) throw NoMix(text, "a stem is missing");
    if (stem != kMixture)
      RequireName(stem, model_stems, who + " no stem '" + stem + "'", Option("mix"));
    for (const StemMix::Term& other : mix.terms)
      if (other.stem == stem) throw NoMix(text, "'" + stem + "' comes twice");
    mix.terms.push_back({stem, factor});
  } while (!rest.empty());
  return mix;
}

const std::vector<StemPreset>& StemPresetTable() {
  static const std::vector<StemPreset> table = {
      {"2stem", "vocals, and no_vocals", TwoStems},
      {"4stem", "drums, bass, vocals, and other: all that a model has besides", FourStems},
  };
  return table;
}

std::vector<StemMix> FilesOf(const StemChoice& choice,
                             const std::vector<std::string>& model_stems) {
  std::vector<StemMix> files;
  if (!choice.preset.empty())
    files =
        FindRow(StemPresetTable(), choice.preset, "preset", Option("preset")).files(model_stems);
  if (!choice.two_stems.empty()) {
    StemStream::FindStem(model_stems, choice.two_stems, "two-stems");
    for (StemMix& mix : StemAndRest(choice.two_stems, model_stems)) files.push_back(std::move(mix));
  }
  for (const std::string& stem : choice.empty() ? model_stems : choice.stems) {
    StemStream::FindStem(model_stems, stem);
    files.push_back(Alone(stem));
  }
  for (const std::string& text : choice.mixes) {
    StemMix mix = ParseStemMix(text, model_stems);
    if (mix.name == kMixture || (Has(model_stems, mix.name) && !IsStem(mix)))
      throw NoMix(text, "'" + mix.name + "' is the name of " +
                            (mix.name == kMixture ? "the song itself" : "a stem"));
    files.push_back(std::move(mix));
  }
  return WithoutRepeats(std::move(files));
}

bool IsStem(const StemMix& mix) {
  return mix.terms.size() == 1 && mix.terms[0].stem == mix.name && mix.terms[0].factor == 1 &&
         mix.name != kMixture;
}

bool NeedsMixture(const std::vector<StemMix>& mixes) {
  return std::any_of(mixes.begin(), mixes.end(), [](const StemMix& mix) {
    return std::any_of(mix.terms.begin(), mix.terms.end(),
                       [](const StemMix::Term& term) { return term.stem == kMixture; });
  });
}

std::vector<std::string> StemsIn(const std::vector<StemMix>& mixes) {
  std::vector<std::string> stems;
  for (const StemMix& mix : mixes)
    for (const StemMix::Term& term : mix.terms)
      if (term.stem != kMixture && !Has(stems, term.stem)) stems.push_back(term.stem);
  return stems;
}

std::unique_ptr<SongSeparator> MakeConsistent(std::unique_ptr<SongSeparator> song,
                                              std::unique_ptr<AudioReader> mixture) {
  return std::make_unique<ConsistentSong>(std::move(song), std::move(mixture));
}

std::unique_ptr<SongSeparator> MixStems(std::unique_ptr<SongSeparator> song,
                                        std::unique_ptr<AudioReader> mixture,
                                        std::vector<StemMix> mixes) {
  return std::make_unique<MixedSong>(std::move(song), std::move(mixture), std::move(mixes));
}

}  // namespace stemsmith
