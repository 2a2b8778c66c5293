// Reading and writing of whole files, and a few file helpers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/file_kind.h"
#include "core/pending_files.h"

namespace stemsmith {

// Writes the bytes to a PendingFile and commits.
void WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes);
// The whole file. Throws Error when it is missing or unreadable.
std::string ReadFile(const std::filesystem::path& path);

// XXH3 of 64 bits (xxhash.com, 0.8); for fingerprints, not for security.
std::uint64_t HashBytes(std::string_view bytes, std::uint64_t seed = 0);
// Of a file's content, block by block, each hashed with the hash of those before it as its seed:
// the fingerprint of source files in caches and of sound fonts in demo songs. For files above one
// MiB it is another number than HashContent of core/checksum.h, and stays that: caches would be
// prepared anew. What is new takes HashContent.
std::uint64_t HashFile(const std::filesystem::path& path);
std::string HexHash(std::uint64_t hash);

// Whether a path, which need not be there, is a folder or lies anywhere below it; links followed.
bool LiesIn(const std::filesystem::path& path, const std::filesystem::path& folder);

// The folder of the running program (/proc/self/exe); modules lie in ../lib beside it.
std::filesystem::path ProgramFolder();

}  // namespace stemsmith
