// The zip archives that torch.save writes since 1.6: entries are stored, never compressed. One
// thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

struct zip;

namespace stemsmith {

class TorchArchive {
 public:
  // Throws Error for files that are no zip archive or hold no data.pkl.
  explicit TorchArchive(const std::filesystem::path& path);

  bool Has(const std::string& name) const;
  // The entry's size. Throws for absent, compressed and encrypted entries, and for those that claim
  // to be larger than the file: nothing that is read can be larger than what lies on the disk.
  std::uint64_t Size(const std::string& name) const;
  // Fills `to` with all of the entry. Throws when it is cut off, when its checksum is wrong (but
  // for archives without any, where all are zero: torch.serialization.set_crc32_options), and when
  // all that was read so far would be larger than the file (entries that share their bytes).
  void Read(const std::string& name, void* to, std::uint64_t bytes);

 private:
  struct Closer {
    void operator()(zip* archive) const;
  };
  std::optional<std::uint64_t> Find(const std::string& name) const;

  std::string where_;
  std::uint64_t file_bytes_ = 0, read_bytes_ = 0;
  std::unique_ptr<zip, Closer> archive_;
  bool has_checksums_ = false;
  std::string folder_;  // torch puts all entries into one folder: "archive/"
};

}  // namespace stemsmith
