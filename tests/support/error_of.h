// What an action that must fail says.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/error.h"

namespace stemsmith::testing {

// The Error that `action` throws. The test fails when it throws none, and this returns an Error of
// empty texts; other exceptions pass through.
Error ErrorOf(const std::function<void()>& action);

// The text of that Error as programs show it, which must have the exit code where one is given.
std::string MessageOf(const std::function<void()>& action, std::optional<ExitCode> code = {});

}  // namespace stemsmith::testing
