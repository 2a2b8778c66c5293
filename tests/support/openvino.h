// For tests that need OpenVINO's library, which installations may lack.
#pragma once

#include <gtest/gtest.h>

#include "separate/openvino_api.h"

#define STEMSMITH_NEEDS_OPENVINO()        \
  if (openvino::Find().api == nullptr)    \
  GTEST_SKIP() << "needs OpenVINO (tools/setup.sh --tests): " << openvino::Find().problem
