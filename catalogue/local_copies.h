// Files that Python's packages have downloaded already.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/host.h"

namespace stemsmith {

// Where a package that loaded `address` keeps the file, as far as they are there:
//   torch.hub (Demucs 3, 4.0; Open-Unmix): TORCH_HOME/hub/checkpoints/NAME
//   huggingface_hub (Demucs 4.1), of addresses https://huggingface.co/OWNER/REPOSITORY/resolve/…:
//   HF_HUB_CACHE/models--OWNER--REPOSITORY/snapshots/*/NAME
// with the defaults of both in ~/.cache (torch/hub.py 2.11, huggingface_hub/constants.py 0.34).
std::vector<std::filesystem::path> LocalCopies(const std::string& address);

// $NAME where it is an absolute path, else ~/FALLBACK; empty where there is no home either.
std::filesystem::path UserFolder(const char* name, const char* fallback);
// Warns of those of the settings ("XDG_DATA_HOME") that UserFolder passes over: relative paths.
void WarnOfRelativeFolders(std::initializer_list<const char*> names, const Listener& warn);

}  // namespace stemsmith
