// Reads a catalogue from YAML: the one that is shipped, when it is built in, or a user's own.
#pragma once

#include <filesystem>

#include "catalogue/catalogue.h"

namespace stemsmith {

// Throws Error::Input with file and line for what is missing, unknown or makes no sense.
Catalogue ReadCatalogue(const std::filesystem::path& file);

}  // namespace stemsmith
