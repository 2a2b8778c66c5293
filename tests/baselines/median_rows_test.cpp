#include "baselines/median_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/random.h"

namespace stemsmith {
namespace {

TEST(MedianRows, AreThoseOfSortedColumns) {
  RandomStream random({5});
  for (const std::size_t count : {1, 2, 3, 4, 7, 17, 31, 64, 100, 333}) {
    const MedianRows median(count);
    for (const std::size_t columns : {1, 8, 13, 40}) {
      std::vector<std::vector<float>> rows(count, std::vector<float>(columns));
      std::vector<const float*> pointers;
      for (auto& row : rows) {
        // Some values come twice.
        for (float& value : row) value = static_cast<float>(random.Below(50)) - 20.0f;
        pointers.push_back(row.data());
      }
      std::vector<float> out(columns + 1, -1000.0f);
      median(pointers.data(), columns, out.data());
      for (std::size_t i = 0; i < columns; ++i) {
        std::vector<float> column;
        for (const auto& row : rows) column.push_back(row[i]);
        std::sort(column.begin(), column.end());
        const float high = column[count / 2];
        EXPECT_EQ(out[i], count % 2 == 1 ? high : (column[count / 2 - 1] + high) / 2);
      }
      EXPECT_EQ(out[columns], -1000.0f);
    }
  }
}

TEST(MedianRows, MirrorsAsOftenAsNeeded) {
  // … c b a | a b c | c b a | a b …
  const std::vector<std::size_t> wanted = {0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1};
  for (std::ptrdiff_t i = -7; i < 8; ++i)
    EXPECT_EQ(MirroredIndex(i, 3), wanted[static_cast<std::size_t>(i + 7)]) << i;
  EXPECT_EQ(MirroredIndex(-100, 1), 0u);
}

}  // namespace
}  // namespace stemsmith
