// A program that brings the files of the first model of a catalogue, and says where each is from:
// fetch_files CATALOGUE.yaml FOLDER ATTEMPTS STALL_SECONDS.
#include <cstdlib>
#include <iostream>

#include "catalogue/catalogue_file.h"
#include "catalogue/download.h"
#include "core/error.h"

int main(int argc, char** argv) {
  using namespace stemsmith;
  try {
    DownloadOptions options;
    options.host.warn = [](const std::string& text) { std::cerr << text << '\n'; };
    options.attempts = std::atoi(argv[3]);
    options.stall_s = std::atoi(argv[4]);
    options.pause_s = 0;
    const Catalogue catalogue = ReadCatalogue(argv[1]);
    for (const DownloadedFile& file : DownloadModel(catalogue[0].sources, argv[2], options).files)
      std::cout << file.name << ' ' << file.sha256 << ' ' << file.from << '\n';
  } catch (const Error& error) {
    std::cerr << "error: " << error.text() << '\n';
    return error.exit_status();
  }
  return 0;
}
