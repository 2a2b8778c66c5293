// Percent-encoding of addresses (RFC 3986).
#pragma once

#include <string>
#include <string_view>

namespace stemsmith {

// All but the unreserved letters, as UTF-8: for a segment of a path, a value of a query and a
// filename* of Content-Disposition.
std::string PercentEncoded(std::string_view text);

}  // namespace stemsmith
