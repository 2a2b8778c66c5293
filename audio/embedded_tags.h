// Tags as the bytes of formats. Private to audio/.
#pragma once

#include <string>

#include "audio/encode_options.h"

namespace stemsmith {

// The texts and the picture as ID3v2.4 (id3.org, "ID3 tag version 2.4.0"), for the beginning of a
// file; "" of neither.
std::string Id3Tag(const EncodeOptions& options);

// The picture as a metadata block of flac (RFC 9639, 8.8) that is not the last one; "" without one.
std::string FlacPicture(const EncodeOptions& options);

}  // namespace stemsmith
