// The serial number of an Ogg stream. Private to audio/.
#pragma once

#include "audio/output_file.h"

namespace stemsmith {

// Encoders take a random one, so that streams can be joined (RFC 3533, 4): two files of the same
// audio differ. This gives a complete file of one stream a number made from its content instead.
void SetOggSerialByContent(OutputFile& file);

}  // namespace stemsmith
