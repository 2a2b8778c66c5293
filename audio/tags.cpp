#include "audio/tags.h"

#include <sndfile.h>

#include <memory>

#include "audio/decode_backend.h"
#include "core/error.h"
#include "core/module.h"

namespace stemsmith {
namespace {

// Of a file that libsndfile reads; false for others.
bool ReadBySndfile(const std::filesystem::path& path, Tags& tags) {
  SF_INFO info{};
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> file(sf_open(path.c_str(), SFM_READ, &info),
                                                         &sf_close);
  if (file == nullptr) return false;
  for (const TagRow& row : TagTable()) {
    const char* text = row.sndfile == 0 ? nullptr : sf_get_string(file.get(), row.sndfile);
    if (text != nullptr && *text != '\0') tags.texts.emplace_back(row.name, text);
  }
  return true;
}

}  // namespace

std::span<const TagRow> TagTable() {
  static constexpr TagRow kTags[] = {
      {"title", SF_STR_TITLE, "INAM", "TIT2"},
      {"artist", SF_STR_ARTIST, "IART", "TPE1"},
      {"album", SF_STR_ALBUM, "IPRD", "TALB"},
      {"album_artist", 0, nullptr, "TPE2"},
      {"composer", 0, nullptr, "TCOM"},
      {"date", SF_STR_DATE, "ICRD", "TDRC"},
      {"genre", SF_STR_GENRE, "IGNR", "TCON"},
      {"track", SF_STR_TRACKNUMBER, "IPRT", "TRCK"},
      {"disc", 0, nullptr, "TPOS"},
      {"comment", SF_STR_COMMENT, "ICMT", "COMM"},
      {"copyright", SF_STR_COPYRIGHT, "ICOP", "TCOP"},
  };
  return kTags;
}

Tags ReadTags(const std::filesystem::path& path, bool with_cover) {
  Tags tags;
  const FileStart start = LookAtStart(path);
  const bool for_sndfile =
      start == FileStart::kOther || (start == FileStart::kFlac && !with_cover);
  if (for_sndfile && ReadBySndfile(path, tags)) return tags;
  try {
    reinterpret_cast<ReadTagsFunction*>(
        LoadModuleSymbol("libav", "stemsmith_read_tags", "reading tags"))(path, tags);
  } catch (const Error&) {
    if (!for_sndfile) ReadBySndfile(path, tags);
  }
  if (!with_cover || PictureType(tags.cover).empty()) tags.cover.clear();
  return tags;
}

std::string PictureType(const std::string& picture) {
  if (picture.starts_with("\xff\xd8\xff")) return "image/jpeg";
  return picture.starts_with("\x89PNG\r\n\x1a\n") ? "image/png" : "";
}

}  // namespace stemsmith
