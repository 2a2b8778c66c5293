option(STEMSMITH_TESTS "Build the tests and benchmarks" ON)
option(STEMSMITH_LIBAV "Build the module that decodes mp4, m4a, aac (libav)" ON)
option(STEMSMITH_RUBBERBAND "Build the module that changes pitch and tempo (Rubber Band, GPL)" ON)
option(STEMSMITH_OPENCV "Build the module of random forests (OpenCV)" ON)
option(STEMSMITH_CURL "Build the module that downloads models (libcurl)" ON)
option(STEMSMITH_FLUIDSYNTH "Build the module that renders the demo songs (FluidSynth)" ON)
option(STEMSMITH_REPORT "Build the reports (report.html) in: of training runs (needs uPlot) and of measured methods (needs Plotly)" ON)
option(STEMSMITH_SERVE "Build the web app, stemsmith serve (Boost, OpenSSL, SQLite, wavesurfer.js)" ON)
option(STEMSMITH_POSTGRESQL "Build its module for queues that several machines share (libpq)" ON)
option(STEMSMITH_FUZZ "Build the fuzzers of what reads files and requests of others (clang only)" OFF)
set(STEMSMITH_SANITIZER "" CACHE STRING "Sanitizers for all targets: address,undefined or thread")
set(STEMSMITH_UPLOT_DIR "${CMAKE_SOURCE_DIR}/.deps/npm/node_modules/uplot" CACHE PATH "uPlot, as npm installs it: holds dist/")
set(STEMSMITH_PLOTLY_DIR "${CMAKE_SOURCE_DIR}/.deps/plotly/node_modules/plotly.js-cartesian-dist-min" CACHE PATH "Plotly, as npm installs it: holds plotly-cartesian.min.js")
set(STEMSMITH_WAVESURFER_DIR "${CMAKE_SOURCE_DIR}/.deps/wavesurfer/node_modules/wavesurfer.js" CACHE PATH "wavesurfer.js, as npm installs it: holds dist/")
set(STEMSMITH_TORCH_DIR "${CMAKE_SOURCE_DIR}/.deps/torch" CACHE PATH "LibTorch, or an installed torch package: holds lib/ and include/")
set(ONNXRUNTIME_ROOT "${CMAKE_SOURCE_DIR}/.deps/onnxruntime" CACHE PATH "ONNX Runtime: holds lib/ and include/")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE_PROGRAM})
endif()

# What every target of ours is compiled with; nothing is set globally but -fPIC.
add_library(stemsmith_flags INTERFACE)
add_library(stemsmith::flags ALIAS stemsmith_flags)
# Paths in messages of ours and of LibTorch begin in this folder. GCC 12 sees overlapping copies inside std::string that there are not (its bug 105651).
target_compile_options(stemsmith_flags INTERFACE -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_include_directories(stemsmith_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
if(STEMSMITH_SANITIZER)
  target_compile_options(stemsmith_flags INTERFACE -fsanitize=${STEMSMITH_SANITIZER} -fno-omit-frame-pointer -g1)
  target_link_options(stemsmith_flags INTERFACE -fsanitize=${STEMSMITH_SANITIZER})
  if(STEMSMITH_SANITIZER MATCHES undefined)
    target_compile_options(stemsmith_flags INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/stemsmith_version.h CONTENT
"#pragma once
#define STEMSMITH_VERSION \"@PROJECT_VERSION@\"
" @ONLY)
