// Shared modules loaded when first needed (libav, TorchScript): parts with other licences or large
// dependencies that a program should not carry from its start.
#pragma once

#include <filesystem>
#include <string>

namespace stemsmith {

// Where modules lie: beside libstemsmith.so where this code is in it, as the program may then be
// anybody's; in our own programs the folder `lib` beside theirs. STEMSMITH_MODULE_DIR is another.
std::filesystem::path ModuleFolder();

// Loads libstemsmith_NAME.so from there and returns the address of `symbol`. Throws Error that says
// `purpose` when the module is missing or does not load.
void* LoadModuleSymbol(const std::string& name, const std::string& symbol,
                       const std::string& purpose);

}  // namespace stemsmith
