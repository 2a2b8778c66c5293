// --engine, --precision and where compiled models are kept: the same in every program that runs
// models.
#pragma once

#include <CLI/CLI.hpp>

#include "separate/runtime.h"

namespace stemsmith {

// Adds the two options, which set fields of `options`; it must outlive the parse.
void AddEngine(CLI::App& app, RuntimeOptions& options);

// Keeps compiled models where $XDG_CACHE_HOME says, or ~/.cache: in its folder `stemsmith`.
// STEMSMITH_COMPILED_MODELS is another folder; empty: none.
void UseCompiledCache(RuntimeOptions& options);

// One line on the expected error of numbers of fewer bits; "" where there is none.
std::string PrecisionNote(const Runtime& runtime);

}  // namespace stemsmith
