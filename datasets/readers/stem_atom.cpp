// Names in mp4 files that libav does not tell: the atom `stem` of Native Instruments' Stem files
// (moov/udta/stem holds JSON whose `stems` name and colour the streams after the first), and the
// titles of tracks (moov/trak/udta/name), which ffmpeg 5.1 writes but does not read.
#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "core/files.h"
#include "core/json_fields.h"
#include "datasets/readers/stem_streams.h"

namespace stemsmith {
namespace {

constexpr std::uint64_t kLargestJson = 1 << 20;
constexpr std::uint64_t kLargestTitle = 1024;
constexpr int kMostAtoms = 4096;  // in one folder of atoms

struct Extent {
  std::uint64_t begin = 0, end = 0;  // bytes in the file
  bool empty() const { return begin >= end; }
};

std::uint64_t BigEndian(const unsigned char* bytes, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

// What the atoms hold whose type and that of those around them are the path's. `parent` is full of
// atoms.
void Find(std::ifstream& file, Extent parent, std::span<const std::string_view> path,
          std::vector<Extent>& found) {
  for (int atoms = 0; atoms < kMostAtoms && parent.end - parent.begin >= 8; ++atoms) {
    std::array<unsigned char, 16> head{};
    file.clear();
    file.seekg(static_cast<std::streamoff>(parent.begin));
    if (!file.read(reinterpret_cast<char*>(head.data()), 8)) return;
    std::uint64_t size = BigEndian(head.data(), 4), head_size = 8;
    if (size == 1) {  // the size follows in 64 bits
      if (!file.read(reinterpret_cast<char*>(head.data()) + 8, 8)) return;
      size = BigEndian(head.data() + 8, 8);
      head_size = 16;
    } else if (size == 0) {  // up to the end
      size = parent.end - parent.begin;
    }
    if (size < head_size || size > parent.end - parent.begin) return;
    if (std::equal(path.front().begin(), path.front().end(), head.begin() + 4)) {
      const Extent content{parent.begin + head_size, parent.begin + size};
      if (path.size() == 1) {
        found.push_back(content);
      } else {
        Find(file, content, path.subspan(1), found);
      }
    }
    parent.begin += size;
  }
}

std::vector<Extent> All(std::ifstream& file, Extent parent,
                        std::initializer_list<std::string_view> path) {
  std::vector<Extent> found;
  Find(file, parent, std::span(path.begin(), path.size()), found);
  return found;
}

// Nothing where it cannot be read or is longer than `most`.
std::string Content(std::ifstream& file, Extent extent, std::uint64_t most) {
  if (extent.empty() || extent.end - extent.begin > most) return "";
  std::string text(extent.end - extent.begin, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(extent.begin));
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) return "";
  return text;
}

Extent WholeFile(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return {0, error ? 0 : size};
}

}  // namespace

std::vector<std::string> ReadStemAtom(const std::filesystem::path& path) {
  CheckIsFile(path);
  std::ifstream file(path, std::ios::binary);
  const std::vector<Extent> atoms = All(file, WholeFile(path), {"moov", "udta", "stem"});
  if (atoms.empty()) return {};
  std::string text = Content(file, atoms.front(), kLargestJson);
  text.resize(text.find_last_not_of('\0') + 1);
  const nlohmann::json json = ParseJson(text);
  if (!json.is_object() || !json.contains("stems") || !json["stems"].is_array()) return {};
  std::vector<std::string> names;
  for (const nlohmann::json& stem : json["stems"]) {
    const bool named = stem.is_object() && stem.contains("name") && stem["name"].is_string();
    names.push_back(named ? stem["name"].get<std::string>() : "");
  }
  return names;
}

std::vector<std::string> ReadTrackTitles(const std::filesystem::path& path) {
  CheckIsFile(path);
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> titles;
  for (const Extent track : All(file, WholeFile(path), {"moov", "trak"})) {
    const std::vector<Extent> handler = All(file, track, {"mdia", "hdlr"});
    const std::string kind = handler.empty() ? "" : Content(file, handler.front(), kLargestTitle);
    if (kind.size() < 12 || kind.substr(8, 4) != "soun") continue;
    std::string& title = titles.emplace_back();
    for (const Extent name : All(file, track, {"udta", "name"})) {
      title = Content(file, name, kLargestTitle);
    }
    std::erase(title, '\0');  // in front of it stand flags, in some files
  }
  return titles;
}

}  // namespace stemsmith
