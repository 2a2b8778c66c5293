#include "datasets/prepare/options.h"

#include <charconv>

#include "core/error.h"
#include "core/option.h"

namespace stemsmith {

const char* CacheFormatName(CacheFormat format) {
  switch (format) {
    case CacheFormat::kInt16:
      return "int16";
    case CacheFormat::kFloat16:
      return "float16";
    case CacheFormat::kFloat32:
      return "float32";
    case CacheFormat::kAuto:
      break;
  }
  return "auto";
}

PrepareShard PrepareShard::Parse(const std::string& text) {
  PrepareShard shard;
  const char* end = text.data() + text.size();
  const auto number = std::from_chars(text.data(), end, shard.number);
  auto count = number;
  if (number.ec == std::errc() && number.ptr != end && *number.ptr == '/')
    count = std::from_chars(number.ptr + 1, end, shard.count);
  if (count.ec != std::errc() || count.ptr != end || count.ptr == number.ptr || shard.number < 1 ||
      shard.count < shard.number) {
    throw Error::Usage("\"" + text + "\" is no shard", Option("shard"),
                       "give K/N: which of how many runs, as 1/3, 2/3 and 3/3");
  }
  return shard;
}

}  // namespace stemsmith
