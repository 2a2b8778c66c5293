// What lies under a name: a file, or something else that must not be opened as one.
#pragma once

#include <filesystem>
#include <string>

namespace stemsmith {

// "pipe", "socket", "device" or "folder"; "" of files, and where there is nothing.
std::string KindOfFile(const std::filesystem::path& path);
// Throws Error for what is there and is no file: pipes, sockets, devices, which would be waited for
// without end when opened, and folders. What is not there is left to who opens it.
void CheckIsFile(const std::filesystem::path& path);

}  // namespace stemsmith
