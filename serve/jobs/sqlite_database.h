// A database in a file of this machine.
#pragma once

#include <filesystem>
#include <memory>

#include "serve/jobs/database.h"

namespace stemsmith {

// Makes the file where it is missing. Throws Error where it is damaged, no database or not to be
// written. Several processes may have it open; the file system must be a local one.
std::unique_ptr<Database> OpenSqliteDatabase(const std::filesystem::path& path);

}  // namespace stemsmith
