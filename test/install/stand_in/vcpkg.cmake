# SPDX-License-Identifier: BSL-1.0

# Stands in for vcpkg: runs a port, for which it has just those functions that the port of this
# project uses, and installs what comes of it.
#   cmake -D PORT=NAME -D OVERLAY_PORTS=FOLDER -D INSTALLED=PREFIX -P vcpkg.cmake
cmake_minimum_required(VERSION 3.25)

cmake_path(ABSOLUTE_PATH OVERLAY_PORTS)
set(CURRENT_PORT_DIR ${OVERLAY_PORTS}/${PORT})
set(CURRENT_PACKAGES_DIR ${INSTALLED})
set(build ${INSTALLED}.build)

file(READ ${CURRENT_PORT_DIR}/vcpkg.json manifest)
string(JSON name GET "${manifest}" name)
if(NOT name STREQUAL PORT)
  message(FATAL_ERROR "the port in the folder ${PORT} is called ${name}")
endif()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" SOURCE_PATH OPTIONS)
  execute_process(COMMAND_ERROR_IS_FATAL ANY
    COMMAND ${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${build} ${arg_OPTIONS}
      -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR})
endfunction()

function(vcpkg_cmake_install)
  execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND ${CMAKE_COMMAND} --build ${build})
  execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND ${CMAKE_COMMAND} --install ${build})
endfunction()

# Moves the package for CMake to share/PORT, which is one folder nearer to the prefix. There may be
# other files already.
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" CONFIG_PATH "")
  set(share ${CURRENT_PACKAGES_DIR}/share/${PORT})
  file(GLOB package ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/*)
  file(COPY ${package} DESTINATION ${share})
  file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/share/cmake)
  file(READ ${share}/${PORT}Targets.cmake targets)
  set(one_up "get_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\n")
  string(REPLACE "${one_up}${one_up}" "${one_up}" targets "${targets}")
  file(WRITE ${share}/${PORT}Targets.cmake "${targets}")
endfunction()

# Looks for what vcpkg would have to mend, where it would look for it.
function(vcpkg_fixup_pkgconfig)
  file(GLOB found ${CURRENT_PACKAGES_DIR}/share/pkgconfig/*.pc)
  if(NOT found)
    message(FATAL_ERROR "there is no file for pkg-config")
  endif()
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" FILE_LIST)
  file(COPY_FILE ${arg_FILE_LIST} ${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright)
endfunction()

include(${CURRENT_PORT_DIR}/portfile.cmake)
