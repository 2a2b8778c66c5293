// What the program `stemsmith` does for `separate`, which does not contain it: downloads models,
// and reads a catalogue of the user's own. It is the one beside this program, else that of PATH.
#pragma once

#include <filesystem>
#include <string>

#include "apps/terminal.h"
#include "catalogue/catalogue.h"

namespace stemsmith {

// Runs `stemsmith download NAME` and gives the model's file. Throws Error where there is no
// `stemsmith` or it fails.
std::filesystem::path DownloadModel(const std::string& name, OutputMode mode);

// The file that STEMSMITH_CATALOGUE names; "" where it names none.
std::string OwnCatalogueFile();
// Its rows, as `stemsmith models --catalogue` gives them; none where there is no such file named.
// Throws Error where there is no `stemsmith`, and what it says of a catalogue that is wrong.
Catalogue ReadOwnCatalogue();

}  // namespace stemsmith
