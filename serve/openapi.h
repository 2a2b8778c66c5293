// serve/openapi.yaml, built in (serve/CMakeLists.txt).
#pragma once

namespace stemsmith::openapi {

extern const char kText[];

}  // namespace stemsmith::openapi
