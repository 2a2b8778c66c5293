// The atom `stem` of Native Instruments' Stem files (.stem.mp4): moov/udta/stem holds JSON whose
// `stems` name and colour the streams after the first.
#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "datasets/readers/stem_streams.h"

namespace stemsmith {
namespace {

constexpr std::uint64_t kLargestJson = 1 << 20;
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

// What the first atom holds whose type and that of those around it are the path's; nothing where
// there is none. `parent` is full of atoms.
Extent Find(std::ifstream& file, Extent parent, std::span<const std::string_view> path) {
  for (int atoms = 0; atoms < kMostAtoms && parent.end - parent.begin >= 8; ++atoms) {
    std::array<unsigned char, 16> head{};
    file.clear();
    file.seekg(static_cast<std::streamoff>(parent.begin));
    if (!file.read(reinterpret_cast<char*>(head.data()), 8)) return {};
    std::uint64_t size = BigEndian(head.data(), 4), head_size = 8;
    if (size == 1) {  // the size follows in 64 bits
      if (!file.read(reinterpret_cast<char*>(head.data()) + 8, 8)) return {};
      size = BigEndian(head.data() + 8, 8);
      head_size = 16;
    } else if (size == 0) {  // up to the end
      size = parent.end - parent.begin;
    }
    if (size < head_size || size > parent.end - parent.begin) return {};
    if (std::equal(path.front().begin(), path.front().end(), head.begin() + 4)) {
      const Extent content{parent.begin + head_size, parent.begin + size};
      const Extent found = path.size() == 1 ? content : Find(file, content, path.subspan(1));
      if (!found.empty()) return found;
    }
    parent.begin += size;
  }
  return {};
}

}  // namespace

std::vector<std::string> ReadStemAtom(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return {};
  constexpr std::array<std::string_view, 3> kPath = {"moov", "udta", "stem"};
  const Extent extent = Find(file, {0, size}, kPath);
  if (extent.empty() || extent.end - extent.begin > kLargestJson) return {};
  std::string text(extent.end - extent.begin, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(extent.begin));
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) return {};
  text.resize(text.find_last_not_of('\0') + 1);
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("stems") || !json["stems"].is_array()) return {};
  std::vector<std::string> names;
  for (const nlohmann::json& stem : json["stems"]) {
    const bool named = stem.is_object() && stem.contains("name") && stem["name"].is_string();
    names.push_back(named ? stem["name"].get<std::string>() : "");
  }
  return names;
}

}  // namespace stemsmith
