#include "separate/manifest.h"

#include <set>

#include "core/error.h"
#include "core/json_fields.h"
#include "core/text.h"

namespace stemsmith {
namespace {

using nlohmann::json;

void Require(bool condition, const std::string& what, const JsonFields& fields) {
  if (!condition) throw fields.Problem(what);
}

template <typename Choice>
Choice RequireChoice(const std::string& name, const std::string& what, const JsonFields& fields) {
  const auto choice = ChoiceNamed<Choice>(name);
  if (!choice)
    throw fields.Problem(what + " '" + name + "' is none of " +
                         JoinNames(NamesOf(Choice{}), ", ",
                                   [](const auto& row) { return std::string(row.name); }));
  return *choice;
}

}  // namespace

std::vector<std::int64_t> GraphLayout::Input(std::int64_t batch, std::int64_t channels,
                                             std::int64_t frames) const {
  if (bins == 0) return {batch, channels, frames};
  return {batch, channels, bins, frames};
}

std::vector<std::int64_t> GraphLayout::Output(std::int64_t batch, std::int64_t stems,
                                              std::int64_t channels, std::int64_t frames) const {
  std::vector<std::int64_t> shape = Input(batch, channels, frames);
  if (has_stems) shape.insert(shape.begin() + 1, stems);
  return shape;
}

std::size_t Count(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return static_cast<std::size_t>(count);
}

std::string ExternalDataHead(const std::string& id) {
  std::string head = kExternalDataMagic + id + "\n";
  head.resize(kExternalDataHeadBytes, '\0');
  return head;
}

json Manifest::ToJson() const {
  json object = {{"version", kVersion},
                 {"model", model_name},
                 {"stems", stems},
                 {"sample_rate_hz", sample_rate_hz},
                 {"channels", channels},
                 {"segment_frames", segment_frames},
                 {"length",
                  {{"dynamic", length.dynamic},
                   {"offset_frames", length.offset_frames},
                   {"multiple_frames", length.multiple_frames}}},
                 {"song_normalization", NameOf(song_normalization)},
                 {"tail", NameOf(tail)},
                 {"window", NameOf(window)},
                 {"overlap", overlap},
                 {"precision", precision},
                 {"stft", stft},
                 {"training", training},
                 {"versions", versions}};
  if (kept_frames > 0) object["kept_frames"] = kept_frames;
  if (precisions.is_object()) object["precisions"] = precisions;
  if (external_data.is_object()) object["external_data"] = external_data;
  return object;
}

Manifest Manifest::FromJson(const std::string& text, const std::string& where,
                            const std::string& advice) {
  const json object = ParseJson(text);
  if (!object.is_object())
    throw Error::Input("the manifest is not JSON", where, advice);
  const JsonFields fields(object, [&](const std::string& problem) {
    return Error::Input("the manifest makes no sense: " + problem, where, advice);
  });
  const auto version = fields.Number<std::int64_t>("version");
  if (version < 1 || version > kVersion) {
    throw Error::Input("the manifest has version " + std::to_string(version) +
                           ", this program reads up to " + std::to_string(kVersion),
                       where, "use a newer stemsmith, or export the model with this one");
  }
  constexpr std::int64_t kMostFrames = std::int64_t{1} << 31;
  Manifest manifest;
  manifest.model_name = fields.Text("model");
  manifest.stems = fields.Texts("stems");
  manifest.sample_rate_hz = fields.Number<int>("sample_rate_hz", {1000, 768'000});
  manifest.channels = fields.Number<int>("channels", {1, 64});
  manifest.segment_frames = fields.Number<std::int64_t>("segment_frames", {1, kMostFrames});
  const JsonFields length = fields.Object("length");
  manifest.length.dynamic = length.Bool("dynamic");
  manifest.length.offset_frames = length.Number<std::int64_t>("offset_frames", {0, kMostFrames});
  manifest.length.multiple_frames =
      length.Number<std::int64_t>("multiple_frames", {1, kMostFrames});
  if (object.contains("kept_frames"))
    manifest.kept_frames = fields.Number<std::int64_t>("kept_frames", {1, manifest.segment_frames});
  manifest.song_normalization = RequireChoice<SongNormalization>(fields.Text("song_normalization"),
                                                                 "the song normalisation", fields);
  manifest.tail =
      RequireChoice<Tail>(fields.Text("tail", NameOf(manifest.tail)), "the tail", fields);
  manifest.window = RequireChoice<Window>(fields.Text("window"), "the window", fields);
  manifest.overlap = fields.Number<double>("overlap", {0, 1});
  manifest.precision = fields.Text("precision");
  manifest.precisions = object.value("precisions", json());
  manifest.stft = object.value("stft", json());
  manifest.training = object.value("training", json());
  manifest.versions = object.value("versions", json());
  manifest.external_data = object.value("external_data", json());

  Require(!manifest.stems.empty() && manifest.stems.size() <= 1024, "the number of stems", fields);
  for (const std::string& stem : manifest.stems) {
    // Stem names become file names.
    Require(!stem.empty() && stem.size() < 200 && stem.find('/') == std::string::npos &&
                stem.find('\0') == std::string::npos && stem != "." && stem != "..",
            "the stem name '" + stem + "' is no name for a file", fields);
  }
  Require(std::set<std::string>(manifest.stems.begin(), manifest.stems.end()).size() ==
              manifest.stems.size(),
          "a stem name stands twice", fields);
  // What is held in memory of one segment: the mixture and all stems.
  constexpr double kMostBytes = 8.0 * (1 << 30);
  Require(static_cast<double>(manifest.segment_frames) * manifest.channels *
                  static_cast<double>(manifest.stems.size() + 1) * sizeof(float) <=
              kMostBytes,
          "a segment of " + std::to_string(manifest.segment_frames) + " frames of " +
              std::to_string(manifest.stems.size()) + " stems takes more than 8 GiB",
          fields);
  if (!manifest.external_data.is_null()) {
    const JsonFields data = fields.Object("external_data");
    const std::string id = data.Text("id"), file = data.Text("file");
    Require(data.Number<std::uint64_t>("bytes") > 0 && !id.empty() && id.size() <= 32,
            "the external data", fields);
    Require(!file.empty() && file.find('/') == std::string::npos && file != "." && file != "..",
            "the external data's file name '" + file + "'", fields);
  }
  Require(manifest.kept_frames == 0 || (manifest.length.dynamic && manifest.tail == Tail::kContext),
          "'kept_frames' needs a dynamic length and the tail 'context'", fields);
  Require(manifest.overlap < 1, "'overlap' is 1, not below 1", fields);
  return manifest;
}

}  // namespace stemsmith
