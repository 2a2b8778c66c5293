// Shared modules loaded when first needed (libav, TorchScript): parts with other licences or large
// dependencies that a program should not carry from its start.
#pragma once

#include <string>

namespace stemsmith {

// Loads lib/libstemsmith_NAME.so beside the program's folder (or from STEMSMITH_MODULE_DIR) and
// returns the address of `symbol`. Throws Error that says `purpose` when the module is missing or
// does not load.
void* LoadModuleSymbol(const std::string& name, const std::string& symbol,
                       const std::string& purpose);

}  // namespace stemsmith
