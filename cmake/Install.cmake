# cmake --install. The component `separate` is what other programs need to separate songs:
#   bin/separate
#   lib/libstemsmith.so, its modules, ONNX Runtime where it is not the system's, cmake/stemsmith, pkgconfig
#   include/stemsmith: stemsmith.h (C) and the public headers of the folders (C++)
#   share/man, and completion for bash, zsh and fish
# The component `stemsmith` is what training takes besides:
#   bin/stemsmith, stemsmith-torch
#   lib/ its modules
#   share/stemsmith/configs, and for its programs the pages and completion as above
# The tree can be moved: libraries find each other by $ORIGIN.
set(CMAKE_INSTALL_LIBDIR lib CACHE PATH "Libraries; programs look for modules in ../lib")
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The public headers of C++, by name. Each may include those named here and the standard library.
set(public_headers
  core/device.h core/error.h core/visibility.h
  audio/audio.h audio/audio_reader.h audio/decode.h audio/encode.h audio/encode_formats.h audio/encode_options.h
  separate/averaged_song.h separate/combined_song.h separate/engine.h separate/live_stream.h separate/model_info.h separate/named_choice.h separate/runtime.h separate/separator.h separate/song_separator.h separate/stem_mix.h separate/stem_stream.h)

# Installed as stemsmith/FOLDER/NAME.h, and included so.
foreach(header ${public_headers})
  file(READ ${header} text)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  string(REGEX MATCHALL "#include \"[^\"]+\"" includes "${text}")
  foreach(include ${includes})
    string(REGEX REPLACE "#include \"(.*)\"" "\\1" included "${include}")
    if(NOT included IN_LIST public_headers)
      message(FATAL_ERROR "${header} is public and includes ${included}, which is not: cmake/Install.cmake lists them.")
    endif()
  endforeach()
  string(REPLACE "#include \"" "#include \"stemsmith/" text "${text}")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/public/${header} CONTENT "${text}" @ONLY)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${CMAKE_BINARY_DIR}/generated/public/${header} COMPONENT separate
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stemsmith/${folder})
endforeach()
install(FILES include/stemsmith/stemsmith.h COMPONENT separate DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stemsmith)

target_include_directories(stemsmith_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(stemsmith_shared INTERFACE cxx_std_20)
set_target_properties(stemsmith_shared PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS stemsmith_shared EXPORT stemsmith COMPONENT separate LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
set_target_properties(separate PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
install(TARGETS separate COMPONENT separate RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# LibTorch is too large to lie beside them: the one of the build, or one in lib.
set_target_properties(stemsmith_torchscript PROPERTIES INSTALL_RPATH "$ORIGIN;${torch_dir}/lib")
install(TARGETS stemsmith_torchscript COMPONENT separate LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET stemsmith_libav)
  install(TARGETS stemsmith_libav COMPONENT separate LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
set_target_properties(stemsmith PROPERTIES BUILD_RPATH "$ORIGIN/../lib" INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set_target_properties(stemsmith-torch PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${torch_dir}/lib")
install(TARGETS stemsmith stemsmith-torch COMPONENT stemsmith RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(module stemsmith_rubberband stemsmith_opencv stemsmith_fluidsynth stemsmith_curl stemsmith_postgresql)
  if(TARGET ${module})
    install(TARGETS ${module} COMPONENT stemsmith LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  endif()
endforeach()
install(DIRECTORY configs COMPONENT stemsmith DESTINATION ${CMAKE_INSTALL_DATADIR}/stemsmith)

# Manual pages and the shells' completion, by the programs themselves.
foreach(program separate stemsmith)
  set(pages)
  foreach(page "man;man/man1/${program}.1" "bash;bash-completion/completions/${program}" "zsh;zsh/site-functions/_${program}"
      "fish;fish/vendor_completions.d/${program}.fish")
    list(GET page 0 kind)
    list(GET page 1 file)
    get_filename_component(folder ${file} DIRECTORY)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/share/${file}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/share/${folder}
      COMMAND ${program} --generate ${kind} > ${CMAKE_BINARY_DIR}/share/${file} DEPENDS ${program} VERBATIM)
    install(FILES ${CMAKE_BINARY_DIR}/share/${file} COMPONENT ${program} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder})
    list(APPEND pages ${CMAKE_BINARY_DIR}/share/${file})
  endforeach()
  add_custom_target(${program}_pages ALL DEPENDS ${pages})
endforeach()
if(NOT ONNXRUNTIME_LIBRARY MATCHES "^/usr/lib")
  get_filename_component(file ${ONNXRUNTIME_LIBRARY} REALPATH)
  install(FILES ${file} COMPONENT separate DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME libonnxruntime.so.1)
endif()

# While the version begins with 0, every second number is a new interface.
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
endif()
set(package ${CMAKE_BINARY_DIR}/generated/package)
write_basic_package_version_file(${package}/stemsmithConfigVersion.cmake COMPATIBILITY ${compatibility})
install(EXPORT stemsmith COMPONENT separate NAMESPACE stemsmith:: FILE stemsmithConfig.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/stemsmith)
file(CONFIGURE OUTPUT ${package}/stemsmith.pc CONTENT
"prefix=\${pcfiledir}/../..
libdir=\${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: stemsmith
Description: @PROJECT_DESCRIPTION@
Version: @PROJECT_VERSION@
Libs: -L\${libdir} -lstemsmith
Cflags: -I\${includedir}
" @ONLY)
install(FILES ${package}/stemsmithConfigVersion.cmake COMPONENT separate DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/stemsmith)
install(FILES ${package}/stemsmith.pc COMPONENT separate DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
