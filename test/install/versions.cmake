# SPDX-License-Identifier: BSL-1.0

# Checks that whatever names a version of the library names that of include/sluice/version.hpp, and
# that the package for CMake is offered to those projects that it is for:
#   cmake -D CONFIG_VERSION=FILE -P versions.cmake
cmake_minimum_required(VERSION 3.25)

cmake_path(SET root NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")
set(failures 0)

function(expect what found expected)
  if(NOT found STREQUAL expected)
    message("${what} is '${found}' and not '${expected}'")
    math(EXPR failures "${failures} + 1")
    set(failures ${failures} PARENT_SCOPE)
  endif()
endfunction()

# first FILE PATTERN sets `first` to what the first match of a pattern has in parentheses.
function(first file pattern)
  file(READ ${root}/${file} text)
  set(first "")
  if(text MATCHES "${pattern}")
    set(first "${CMAKE_MATCH_1}")
  endif()
  set(first "${first}" PARENT_SCOPE)
endfunction()

first(include/sluice/version.hpp "#define SLUICE_VERSION_STRING \"([0-9]+\\.[0-9]+\\.[0-9]+)\"\n")
set(version "${first}")
if(NOT version MATCHES "^([0-9]+)\\.([0-9]+)\\.([0-9]+)$")
  message(FATAL_ERROR "the header does not say which version it is")
endif()
set(major ${CMAKE_MATCH_1})
set(minor ${CMAKE_MATCH_2})
set(patch ${CMAKE_MATCH_3})

first(include/sluice/version.hpp "#define SLUICE_VERSION ([0-9]+)\n")
math(EXPR number "${major} * 100000 + ${minor} * 100 + ${patch}")
expect("SLUICE_VERSION" "${first}" ${number})

file(READ ${root}/doc/packaging/vcpkg/sluice/vcpkg.json manifest)
string(JSON found GET "${manifest}" version)
expect("the version of the port for vcpkg" "${found}" ${version})

first(doc/changelog.adoc "\n== ([0-9]+\\.[^\n ]*)")
expect("the first version in doc/changelog.adoc" "${first}" ${version})

# What the pages tell the reader to write.
foreach(file IN ITEMS README.md test/install/consumer/CMakeLists.txt)
  first(${file} "find_package\\(sluice ([0-9.]+)")
  expect("the version that ${file} looks for" "${first}" ${major}.${minor})
endforeach()
first(test/install/ways/debian_package.sh "libsluice-dev_([0-9.]+)_all")
expect("the version that is installed by apt" "${first}" ${version})
first(doc/installing.adoc "sluice/([0-9.]+)")
expect("the version that is required of Conan" "${first}" ${version})

# --- Which versions may stand in for which --------------------------------------------------------

function(expect_offer wanted expected)
  set(PACKAGE_FIND_VERSION ${wanted})
  string(REPLACE "." ";" parts "${wanted}.0.0")
  list(GET parts 0 PACKAGE_FIND_VERSION_MAJOR)
  list(GET parts 1 PACKAGE_FIND_VERSION_MINOR)
  list(GET parts 2 PACKAGE_FIND_VERSION_PATCH)
  include(${CONFIG_VERSION})
  expect("the version of the package for CMake" "${PACKAGE_VERSION}" ${version})
  set(offered no)
  if(PACKAGE_VERSION_COMPATIBLE)
    set(offered yes)
  endif()
  expect("whether it is offered to who wants ${wanted}" ${offered} ${expected})
  set(failures ${failures} PARENT_SCOPE)
endfunction()

if(NOT major EQUAL 0)
  message(FATAL_ERROR "From version 1.0 a minor version changes nothing: see doc/changelog.adoc")
endif()
math(EXPR next_minor "${minor} + 1")
math(EXPR next_patch "${patch} + 1")
expect_offer(0.${minor} yes)
expect_offer(${version} yes)
expect_offer(0.${minor}.${next_patch} no)
expect_offer(0.${next_minor} no)
expect_offer(1.0 no)
if(minor GREATER 0)
  math(EXPR last_minor "${minor} - 1")
  expect_offer(0.${last_minor} no)
endif()

if(failures)
  message(FATAL_ERROR "${failures} of them do not agree")
endif()
message("all of them are version ${version}")
