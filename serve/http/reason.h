// The words for the status of an answer.
#pragma once

namespace stemsmith {

const char* HttpReason(int status);  // "Not Found"

}  // namespace stemsmith
