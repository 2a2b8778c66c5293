// Compiled models in a folder, so that the next process starts with them. Entries are found by a
// hash of all that they depend on. Nothing here fails: without a folder that can be written and
// with damaged entries, the model is compiled.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace stemsmith {

// The bytes of an entry, mapped into memory as long as it lives.
class CompiledEntry {
 public:
  explicit CompiledEntry(const std::filesystem::path& file);
  ~CompiledEntry();
  CompiledEntry(const CompiledEntry&) = delete;
  CompiledEntry& operator=(const CompiledEntry&) = delete;
  std::string_view bytes() const { return mapped_.substr(0, size_); }

 private:
  std::string_view mapped_;
  std::size_t size_ = 0;  // without the checksum
};

class CompiledCache {
 public:
  static constexpr std::uint64_t kMostBytes = std::uint64_t{8} << 30;

  // An empty folder: no cache. One that is not there is made with the first entry. Above so many
  // bytes the entries that were used longest ago are removed.
  explicit CompiledCache(std::filesystem::path folder, std::uint64_t most_bytes = kMostBytes);

  // What was stored for `key`; null where it is not there or damaged.
  std::shared_ptr<const CompiledEntry> Find(const std::string& key) const;
  bool Has(const std::string& key) const;
  // Of an entry that could not be used.
  void Remove(const std::string& key) const;
  // `write` makes the file, which has its final name in a folder of its own; processes may do so
  // side by side.
  void Store(const std::string& key,
             const std::function<void(const std::filesystem::path& file)>& write) const;

 private:
  std::filesystem::path FileOf(const std::string& key) const;
  void RemoveOldest(const std::filesystem::path& but) const;

  const std::filesystem::path folder_;
  const std::uint64_t most_bytes_;
};

}  // namespace stemsmith
