#include "core/manifest.h"

#include <set>

#include "core/error.h"

namespace stemsmith {
namespace {

using nlohmann::json;

// Reads one key with a message that names it; nlohmann's own exceptions name neither file nor key.
template <typename T>
T Get(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end())
    throw Error::Input(std::string("the manifest lacks '") + key + "'", where,
                       "export the model again");
  try {
    return found->get<T>();
  } catch (const json::exception&) {
    throw Error::Input(std::string("the manifest's '") + key + "' has the wrong kind of value",
                       where, "export the model again");
  }
}

void Require(bool condition, const std::string& what, const std::string& where) {
  if (!condition)
    throw Error::Input("the manifest makes no sense: " + what, where, "export the model again");
}

}  // namespace

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
                 {"song_normalization", song_normalization},
                 {"tail", tail},
                 {"window", window},
                 {"overlap", overlap},
                 {"precision", precision},
                 {"stft", stft},
                 {"training", training},
                 {"versions", versions}};
  if (external_data.is_object()) object["external_data"] = external_data;
  return object;
}

Manifest Manifest::FromJson(const std::string& text, const std::string& where) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object())
    throw Error::Input("the manifest is not JSON", where, "export the model again");
  const int version = Get<int>(object, "version", where);
  if (version < 1 || version > kVersion) {
    throw Error::Input("the manifest has version " + std::to_string(version) +
                           ", this program reads up to " + std::to_string(kVersion),
                       where, "use a newer stemsmith, or export the model with this one");
  }
  Manifest manifest;
  manifest.model_name = Get<std::string>(object, "model", where);
  manifest.stems = Get<std::vector<std::string>>(object, "stems", where);
  manifest.sample_rate_hz = Get<int>(object, "sample_rate_hz", where);
  manifest.channels = Get<int>(object, "channels", where);
  manifest.segment_frames = Get<std::int64_t>(object, "segment_frames", where);
  const json length = Get<json>(object, "length", where);
  manifest.length.dynamic = Get<bool>(length, "dynamic", where);
  manifest.length.offset_frames = Get<std::int64_t>(length, "offset_frames", where);
  manifest.length.multiple_frames = Get<std::int64_t>(length, "multiple_frames", where);
  manifest.song_normalization = Get<std::string>(object, "song_normalization", where);
  manifest.tail = object.value("tail", manifest.tail);
  manifest.window = Get<std::string>(object, "window", where);
  manifest.overlap = Get<double>(object, "overlap", where);
  manifest.precision = Get<std::string>(object, "precision", where);
  manifest.stft = object.value("stft", json());
  manifest.training = object.value("training", json());
  manifest.versions = object.value("versions", json());
  manifest.external_data = object.value("external_data", json());

  Require(!manifest.stems.empty() && manifest.stems.size() <= 1024, "the number of stems", where);
  for (const std::string& stem : manifest.stems) {
    // Stem names become file names.
    Require(!stem.empty() && stem.size() < 200 && stem.find('/') == std::string::npos &&
                stem.find('\0') == std::string::npos && stem != "." && stem != "..",
            "the stem name '" + stem + "'", where);
  }
  Require(std::set<std::string>(manifest.stems.begin(), manifest.stems.end()).size() ==
              manifest.stems.size(),
          "a stem name stands twice", where);
  Require(manifest.sample_rate_hz >= 1000 && manifest.sample_rate_hz <= 768000, "the sample rate",
          where);
  if (!manifest.external_data.is_null()) {
    const json& data = manifest.external_data;
    Require(data.is_object() && Get<std::uint64_t>(data, "bytes", where) > 0 &&
                !Get<std::string>(data, "id", where).empty() &&
                Get<std::string>(data, "id", where).size() <= 32,
            "the external data", where);
    const std::string file = Get<std::string>(data, "file", where);
    Require(!file.empty() && file.find('/') == std::string::npos && file != "." && file != "..",
            "the external data's file name '" + file + "'", where);
  }
  Require(manifest.channels >= 1 && manifest.channels <= 64, "the number of channels", where);
  Require(manifest.segment_frames >= 1 && manifest.segment_frames <= (std::int64_t{1} << 31),
          "the segment", where);
  Require(manifest.length.multiple_frames >= 1 && manifest.length.offset_frames >= 0,
          "the length rule", where);
  Require(manifest.overlap >= 0 && manifest.overlap < 1, "the overlap", where);
  Require(std::set<std::string>{"triangle", "hann", "rectangle"}.contains(manifest.window),
          "the window '" + manifest.window + "'", where);
  Require(std::set<std::string>{"zeros", "context"}.contains(manifest.tail),
          "the tail '" + manifest.tail + "'", where);
  Require(std::set<std::string>{"none", "mean_std"}.contains(manifest.song_normalization),
          "the song normalisation '" + manifest.song_normalization + "'", where);
  return manifest;
}

}  // namespace stemsmith
