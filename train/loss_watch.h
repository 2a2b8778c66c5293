// Knows losses that are no use: not finite, or exploding against those of the steps before.
#pragma once

#include <string>
#include <vector>

namespace stemsmith {

// The losses that a loss is judged by: the newest kLossWindow, in order. None explodes before
// there are kLeastLosses of them.
inline constexpr std::size_t kLossWindow = 100, kLeastLosses = 20;
void RememberLoss(double loss, std::vector<double>& recent);

// What is wrong with a step's loss or gradient, "" where nothing is. A loss explodes when it lies
// above the median of the losses before by more than (factor − 1) times that median's size, so that
// losses below zero are judged as well; `explosion_factor` 0: none does.
std::string WrongWith(double loss, double gradient_norm, const std::vector<double>& recent,
                      double explosion_factor);

}  // namespace stemsmith
