#include "separate/block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace stemsmith {
namespace {

constexpr std::size_t kAlignment = 64;
// Smaller ones are left to malloc.
constexpr std::size_t kLargeBytes = std::size_t{1} << 20;
// Sizes are multiples of it, so that a process has no more mappings than a system lets it have.
constexpr std::size_t kGrainBytes = std::size_t{256} << 10;
// So much beyond what was in use at once is fresh rather than composed: a small network would be
// 7 % slower otherwise.
constexpr std::size_t kSpareBytes = std::size_t{32} << 20;

std::size_t RoundedUp(std::size_t bytes, std::size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

// Fresh memory: anywhere, or at `place`, in the place of what is mapped there. Null: there is none.
char* Mapped(std::size_t bytes, char* place = nullptr) {
  const int fixed = place != nullptr ? MAP_FIXED : 0;
  void* const mapped = mmap(place, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
  return mapped == MAP_FAILED ? nullptr : static_cast<char*>(mapped);
}

bool Moved(char* from, std::size_t bytes, char* to) {
  return mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
}

}  // namespace

BlockPool::~BlockPool() {
  for (const auto& [begin, block] : kept_)
    for (const Piece& piece : block) munmap(piece.begin, piece.bytes);
}

void* BlockPool::Allocate(std::size_t bytes) {
  if (bytes < kLargeBytes)
    return std::aligned_alloc(kAlignment, RoundedUp(std::max<std::size_t>(bytes, 1), kAlignment));
  const std::size_t wanted = RoundedUp(bytes, kGrainBytes);
  const std::lock_guard lock(mutex_);
  const auto fits = kept_by_size_.lower_bound({wanted, nullptr});
  Block block =
      fits != kept_by_size_.end() ? TakenAtMost(fits->second, wanted) : Composed(wanted);
  if (block.empty()) return nullptr;
  figures_.used += wanted;
  most_used_ = std::max(most_used_, figures_.used);
  void* const begin = block.front().begin;
  used_.emplace(begin, std::move(block));
  return begin;
}

void BlockPool::Free(void* block) {
  if (block == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    if (auto found = used_.extract(block); !found.empty()) {
      figures_.used -= SizeOf(found.mapped());
      return Keep(std::move(found.mapped()));
    }
  }
  std::free(block);
}

std::size_t BlockPool::SizeOf(const Block& block) {
  return block.empty() ? 0
                       : static_cast<std::size_t>(block.back().begin - block.front().begin) +
                             block.back().bytes;
}

void BlockPool::Append(Block& block, const Block& next) {
  for (const Piece& piece : next) {
    if (!block.empty() && block.back().mapping == piece.mapping)
      block.back().bytes += piece.bytes;
    else
      block.push_back(piece);
  }
}

// Leaves the first `bytes`; returns what is behind them.
BlockPool::Block BlockPool::Split(Block& block, std::size_t bytes) {
  Block rest;
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (bytes >= block[i].bytes) {
      bytes -= block[i].bytes;
      continue;
    }
    rest.assign(block.begin() + static_cast<std::ptrdiff_t>(i), block.end());
    rest.front().begin += bytes;
    rest.front().bytes -= bytes;
    block.resize(bytes > 0 ? i + 1 : i);
    if (bytes > 0) block.back().bytes = bytes;
    break;
  }
  return rest;
}

void BlockPool::Keep(Block block) {
  if (block.empty()) return;
  figures_.kept += SizeOf(block);
  // Joined with what is kept before and behind it.
  if (const auto behind = kept_.find(block.front().begin + SizeOf(block)); behind != kept_.end())
    Append(block, Taken(behind->first));
  if (auto before = kept_.lower_bound(block.front().begin); before != kept_.begin()) {
    --before;
    if (before->first + SizeOf(before->second) == block.front().begin) {
      Block first = Taken(before->first);
      Append(first, block);
      block = std::move(first);
    }
  }
  kept_by_size_.emplace(SizeOf(block), block.front().begin);
  kept_.emplace(block.front().begin, std::move(block));
}

BlockPool::Block BlockPool::Taken(char* begin) {
  const auto found = kept_.extract(begin);
  kept_by_size_.erase({SizeOf(found.mapped()), begin});
  return std::move(found.mapped());
}

BlockPool::Block BlockPool::TakenAtMost(char* begin, std::size_t most) {
  Block block = Taken(begin);
  figures_.kept -= SizeOf(block);
  Keep(Split(block, most));
  return block;
}

// Of fresh memory, and where that would be too much, of what is kept: none of it is large enough by
// itself.
BlockPool::Block BlockPool::Composed(std::size_t bytes) {
  char* const begin = Mapped(bytes);
  if (begin == nullptr) return {};
  Block block;
  std::size_t filled = 0;
  const bool is_spare = figures_.used + figures_.kept + bytes <= most_used_ + kSpareBytes;
  while (!is_spare && filled < bytes && !kept_.empty()) {
    const auto largest = std::prev(kept_by_size_.end());
    for (const Piece& piece : TakenAtMost(largest->second, bytes - filled)) {
      char* const to = begin + filled;
      if (!Moved(piece.begin, piece.bytes, to)) {  // which may have unmapped what was there
        munmap(piece.begin, piece.bytes);
        if (Mapped(piece.bytes, to) == nullptr) return {};
      }
      block.push_back({to, piece.bytes, ++mappings_});
      filled += piece.bytes;
    }
  }
  if (filled < bytes) block.push_back({begin + filled, bytes - filled, ++mappings_});
  return block;
}

BlockPool::Figures BlockPool::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace stemsmith
