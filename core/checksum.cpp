#include "core/checksum.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <vector>

#include "core/error.h"
#include "core/files.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kZeros = "0000000000000000";
// What is read at a time stays in the processor's cache until it is hashed.
constexpr std::size_t kBlockBytes = 256 << 10;
// How far from its end a mark is looked for in files that were cut off or added to.
constexpr std::uint64_t kTailBytes = 128 << 10;

// A regular file that is read; not open where it cannot be.
class File {
 public:
  explicit File(const fs::path& path)
      : path_(path), number_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat status {};
    if (number_ < 0 || fstat(number_, &status) != 0 || !S_ISREG(status.st_mode)) return;
    regular_ = true;
    bytes_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~File() {
    if (number_ >= 0) close(number_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool regular() const { return regular_; }
  std::uint64_t bytes() const { return bytes_; }

  // What lies there, at most `bytes`; less at the end.
  std::string_view Read(std::uint64_t place, std::size_t bytes, std::vector<char>& buffer) const {
    buffer.resize(std::max(buffer.size(), bytes));
    std::size_t done = 0;
    while (done < bytes) {
      errno = 0;
      const ssize_t got =
          pread(number_, buffer.data() + done, bytes - done, static_cast<off_t>(place + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Error::System("cannot read the file", path_.string());
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return {buffer.data(), done};
  }

 private:
  fs::path path_;
  int number_;
  bool regular_ = false;
  std::uint64_t bytes_ = 0;
};

// Where mark and digits begin, and whether both are where they belong.
struct FoundField {
  bool found = false, whole = false;
  std::uint64_t place = 0;
};

bool IsMark(std::string_view bytes, std::string_view mark) {
  if (bytes.size() != mark.size()) return false;
  std::size_t equal = 0;
  for (std::size_t i = 0; i < mark.size(); ++i) equal += bytes[i] == mark[i];
  return equal >= mark.size() - mark.size() / 6;
}

FoundField FindField(const File& file, const ChecksumField& field) {
  std::vector<char> buffer;
  const std::uint64_t length = field.mark.size() + kZeros.size();
  if (file.bytes() >= length) {
    const std::uint64_t place = field.place.value_or(file.bytes() - length);
    if (IsMark(file.Read(place, field.mark.size(), buffer), field.mark))
      return {true, place + length <= file.bytes(), place};
  }
  if (field.place) return {};
  // Behind a mark that is not at the end something is missing or was added.
  const std::uint64_t tail = std::min(file.bytes(), kTailBytes);
  const std::string_view end = file.Read(file.bytes() - tail, tail, buffer);
  if (end.find(field.mark) != end.npos) return {true, false, 0};
  for (std::size_t part = field.mark.size() - 1; part >= field.mark.size() / 3; --part)
    if (end.ends_with(field.mark.substr(0, part))) return {true, false, 0};
  return {};
}

// `digits`: the place of sixteen bytes that count as '0'.
std::uint64_t Hash(const File& file, std::optional<std::uint64_t> digits) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  std::vector<char> buffer;
  const auto add = [&](std::uint64_t from, std::uint64_t to) {
    while (from < to) {
      const std::size_t most = std::min<std::uint64_t>(kBlockBytes, to - from);
      const std::string_view bytes = file.Read(from, most, buffer);
      if (bytes.empty()) return;  // it has just become shorter: another hash
      XXH3_64bits_update(&state, bytes.data(), bytes.size());
      from += bytes.size();
    }
  };
  add(0, digits.value_or(file.bytes()));
  if (digits) {
    XXH3_64bits_update(&state, kZeros.data(), kZeros.size());
    add(*digits + kZeros.size(), file.bytes());
  }
  return XXH3_64bits_digest(&state);
}

// Writes `bytes` at a place of a file that is there.
void Overwrite(const fs::path& path, std::uint64_t place, std::string_view bytes) {
  errno = 0;
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(place));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw Error::System("cannot write", path.string(), "is the disk full?");
}

}  // namespace

std::string ChecksumField::Unfilled() const { return std::string(mark) + std::string(kZeros); }

void FillChecksum(const fs::path& path, const ChecksumField& field) {
  std::uint64_t digits = 0, hash = 0;
  {
    errno = 0;
    const File file(path);
    const FoundField found = file.regular() ? FindField(file, field) : FoundField();
    if (!found.whole) throw Error::System("cannot read what was just written", path.string());
    digits = found.place + field.mark.size();
    hash = Hash(file, digits);
  }
  Overwrite(path, digits, HexHash(hash));
}

void AppendChecksum(const fs::path& path, const ChecksumField& field) {
  Overwrite(path, fs::file_size(path), field.Unfilled());
  FillChecksum(path, field);
}

void AppendChecksumToArchive(const fs::path& path, const ChecksumField& field) {
  // The archive ends with a record of 22 bytes, whose last two are the length of the comment.
  constexpr std::uint64_t kRecordBytes = 22;
  const std::uint64_t bytes = fs::file_size(path);
  std::string record;
  if (bytes >= kRecordBytes) {
    std::vector<char> buffer;
    record = File(path).Read(bytes - kRecordBytes, kRecordBytes, buffer);
  }
  if (!record.starts_with("PK\x05\x06") || !record.ends_with(std::string(2, '\0')))
    throw Error::Input("cannot read what was just written", path.string(), "is the disk full?");
  const std::size_t length = field.Unfilled().size();
  const char low_high[2] = {static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  Overwrite(path, bytes - 2, {low_high, 2});
  AppendChecksum(path, field);
}

ChecksumState CheckChecksum(const fs::path& path, const ChecksumField& field,
                            const std::string& advice) {
  const File file(path);
  const FoundField found = file.regular() ? FindField(file, field) : FoundField();
  if (!found.found) return ChecksumState::kNone;
  if (found.whole) {
    const std::uint64_t digits = found.place + field.mark.size();
    std::vector<char> buffer;
    if (file.Read(digits, kZeros.size(), buffer) == HexHash(Hash(file, digits)))
      return ChecksumState::kMatches;
  }
  throw Error::Input(
      "the file was cut off, damaged or changed after it was written: its content does not match "
      "its "
      "checksum",
      path.string(), advice);
}

bool HoldsChecksum(const fs::path& path, const ChecksumField& field) {
  const File file(path);
  return file.regular() && FindField(file, field).found;
}

std::uint64_t HashContent(const fs::path& path) {
  errno = 0;
  const File file(path);
  if (!file.regular()) throw Error::System("cannot read the file", path.string());
  return Hash(file, std::nullopt);
}

std::string NoteOnNoChecksum(const fs::path& path, const std::string& advice) {
  return path.string() +
         " carries no checksum (an earlier stemsmith or another program wrote it): damage to it "
         "would not be noticed; " +
         advice;
}

}  // namespace stemsmith
