#include "serve/stem_files.h"

#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "audio/decode.h"
#include "audio/encode.h"
#include "audio/encode_formats.h"
#include "core/error.h"
#include "core/json_fields.h"
#include "core/names.h"
#include "core/option.h"
#include "core/pending_files.h"
#include "separate/separator.h"
#include "separate/shared_stems.h"
#include "separate/stem_mix.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

fs::path FileOf(const SeparatedStems& stems, const std::string& stem) {
  return stems.folder / (stem + ".wav");
}

// The stems as if the song were separated into them now: what is known of the song is its own.
class StoredStems : public SongSeparator {
 public:
  StoredStems(std::unique_ptr<AudioReader> song, const SeparatedStems& stems)
      : song_(std::move(song)) {
    std::vector<std::unique_ptr<AudioReader>> readers;
    for (const std::string& stem : stems.names) {
      readers.push_back(OpenAudio(FileOf(stems, stem)));
      const AudioInfo& own = readers.back()->info();
      if (own.channels != info().channels || own.sample_rate_hz != info().sample_rate_hz)
        throw Error::Input("a stem of another song", FileOf(stems, stem).string(),
                           "separate the song again");
    }
    stems_ = GatherStems(stems.names, std::move(readers));
  }
  const AudioInfo& info() const override { return song_->info(); }
  const std::vector<std::string>& stems() const override { return stems_->stems(); }
  std::vector<Damage> damage() const override { return {}; }
  std::size_t Read(std::size_t frames, std::vector<std::vector<float>>& blocks) override {
    return stems_->Read(frames, blocks);
  }

 private:
  std::unique_ptr<AudioReader> song_;
  std::unique_ptr<SongSeparator> stems_;
};

Separator StemEncoder(const SeparatedStems& stems, const EncodeOptions& encoding) {
  SeparatorOptions options;
  options.decode = stems.decode;
  options.encoding.format = encoding.format;
  options.encoding.sample_format = encoding.sample_format;
  options.encoding.bit_rate = encoding.bit_rate;
  const auto open = [stems](std::unique_ptr<AudioReader> song, const fs::path&) {
    return std::make_unique<StoredStems>(std::move(song), stems);
  };
  return Separator(stems.names, open, options);
}

bool IsStoredFormat(const EncodeOptions& encoding) {
  return encoding.format == "wav" && encoding.sample_format == SampleFormat::kFloat32;
}

// The title as the name of a folder: no path, and none that is hidden.
std::string FolderName(std::string title) {
  constexpr std::size_t kMostBytes = 120;
  constexpr std::string_view kNotInNames = "/\\:*?\"<>|";
  if (title.size() > kMostBytes) {
    std::size_t end = kMostBytes;
    while (end > 0 && (static_cast<unsigned char>(title[end]) & 0xc0U) == 0x80U) --end;
    title.resize(end);
  }
  for (char& letter : title) {
    const auto code = static_cast<unsigned char>(letter);
    if (code < 0x20 || code == 0x7f || kNotInNames.find(letter) != std::string_view::npos)
      letter = '_';
  }
  if (title.starts_with('.')) title[0] = '_';
  return title.empty() ? "stems" : title;
}

// An archive of files that are there until Finish().
class ZipWriter {
 public:
  ZipWriter(const fs::path& path, fs::path shown) : shown_(std::move(shown)) {
    int code = 0;
    archive_.reset(zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
    if (archive_ == nullptr) throw Error::Write("cannot write the archive", shown_.string());
  }
  void Add(const std::string& name, const fs::path& file) {
    zip_source_t* source = zip_source_file(archive_.get(), file.c_str(), 0, -1);
    const zip_int64_t added =
        source == nullptr ? -1 : zip_file_add(archive_.get(), name.c_str(), source, 0);
    if (added < 0) {
      zip_source_free(source);
      Fail(name);
    }
    constexpr zip_uint16_t kMidnight = 0, kFirstOfJanuary1980 = 1 << 5 | 1;
    constexpr zip_uint32_t kMode = S_IFREG | 0644;
    const auto index = static_cast<zip_uint64_t>(added);
    if (zip_set_file_compression(archive_.get(), index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive_.get(), index, kMidnight, kFirstOfJanuary1980, 0) != 0 ||
        zip_file_set_external_attributes(archive_.get(), index, 0, ZIP_OPSYS_UNIX, kMode << 16) !=
            0)
      Fail(name);
  }
  void Finish() {
    if (zip_close(archive_.get()) != 0) Fail("");
    archive_.release();
  }

 private:
  [[noreturn]] void Fail(const std::string& name) {
    const zip_error_t* error = zip_get_error(archive_.get());
    const std::string what = "cannot write the archive";
    errno = zip_error_code_system(error);
    if (errno != 0) throw Error::Write(what, shown_.string());
    throw Error::Input(what + ": " + zip_strerror(archive_.get()), shown_.string(), name);
  }
  struct Discard {
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };
  fs::path shown_;
  std::unique_ptr<zip_t, Discard> archive_;
};

// The song as it is, without its tags.
void MakeMixtureFile(const SeparatedStems& stems, const EncodeOptions& encoding,
                     const fs::path& target) {
  constexpr std::size_t kBlockFrames = 16384;
  const std::unique_ptr<AudioReader> song = OpenAudio(stems.song, stems.decode);
  EncodeOptions options = encoding;
  options.channel_mask = song->info().channel_mask;
  AudioWriter writer(target, song->info().sample_rate_hz, song->info().channels, options);
  std::vector<float> block(kBlockFrames * static_cast<std::size_t>(song->info().channels));
  while (const std::size_t frames = song->Read(block.data(), kBlockFrames))
    writer.Write(block.data(), frames);
  writer.Finish();
}

}  // namespace

void MakeStemFile(const SeparatedStems& stems, const std::string& stem,
                  const EncodeOptions& encoding, const fs::path& target) {
  if (fs::exists(target)) return;
  if (FindFormat(encoding.format).many_streams) {
    StemEncoder(stems, encoding)
        .SeparateInto(stems.song, std::vector<fs::path>(stems.names.size(), target));
    return;
  }
  if (stem == kMixture) return MakeMixtureFile(stems, encoding, target);
  RequireName(stem, stems.names, "the song has no stem '" + stem + "'", "");
  if (IsStoredFormat(encoding)) {
    std::error_code unlinked;
    fs::create_directories(target.parent_path(), unlinked);
    fs::create_hard_link(FileOf(stems, stem), target, unlinked);
    if (!unlinked || fs::exists(target)) return;
  }
  SeparatedStems one = stems;
  one.names = {stem};
  StemEncoder(one, encoding).SeparateInto(stems.song, {target});
}

void MakeZip(const SeparatedStems& stems, const std::string& title, const EncodeOptions& encoding,
             const fs::path& target) {
  if (fs::exists(target)) return;
  const FormatRow& format = FindFormat(encoding.format);
  if (format.many_streams)
    throw Error::Usage(encoding.format + " holds all stems in one file", Option("format"),
                       "take that file, or another format");
  Separator encoder = StemEncoder(stems, encoding);
  PendingFolder pending(target.parent_path());
  const fs::path archive = pending.Add(target.filename().string());
  const fs::path members = IsStoredFormat(encoding) ? stems.folder : pending.folder() / "stems";
  if (members != stems.folder) encoder.SeparateFile(stems.song, members);
  ZipWriter zip(archive, target);
  for (const std::string& stem : stems.names)
    zip.Add(FolderName(title) + "/" + stem + format.ending, members / (stem + format.ending));
  zip.Finish();
  pending.Commit();
}

std::string StemFileOrder::ToText() const {
  nlohmann::json json = {{"folder", stems.folder.string()},
                         {"names", stems.names},
                         {"song", stems.song.string()},
                         {"stem", stem},
                         {"title", title},
                         {"format", encoding.format},
                         {"bits_per_second", encoding.bit_rate},
                         {"target", target.string()}};
  if (encoding.sample_format) json["samples"] = static_cast<int>(*encoding.sample_format);
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

StemFileOrder StemFileOrder::FromText(const std::string& text) {
  const nlohmann::json json = ParseJson(text);
  const JsonFields fields(json, [](const std::string& problem) {
    return Error::Usage(problem, "the order of a file");
  });
  StemFileOrder order;
  order.stems = {.folder = fields.Text("folder"),
                 .names = fields.Texts("names"),
                 .song = fields.Text("song"),
                 .decode = {}};
  order.stem = fields.Text("stem");
  order.title = fields.Text("title");
  order.encoding.format = fields.Text("format");
  order.encoding.bit_rate = fields.Number<int>("bits_per_second");
  order.target = fields.Text("target");
  if (fields.Has("samples"))
    order.encoding.sample_format =
        static_cast<SampleFormat>(fields.Number<int>("samples", {0, 2}));
  return order;
}

void StemFileOrder::Make() const {
  if (stem.empty())
    MakeZip(stems, title, encoding, target);
  else
    MakeStemFile(stems, stem, encoding, target);
}

}  // namespace stemsmith
