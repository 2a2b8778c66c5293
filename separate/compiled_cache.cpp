#include "separate/compiled_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "core/checksum.h"
#include "core/error.h"
#include "core/files.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kEnding[] = ".compiled";
constexpr ChecksumField kChecksum{"stemsmith.compiled=xxh3:", std::nullopt};

bool IsWhole(const fs::path& file) {
  try {
    return CheckChecksum(file, kChecksum, "") == ChecksumState::kMatches;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

CompiledEntry::CompiledEntry(const fs::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  std::error_code error;
  const std::uint64_t size = fs::file_size(path, error);
  const std::size_t field = kChecksum.Unfilled().size();
  // What a user of the bytes may write into them stays in this process.
  if (!error && size > field) {
    void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (data != MAP_FAILED) {
      mapped_ = {static_cast<const char*>(data), size};
      size_ = size - field;
    }
  }
  close(file);
}

CompiledEntry::~CompiledEntry() {
  if (!mapped_.empty()) munmap(const_cast<char*>(mapped_.data()), mapped_.size());
}

CompiledCache::CompiledCache(fs::path folder, std::uint64_t most_bytes)
    : folder_(std::move(folder)), most_bytes_(most_bytes) {}

fs::path CompiledCache::FileOf(const std::string& key) const {
  return folder_ / (HexHash(HashBytes(key)) + kEnding);
}

bool CompiledCache::Has(const std::string& key) const {
  std::error_code error;
  return !folder_.empty() && fs::is_regular_file(FileOf(key), error);
}

std::shared_ptr<const CompiledEntry> CompiledCache::Find(const std::string& key) const {
  if (!Has(key)) return nullptr;
  const fs::path file = FileOf(key);
  if (IsWhole(file)) {
    auto entry = std::make_shared<CompiledEntry>(file);
    std::error_code error;
    fs::last_write_time(file, fs::file_time_type::clock::now(), error);
    if (!entry->bytes().empty()) return entry;
  }
  Remove(key);
  return nullptr;
}

void CompiledCache::Remove(const std::string& key) const {
  std::error_code error;
  fs::remove(FileOf(key), error);
}

void CompiledCache::Store(const std::string& key,
                          const std::function<void(const fs::path& file)>& write) const {
  if (folder_.empty()) return;
  try {
    const fs::path target = FileOf(key);
    PendingFolder pending(folder_);
    const fs::path file = pending.Add(target.filename().string());
    write(file);
    AppendChecksum(file, kChecksum);
    pending.Commit();
    RemoveOldest(target);
  } catch (const Error&) {
    // The next process compiles it again.
  }
}

void CompiledCache::RemoveOldest(const fs::path& but) const {
  struct Entry {
    fs::file_time_type used;
    fs::path file;
    std::uint64_t bytes;
  };
  std::vector<Entry> entries;
  std::uint64_t all = 0;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder_, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    if (entry->path().extension() != kEnding) continue;
    std::error_code gone;  // removed by another process
    const std::uint64_t bytes = entry->file_size(gone);
    const fs::file_time_type used = entry->last_write_time(gone);
    if (gone) continue;
    all += bytes;
    if (entry->path() != but) entries.push_back({used, entry->path(), bytes});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (all <= most_bytes_) return;
    fs::remove(entry.file, error);
    all -= entry.bytes;
  }
}

}  // namespace stemsmith
