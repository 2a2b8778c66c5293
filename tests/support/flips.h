// Files that are damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace stemsmith::testing {

// `bytes` with `count` bits turned at random places in [begin, end).
std::string WithFlips(std::string bytes, int count, std::uint64_t seed, std::size_t begin = 0,
                      std::size_t end = std::string::npos);

// Writes a file without waiting for the disk, as thousands of tries want it.
void WriteQuickly(const std::filesystem::path& path, const std::string& bytes);

// Puts bytes at `offset` of a file that is there; all others stay.
void Overwrite(const std::filesystem::path& path, std::uint64_t offset, const std::string& bytes);

struct Damage {
  std::string name, bytes;
};
// One flip each: the first byte, the last, and seven spread between; many flips; cut off by a byte
// and by half; bytes added.
std::vector<Damage> AllDamage(const std::string& bytes);

}  // namespace stemsmith::testing
