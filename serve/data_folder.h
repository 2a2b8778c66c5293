// Where the web app keeps files: the folder of --data.
//
//   songs/ID/source         a song as it was uploaded; beside it what is drawn of it
//   jobs/ID/attempt-N/      stems of the attempt that finished, as 32-bit float WAV
//   jobs/ID/files/          files in other formats, and what is drawn of stems, made when asked for
//   uploads/ID, ID.json     uploads that are not complete
//   stemsmith.sqlite        songs and jobs, where --database does not name another place
//
// Names in it are ids and stems that were checked, never names that users gave their files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace stemsmith {

// 22 letters of 128 random bits from the system.
std::string NewId();
bool IsId(const std::string& text);

class DataFolder {
 public:
  // Makes what is missing. Throws Error where it cannot be written.
  explicit DataFolder(std::filesystem::path folder);

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path Songs() const { return folder_ / "songs"; }
  std::filesystem::path Song(const std::string& id) const { return Songs() / id; }
  std::filesystem::path Source(const std::string& song) const { return Song(song) / "source"; }
  std::filesystem::path Jobs() const { return folder_ / "jobs"; }
  std::filesystem::path Job(const std::string& id) const { return Jobs() / id; }
  std::filesystem::path JobFiles(const std::string& id) const { return Job(id) / "files"; }
  std::filesystem::path Uploads() const { return folder_ / "uploads"; }
  std::filesystem::path Upload(const std::string& id) const { return Uploads() / id; }
  std::filesystem::path Database() const { return folder_ / "stemsmith.sqlite"; }

  std::int64_t FreeBytes() const;

 private:
  std::filesystem::path folder_;
};

// Of a folder and all below it, in bytes.
std::int64_t BytesIn(const std::filesystem::path& folder);

}  // namespace stemsmith
