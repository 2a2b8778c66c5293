// How Vorbis and Opus order channels. Private to audio/.
#pragma once

#include <cstddef>
#include <vector>

namespace stemsmith {

// WAVE's speaker bits of the channels, as the Vorbis specification (4.3.9) and RFC 7845 (5.1.1.2)
// order them; empty where that is WAVE's order.
std::vector<int> XiphSpeakers(int channels);

// Where speakers in this order come in WAVE's: WAVE's channel → theirs.
std::vector<std::size_t> OrderOfSpeakers(const std::vector<int>& speakers);

// The same of XiphSpeakers; empty where the order is WAVE's.
inline std::vector<std::size_t> XiphOrder(int channels) {
  return OrderOfSpeakers(XiphSpeakers(channels));
}

}  // namespace stemsmith
