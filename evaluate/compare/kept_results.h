// Figures of a song by a method in a file, with the fingerprint of what they were made of.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "evaluate/songs/evaluation.h"

namespace stemsmith {

// Of the song, its stems, figures, those of its windows, and notes; what is no number comes back as
// NaN. Throws Error.
void WriteResult(const std::filesystem::path& file, const std::string& fingerprint,
                 const std::string& method, const SongEvaluation& song);
// Nothing where there is no file, or one of another fingerprint or that is damaged.
std::optional<SongEvaluation> ReadResult(const std::filesystem::path& file,
                                         const std::string& fingerprint);

}  // namespace stemsmith
