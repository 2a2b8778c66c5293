// Brings the files of a catalogue's source into a folder. What arrived of a file stays there, as
// NAME.part, and the next call goes on behind it, whether this one failed or was killed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "catalogue/catalogue.h"
#include "core/host.h"

namespace stemsmith {

struct DownloadOptions {
  Host host;
  int stall_s = 60;            // without a byte: given up, and tried again
  int attempts = 5;            // in a row that bring nothing, at each address
  double pause_s = 1;          // before the second; doubled with each
  bool other_programs = true;  // whether to look for the files in the caches of Python's packages
};

struct DownloadedFile {
  std::string name, sha256;
  std::string from;          // the address, or the file on this disk
  bool was_checked = false;  // whether a checksum was published to compare it with
};

// The files lie in `folder` afterwards, whole, and are what the catalogue says. Throws Error: no
// address gave one, or what came is something else.
std::vector<DownloadedFile> DownloadSource(const CatalogueSource& source,
                                           const std::filesystem::path& folder,
                                           const DownloadOptions& options);

}  // namespace stemsmith
