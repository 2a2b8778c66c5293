// By itself, so that programs that open no model are not linked with those who run them.
#include "separate/runtime.h"

#include "separate/manifest.h"

namespace stemsmith {

const ModelInfo& Runtime::info() const { return manifest(); }

const std::vector<std::string>& Runtime::stems() const { return manifest().stems; }

}  // namespace stemsmith
