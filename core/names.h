// Names that people write, in files and on command lines, against those that there are.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace stemsmith {

// Edit distance with neighbours swapped counting once (Damerau, optimal string alignment).
std::size_t EditDistance(const std::string& a, const std::string& b);

// The word in `known` nearest to `word` by edit distance, or "" when none is near enough to be
// meant.
template <typename Range>
std::string NearestName(const std::string& word, const Range& known) {
  std::string best;
  std::size_t best_distance = word.size() / 3 + 2;
  for (const auto& candidate : known) {
    const std::size_t distance = EditDistance(word, std::string(candidate));
    if (distance < best_distance) best_distance = distance, best = std::string(candidate);
  }
  return best;
}

// Advice on a word that is none of `known`: "did you mean 'drums'?", or `otherwise`.
template <typename Range>
std::string DidYouMean(const std::string& word, const Range& known, const std::string& otherwise) {
  const std::string nearest = NearestName(word, known);
  return nearest.empty() ? otherwise : "did you mean '" + nearest + "'?";
}

// The place of `name` in `known`; throws Error with `what`, `where` and the advice
// "did you mean 'drums'? known: drums, bass, vocals".
template <typename Range>
std::size_t RequireName(std::string_view name, const Range& known, const std::string& what,
                        const std::string& where) {
  const auto found = std::find(std::begin(known), std::end(known), name);
  if (found != std::end(known))
    return static_cast<std::size_t>(std::distance(std::begin(known), found));
  const std::string meant = DidYouMean(std::string(name), known, "");
  throw Error::Usage(what, where,
                     meant + (meant.empty() ? "known: " : " known: ") + JoinNames(known));
}

// The row of a table whose `name` is `name`; throws the same Error, "unknown KIND 'NAME'".
template <typename Table>
const auto& FindRow(const Table& table, std::string_view name, const std::string& kind,
                    const std::string& where) {
  std::vector<std::string_view> names;
  for (const auto& row : table) names.emplace_back(row.name);
  const std::string what = "unknown " + kind + " '" + std::string(name) + "'";
  return table[RequireName(name, names, what, where)];
}

}  // namespace stemsmith
