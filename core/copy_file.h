// Copies a file block by block, so that an error names the file that failed.
#pragma once

#include <filesystem>

namespace stemsmith {

// `to` is replaced where it is there. Throws Error: of `from` where it cannot be read, of `to`
// where it cannot be written (a full disk, a limit of file sizes).
void CopyFile(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace stemsmith
