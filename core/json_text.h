// JSON as people read it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace stemsmith {

// On one line, without quotes and braces: "best (loss 0.0212, sdr_db (drums 5.51)), step 20". Whole
// numbers are exact, others have four digits, or all before the point; null is a dash.
std::string JsonText(const nlohmann::json& value);

}  // namespace stemsmith
