// Brings the files of a model of the catalogue into a folder. What arrived of a file stays there,
// as NAME.part, and the next call goes on behind it, whether this one failed or was killed.
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
  int attempts = 5;            // in a row that bring nothing, at each address; 3 at most of them
                               // where no server is reached
  double pause_s = 1;          // before the second; doubled with each
  bool other_programs = true;  // whether to look for the files in the caches of Python's packages
};

struct DownloadedFile {
  std::string name, sha256;
  std::string from;          // the address, or the file on this disk
  bool was_checked = false;  // whether a checksum was published to compare it with
};

struct Downloaded {
  const CatalogueSource* source;  // one of those asked for
  std::vector<DownloadedFile> files;
};

// Takes the sources in their order until one gives all its files, which then lie in `folder`,
// whole, and are what the catalogue says. Each try that fails is told as a message of progress.
// Throws Error: no source did; the advice says how to bring the files by hand.
Downloaded DownloadModel(const std::vector<CatalogueSource>& sources,
                         const std::filesystem::path& folder, const DownloadOptions& options);

}  // namespace stemsmith
