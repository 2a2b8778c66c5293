#include "tests/support/error_of.h"

#include <gtest/gtest.h>

#include "core/option.h"

namespace stemsmith::testing {

Error ErrorOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no stemsmith::Error was thrown";
  return Error::Input("", "");
}

std::string MessageOf(const std::function<void()>& action, std::optional<ExitCode> code) {
  const Error error = ErrorOf(action);
  if (code) {
    EXPECT_EQ(error.code(), *code) << error.what();
  }
  return ShowOptions(error.text(), OptionStyle::kFlag);
}

}  // namespace stemsmith::testing
