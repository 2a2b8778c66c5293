// What libstemsmith.so shows of the C++ side. Everything else is hidden (cmake/Targets.cmake).
#pragma once

#define STEMSMITH_PUBLIC __attribute__((visibility("default")))
// Of what lies within something public.
#define STEMSMITH_PRIVATE __attribute__((visibility("hidden")))
