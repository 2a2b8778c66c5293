// The files that are offered of a separated song, made when somebody asks for them. Their bytes are
// those that `separate` writes for the song in this format, which takes the same way
// (separate/separator.h): tags, cover, clipping, encoder delay.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "audio/audio_reader.h"
#include "audio/encode_options.h"

namespace stemsmith {

// A song and its stems on the disk.
struct SeparatedStems {
  std::filesystem::path folder;    // NAME.wav, as `separate --format wav --bits 32f` writes them
  std::vector<std::string> names;  // in the order in which a file of many streams has them
  std::filesystem::path song;      // what was separated, unchanged
  DecodeOptions decode;            // as it was read then
};

// Each makes `target` in the format, sample format and bit rate of `encoding`, whose other members
// do not count. A target that is there is the answer and stays. Throws Error: what the format has
// not (CheckEncodeOptions), unknown stems, files that are not there, a full disk.

// One stem, or the song itself as kMixture (separate/stem_mix.h); of a format of many streams all of them behind the song itself, where `stem` does not
// count. As 32-bit float wav the stem is not written a second time where the file system links.
void MakeStemFile(const SeparatedStems& stems, const std::string& stem,
                  const EncodeOptions& encoding, const std::filesystem::path& target);

// TITLE/STEM.ENDING of all stems, not compressed further, of no date (1980-01-01). Equal input
// gives equal bytes.
void MakeZip(const SeparatedStems& stems, const std::string& title, const EncodeOptions& encoding,
             const std::filesystem::path& target);

// The order for one of these, for the child process in which a file is made: tags and the mixture
// come from what a user has uploaded.
struct StemFileOrder {
  SeparatedStems stems;
  std::string stem;   // of one; empty: all in a zip
  std::string title;  // of the zip
  EncodeOptions encoding;
  std::filesystem::path target;

  std::string ToText() const;
  // Throws Error for what ToText() has not written.
  static StemFileOrder FromText(const std::string& text);
  void Make() const;
};

}  // namespace stemsmith
