// What a file says of the song in it: texts such as title and artist, and a picture.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace stemsmith {

struct Tags {
  std::vector<std::pair<std::string, std::string>> texts;  // by the names of TagTable(), in UTF-8
  std::string cover;                                       // JPEG or PNG; empty: none
};

// How formats call a tag; null where they have no place for it. `name` is libav's.
struct TagRow {
  const char* name;
  int sndfile;       // SF_STR_…; 0: none
  const char* riff;  // of a LIST chunk of INFO
  const char* id3;   // a frame of ID3v2.4
};
std::span<const TagRow> TagTable();

// Of flac, with a cover only where that is wanted, of wav and its like the texts, of all others
// what libav knows. Nothing of files that cannot be read, or where this installation lacks the
// module.
Tags ReadTags(const std::filesystem::path& path, bool with_cover);

// "image/jpeg", "image/png"; "" for what is neither.
std::string PictureType(const std::string& picture);

// The signature of `stemsmith_read_tags`, which libstemsmith_libav.so exports.
using ReadTagsFunction = void(const std::filesystem::path& path, Tags& tags);

}  // namespace stemsmith
