// The songs of a dataset, side by side.
#pragma once

#include <cstddef>
#include <functional>

#include "core/host.h"

namespace stemsmith {

// Whether the song in work is to be given up: the host asked to stop, or another one failed.
using StopQuestion = std::function<bool()>;

// Calls work(i, stop) for 0 … count-1 on so many threads (0: one per processor), each song on the
// thread that is free next, until the host asks to stop. Returns the signal it asked with, or 0;
// the first counts, so that what was given up for it is told. The first exception ends the others'
// work likewise, and is thrown at the end.
int ForEachSong(std::size_t count, int threads, const Host& host,
                const std::function<void(std::size_t song, const StopQuestion& stop)>& work);

}  // namespace stemsmith
