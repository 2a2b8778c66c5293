// Tags of mp3 files. Private to audio/.
#pragma once

#include <string>

#include "audio/encode_options.h"

namespace stemsmith {

// The texts and the picture as ID3v2.4 (id3.org, "ID3 tag version 2.4.0"), for the beginning of a
// file; "" of neither.
std::string Id3Tag(const EncodeOptions& options);

}  // namespace stemsmith
