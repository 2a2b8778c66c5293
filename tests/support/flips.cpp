#include "tests/support/flips.h"

#include <algorithm>
#include <fstream>

#include "core/random.h"

namespace stemsmith::testing {

std::string WithFlips(std::string bytes, int count, std::uint64_t seed, std::size_t begin,
                      std::size_t end) {
  RandomStream random({seed});
  end = std::min(end, bytes.size());
  for (int i = 0; i < count; ++i) {
    const std::size_t at = begin + random.Below(end - begin);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
  }
  return bytes;
}

void WriteQuickly(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void Overwrite(const std::filesystem::path& path, std::uint64_t offset, const std::string& bytes) {
  std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(static_cast<std::streamoff>(offset));
  stream << bytes;
}

std::vector<Damage> AllDamage(const std::string& bytes) {
  std::vector<Damage> all;
  constexpr std::size_t kParts = 8;
  for (std::size_t k = 0; k <= kParts; ++k) {
    std::string flipped = bytes;
    flipped[(bytes.size() - 1) * k / kParts] ^= 1 << k % 8;
    all.push_back({"a flip at " + std::to_string(k) + "/8", std::move(flipped)});
  }
  all.push_back({"many flips", WithFlips(bytes, 50, 1)});
  all.push_back({"a byte less", bytes.substr(0, bytes.size() - 1)});
  all.push_back({"half", bytes.substr(0, bytes.size() / 2)});
  all.push_back({"a byte more", bytes + '\0'});
  all.push_back({"more", bytes + "more"});
  return all;
}

}  // namespace stemsmith::testing
