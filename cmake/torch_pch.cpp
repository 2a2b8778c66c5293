// Carries the shared precompiled header; see Targets.cmake.
