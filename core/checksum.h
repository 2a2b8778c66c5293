// A checksum over a whole file, held by the file itself, by which damage is found when it is
// opened: XXH3 of 64 bits (xxhash.com, 0.8) over all its bytes in their order, its own sixteen
// hexadecimal digits counted as '0'.
//
// The digits follow a mark, which lies at a fixed place. A mark of which a few bytes are damaged is
// still taken for one, so that no damage makes a file look as if it never had a checksum. Programs
// that write a file of ours anew do not keep the place: theirs count as files without a checksum.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace stemsmith {

struct ChecksumField {
  std::string_view mark;
  // Of the mark, in bytes from the beginning; none: mark and digits are the last bytes of the file.
  std::optional<std::uint64_t> place;

  std::string Unfilled() const;  // the mark and sixteen '0'
};

// Fills in the field of a file that was written with the field unfilled. Throws Error where the
// disk fails, as do the other two.
void FillChecksum(const std::filesystem::path& path, const ChecksumField& field);
// Adds the field at the end of the file, filled.
void AppendChecksum(const std::filesystem::path& path, const ChecksumField& field);
// The same for a zip archive without a comment: the field becomes its comment.
void AppendChecksumToArchive(const std::filesystem::path& path, const ChecksumField& field);

enum class ChecksumState { kMatches, kNone };
// Reads the whole file (about 5 GB a second where it lies in memory). Throws Error, with `advice`,
// where the content is not what was written. Files that cannot be opened have no checksum: those
// who open them next say why.
ChecksumState CheckChecksum(const std::filesystem::path& path, const ChecksumField& field,
                            const std::string& advice);
// Whether there is a field, without looking at the rest of the file.
bool HoldsChecksum(const std::filesystem::path& path, const ChecksumField& field);

// The same hash of a file without a field, for files whose checksum another one holds. (HashFile of
// core/files.h, another number, is what caches know their sources by.)
std::uint64_t HashContent(const std::filesystem::path& path);

// What to say of a file of ours without a checksum.
std::string NoteOnNoChecksum(const std::filesystem::path& path, const std::string& advice);

}  // namespace stemsmith
