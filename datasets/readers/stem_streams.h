// Which stream of a .stem.mp4 is which stem. Names in the file decide; where the file names nothing
// it is MUSDB18's order: mixture, drums, bass, other, vocals.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "audio/decode.h"

namespace stemsmith {

struct StemStreams {
  struct Stem {
    std::string name;
    int stream = 0;
  };
  std::vector<Stem> stems;  // in the order of the streams
  int mixture = -1;         // stream; -1 where no stream is the mixture
  int count = 0;            // of audio streams that the file must have; 0: as many as it has
};

// MUSDB18's order, for a file of five streams.
StemStreams OrderOfMusdb();

// `titles`: of the audio streams, as the container has them. `atom`: the names in the atom `stem`
// of Native Instruments, which are those of the streams after the first; empty where there is none.
// Throws Error (where: `path`) for a contradiction: two streams of one name, a name that is no
// stem's among such that are, or an atom that says otherwise than the titles.
StemStreams NameStreams(const std::vector<std::string>& titles,
                        const std::vector<std::string>& atom, const std::filesystem::path& path);

// Reads the names from the file's header. A file that cannot be opened has the order of MUSDB18:
// what is wrong with it is said when it is decoded.
StemStreams StreamsOf(const std::filesystem::path& path);

// Of each sound track of an mp4 file the title in trak/udta/name, which libav does not tell; ""
// where there is none.
std::vector<std::string> ReadTrackTitles(const std::filesystem::path& path);

// `stems[].name` of the JSON in moov/udta/stem, in its order; empty where there is none or it is
// not understood. Reads a few kilobytes.
std::vector<std::string> ReadStemAtom(const std::filesystem::path& path);

}  // namespace stemsmith
