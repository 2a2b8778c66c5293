#include "synth/song_order.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace stemsmith::synth {

int SongNumber(const std::string& song_name) {
  constexpr std::string_view kPrefix = "song_";
  if (!song_name.starts_with(kPrefix)) return 0;
  int number = 0;
  std::from_chars(song_name.data() + kPrefix.size(), song_name.data() + song_name.size(), number);
  return std::max(0, number);
}

}  // namespace stemsmith::synth
