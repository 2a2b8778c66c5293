# The few kinds of target there are. One static library per folder; a wrong include does not link.

# stemsmith_library(NAME SOURCES… LINK…): libstemsmith_NAME, alias stemsmith::NAME.
function(stemsmith_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(stemsmith_${name} STATIC ${arg_SOURCES})
  add_library(stemsmith::${name} ALIAS stemsmith_${name})
  target_link_libraries(stemsmith_${name} PUBLIC stemsmith::flags ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
endfunction()

# stemsmith_hides_symbols(NAME): of this library a shared one shows only what is marked (core/visibility.h).
function(stemsmith_hides_symbols name)
  set_target_properties(stemsmith_${name} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# stemsmith_exports(TARGET MAP): a shared library or module shows the symbols that cmake/MAP lists and no others; the
# templates of the standard library, which every C++ object holds copies of, stay inside.
function(stemsmith_exports target map)
  target_link_options(${target} PRIVATE LINKER:--version-script=${CMAKE_SOURCE_DIR}/cmake/${map})
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/${map})
endfunction()

# The one precompiled torch header; whoever sees torch calls stemsmith_uses_torch(TARGET). Even so a translation unit
# costs about 15 s before its own first line, so the sources of a target are compiled several at a time.
add_library(stemsmith_torch_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/torch_pch.cpp)
target_link_libraries(stemsmith_torch_pch PUBLIC stemsmith::flags torch::torch)
target_compile_options(stemsmith_torch_pch PRIVATE -Wno-all -Wno-extra)
target_precompile_headers(stemsmith_torch_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/torch_pch.h)
function(stemsmith_uses_torch target)
  target_link_libraries(${target} PUBLIC torch::torch)
  target_precompile_headers(${target} REUSE_FROM stemsmith_torch_pch)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
endfunction()
