// How a run of prepare is typed again.
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "datasets/prepare/prepare.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

std::string Quoted(const std::string& word) {
  const bool plain =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@+%") == word.npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// The shortest text that reads back as the same number.
std::string Number(double value) { return nlohmann::json(value).dump(); }

}  // namespace

std::string PrepareCommandLine(const PrepareOptions& options) {
  const auto absolute = [](const fs::path& path) {
    return Quoted(fs::absolute(path).lexically_normal().string());
  };
  std::string line = "stemsmith prepare " + options.kind + " " + absolute(options.reader.root) +
                     " --out " + absolute(options.out);
  if (!options.recipe.empty()) line += " --recipe " + absolute(options.recipe);
  if (options.sample_rate_hz != 44100)
    line += " --sample-rate " + std::to_string(options.sample_rate_hz);
  if (options.channels != 0) line += " --channels " + std::to_string(options.channels);
  if (options.format != CacheFormat::kAuto)
    line += std::string(" --format ") + CacheFormatName(options.format);
  if (options.compression > 0) line += " --compression " + std::to_string(options.compression);
  if (options.trim.silence_db) {
    line += " --trim-silence " + Number(*options.trim.silence_db);
    if (options.trim.min_silence_seconds != TrimOptions{}.min_silence_seconds)
      line += " --min-silence " + Number(options.trim.min_silence_seconds);
  }
  if (options.trim.excerpt_seconds > 0)
    line += " --excerpt " + Number(options.trim.excerpt_seconds);
  if (options.on_damage == OnDamage::kConceal) line += " --on-damage conceal";
  if (options.spectrogram) {
    line += " --spectrogram " + std::to_string(options.spectrogram->n_fft) + "," +
            std::to_string(options.spectrogram->hop);
  }
  if (!options.reader.metadata.empty())
    line += " --metadata " + absolute(options.reader.metadata);
  if (options.reader.valid_fraction > 0) {
    line += " --valid-fraction " + Number(options.reader.valid_fraction);
  }
  if (options.reader.seed != 0) line += " --seed " + std::to_string(options.reader.seed);
  if (!options.reader.splits.empty()) {
    const bool word = options.reader.splits == "original";
    line += " --splits " + (word ? std::string("original") : absolute(options.reader.splits));
  }
  return line;
}

}  // namespace stemsmith
