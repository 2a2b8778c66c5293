# cpack: packages that run on Debian 12 and newer and need nothing of the build.
#   cpack -G TGZ   stemsmith-separate-VERSION-x86_64.tar.gz: `separate`; can be unpacked anywhere, holds the libraries that it needs
#   cpack -G DEB   stemsmith-separate_VERSION_amd64.deb: `separate`; needs those of Debian
#   cpack -G TGZ -D CPACK_PACKAGE_NAME=stemsmith
#                  stemsmith-VERSION-x86_64.tar.gz: as the first one, with `stemsmith` and LibTorch
# All lie in BUILD/packages. tools/check_packages.sh makes and tries them.
set(CPACK_PACKAGE_NAME stemsmith-separate)
set(CPACK_PACKAGE_VENDOR stemsmith)
set(CPACK_PACKAGE_CONTACT "the authors of stemsmith")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "splits songs into stems with trained models")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGE_FILE_NAME stemsmith-separate-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_GENERATOR TGZ DEB)
set(CPACK_SOURCE_GENERATOR "")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};stemsmith;separate;/")

# By hand: what dpkg-shlibdeps finds would make libav, which only the module needs, a must.
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION sound)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= 2.34), libgcc-s1, libstdc++6 (>= 12), libsndfile1 (>= 1.2), libsoxr0")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS OFF)
if(STEMSMITH_LIBAV)
  set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "")
  foreach(library avformat avcodec avutil swresample)
    string(REGEX REPLACE "\\..*" "" major "${LIBAV_lib${library}_VERSION}")
    list(APPEND CPACK_DEBIAN_PACKAGE_RECOMMENDS lib${library}${major})
  endforeach()
  list(JOIN CPACK_DEBIAN_PACKAGE_RECOMMENDS ", " CPACK_DEBIAN_PACKAGE_RECOMMENDS)
endif()

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/package/cpack_options.cmake CONTENT [[
if(CPACK_PACKAGE_NAME STREQUAL "stemsmith")
  if(NOT CPACK_GENERATOR STREQUAL TGZ)
    message(FATAL_ERROR "The package of everything is a .tar.gz alone: cpack -G TGZ.")
  endif()
  set(CPACK_PACKAGE_FILE_NAME stemsmith-${CPACK_PACKAGE_VERSION}-@CMAKE_SYSTEM_PROCESSOR@)
  list(APPEND CPACK_INSTALL_CMAKE_PROJECTS "@CMAKE_BINARY_DIR@;stemsmith;stemsmith;/")
endif()
if(CPACK_GENERATOR STREQUAL DEB)  # a folder of its own, for its ONNX Runtime is not Debian's
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr/lib/stemsmith)
endif()
]] @ONLY)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_BINARY_DIR}/generated/package/cpack_options.cmake)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/package/fill_package.cmake CONTENT [[
execute_process(COMMAND "@CMAKE_COMMAND@" -D "root=${CPACK_TEMPORARY_INSTALL_DIRECTORY}" -D "prefix=${CPACK_PACKAGING_INSTALL_PREFIX}"
    -D kind=${CPACK_GENERATOR} -D package_name=${CPACK_PACKAGE_NAME}
    -D "source=@CMAKE_SOURCE_DIR@" -D "onnxruntime=@ONNXRUNTIME_LIBRARY@" -D "torch=@torch_dir@" -D "uplot=@STEMSMITH_UPLOT_DIR@"
    -D "plotly=@STEMSMITH_PLOTLY_DIR@" -D "wavesurfer=@STEMSMITH_WAVESURFER_DIR@"
    -P "@CMAKE_SOURCE_DIR@/cmake/fill_package.cmake" COMMAND_ERROR_IS_FATAL ANY)
]] @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_BINARY_DIR}/generated/package/fill_package.cmake)
include(CPack)
