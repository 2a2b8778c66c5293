#include "datasets/cache/index.h"

#include <algorithm>

#include "core/checksum.h"
#include "core/error.h"
#include "core/file_content.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/option.h"
#include "datasets/cache/hdf5_file.h"

namespace stemsmith {
namespace {

constexpr char kFormatName[] = "stemsmith-cache";
constexpr char kPrepareAgain[] = "delete it and prepare the cache again";
// HDF5 passes over what follows its own end of the file.
constexpr ChecksumField kChecksum{"stemsmith.checksum=xxh3:", std::nullopt};

Error Damaged(const std::filesystem::path& path, const std::string& what) {
  return Error::Input("the cache is damaged: " + what, path.string(), kPrepareAgain);
}

nlohmann::json ToJson(const CacheIndex& index) {
  nlohmann::json tracks = nlohmann::json::array();
  for (const TrackRecord& track : index.tracks) tracks.push_back(track.ToJson());
  nlohmann::json json = {{"stems", index.stems},
                         {"sample_rate_hz", index.sample_rate_hz},
                         {"channels", index.channels},
                         {"kind", index.kind},
                         {"root", index.root},
                         {"recipe", index.recipe},
                         {"command", index.command},
                         {"fingerprint", index.Fingerprint()},
                         {"tracks", tracks}};
  if (index.spectrogram) json["spectrogram"] = ToJson(*index.spectrogram);
  return json;
}

CacheIndex FromJson(const nlohmann::json& json, const std::filesystem::path& path) {
  const JsonFields fields(json, [&](const std::string& problem) {
    return Damaged(path, "its index cannot be read: " + problem);
  });
  CacheIndex index;
  index.stems = fields.Texts("stems");
  index.sample_rate_hz = fields.Number<int>("sample_rate_hz", {1, 768'000});
  index.channels = fields.Number<int>("channels", {1, 1024});
  if (fields.Has("spectrogram")) {
    index.spectrogram = SpectrogramFormatFrom(fields.Value("spectrogram"));
    if (!index.spectrogram) throw Damaged(path, "its spectrograms are of no known kind");
  }
  index.kind = fields.Text("kind");
  index.root = fields.Text("root");
  index.recipe = fields.Text("recipe");
  index.command = fields.Text("command");
  fields.ForEach("tracks", [&](const JsonFields& track) {
    index.tracks.push_back(TrackRecord::FromJson(track));
  });
  return index;
}

void WriteLinks(hid_t file, const CacheIndex& index) {
  // Names go in as UTF-8, as h5py and others expect them.
  const Hdf5Handle properties(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_char_encoding(properties.id(), H5T_CSET_UTF8);
  const Hdf5Handle group(H5Gcreate2(file, "tracks", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Gclose);
  for (const TrackRecord& track : index.tracks) {
    if (H5Lcreate_external(track.file.c_str(), "/", group.id(), track.name.c_str(), properties.id(),
                           H5P_DEFAULT) < 0) {
      throw Error::Input("cannot write", "");
    }
  }
}

}  // namespace

std::string CacheIndex::Fingerprint() const {
  nlohmann::json parts = {stems, sample_rate_hz, channels};
  for (const TrackRecord& track : tracks)
    parts.push_back({track.name, track.split, track.checksum});
  return HexHash(HashBytes(parts.dump()));
}

std::filesystem::path CacheTrackFolder(const std::filesystem::path& index_path) {
  std::filesystem::path folder = index_path;
  folder += ".d";
  return folder;
}

std::string CacheTrackFileName(const std::string& track_name) {
  // A file name holds 255 bytes; ".h5" and the ending of the temporary name must fit too.
  constexpr std::size_t kMost = 180;
  if (track_name.size() <= kMost) return track_name + ".h5";
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(track_name[end]) & 0xC0) == 0x80) --end;  // UTF-8
  return track_name.substr(0, end) + "-" + HexHash(HashBytes(track_name)) + ".h5";
}

void WriteCacheIndex(const std::filesystem::path& path, const CacheIndex& index) {
  Hdf5Output output(path);
  {
    Hdf5Lock lock;
    try {
      WriteAttribute(output.id(), "format", std::string(kFormatName));
      WriteAttribute(output.id(), "version", std::int64_t{kCacheFormatVersion});
      WriteTextDataset(output.id(), "index", ToJson(index).dump());
      WriteLinks(output.id(), index);
    } catch (const Error&) {
      throw output.WriteFailed();
    }
  }
  output.Commit(&kChecksum);
}

namespace {

// Of a file whose checksum was compared.
CacheIndex ReadIndex(const std::filesystem::path& path) {
  std::string text;
  {
    Hdf5Lock lock;
    const Hdf5Handle file = OpenHdf5File(path, "cache");
    CheckHdf5Format(file.id(), kFormatName, kCacheFormatVersion, path);
    text = ReadTextDataset(file.id(), "index", path);
  }
  const nlohmann::json json = ParseJson(text);
  if (!json.is_object()) throw Damaged(path, "its index cannot be read");
  CacheIndex index = FromJson(json, path);
  if (index.stems.empty()) throw Damaged(path, "its index holds no stems");
  for (const TrackRecord& track : index.tracks) {
    if (track.rms_db.size() != index.stems.size() ||
        (!track.loudness_lufs.empty() && track.loudness_lufs.size() != index.stems.size())) {
      throw Damaged(path, "its index contradicts itself at track \"" + track.name + "\"");
    }
  }
  return index;
}

}  // namespace

CacheIndex ReadCacheIndex(const std::filesystem::path& path, const Listener& warn) {
  CheckContent(path, FileUse::kCacheFile);
  const ChecksumState checksum = CheckChecksum(path, kChecksum, kPrepareAgain);
  CacheIndex index = ReadIndex(path);
  if (checksum == ChecksumState::kNone)
    Tell(warn,
         NoteOnNoChecksum(path, index.command.empty() ? "preparing it again adds one"
                                                      : "to add one, run again: " + index.command));
  return index;
}

std::optional<CacheIndex> ReadReplaceableIndex(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) || std::filesystem::is_empty(path, error)) {
    if (std::filesystem::is_directory(path, error)) {
      throw Error::Usage("the output is a folder", path.string(),
                         "name a file: " + Option("out", "cache.h5"));
    }
    return std::nullopt;
  }
  const bool other = std::filesystem::is_directory(path, error) || !IsHdf5File(path);
  if (other) {
    throw Error::Usage("the output exists and is no cache", path.string(),
                       "give another name, or delete it");
  }
  {
    Hdf5Lock lock;
    Hdf5Handle file;
    try {
      CheckChecksum(path, kChecksum, kPrepareAgain);
      file = OpenHdf5File(path, "cache");
    } catch (const Error&) {
      return std::nullopt;  // cut off or damaged
    }
    if (Hdf5FormatVersion(file.id(), kFormatName, path) < kCacheFormatVersion) return std::nullopt;
    CheckHdf5Format(file.id(), kFormatName, kCacheFormatVersion, path);
  }
  try {
    return ReadIndex(path);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace stemsmith
