# stemsmith_embed(OUTPUT NAMESPACE PARTS NAME… FILES FILE…): a C++ source in which `const char NAME[]` holds the bytes
# of its file and a closing zero; without files all are empty. Written when CMake runs, which it does again when a
# file changes. One string literal of escapes: lists of characters take compilers a hundred times as long.
function(stemsmith_embed output namespace)
  cmake_parse_arguments(arg "" "" "PARTS;FILES" ${ARGN})
  set(text "// Made by CMake.\nnamespace ${namespace} {\n")
  foreach(name file IN ZIP_LISTS arg_PARTS arg_FILES)
    set(bytes "")
    if(file)
      file(READ ${file} bytes HEX)
      string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" bytes "${bytes}")
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    endif()
    string(APPEND text "extern const char ${name}[];\nconst char ${name}[] = \"${bytes}\";\n")
  endforeach()
  file(GENERATE OUTPUT ${output} CONTENT "${text}}\n")
endfunction()
