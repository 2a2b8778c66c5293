// Memory for the values of a network, large blocks that come and go. What was freed is kept and
// becomes part of the next block, of whatever size: the system moves pages to other addresses
// without copying them (mremap). So little more is held than was in use at once (32 MiB), where an
// arena that splits and joins blocks in place ends up with twice as much, and pages are made once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace stemsmith {

// All calls may come from any thread.
class BlockPool {
 public:
  BlockPool() = default;
  ~BlockPool();  // what was not freed stays
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Aligned for every instruction of the CPU; null where there is no memory left.
  void* Allocate(std::size_t bytes);
  void Free(void* block);

  // Bytes of large blocks: in use, and kept for others.
  struct Figures {
    std::size_t used, kept;
  };
  Figures figures() const;

 private:
  struct Piece {  // the system moves at once what it has mapped at once
    char* begin;
    std::size_t bytes;
    std::uint64_t mapping;
  };
  using Block = std::vector<Piece>;  // one behind the other

  static std::size_t SizeOf(const Block& block);
  static void Append(Block& block, const Block& next);
  static Block Split(Block& block, std::size_t bytes);
  void Keep(Block block);
  Block Taken(char* begin);  // of what is kept
  Block TakenAtMost(char* begin, std::size_t most);
  Block Composed(std::size_t bytes);

  mutable std::mutex mutex_;
  std::unordered_map<void*, Block> used_;
  std::map<char*, Block> kept_;  // no two side by side
  std::set<std::pair<std::size_t, char*>> kept_by_size_;
  std::uint64_t mappings_ = 0;  // so many were made
  std::size_t most_used_ = 0;
  Figures figures_{};
};

}  // namespace stemsmith
