# SPDX-License-Identifier: BSL-1.0

# Proves where the arrows between the headers point, by asking the compiler what each of them
# includes in the end:
#   cmake -P layers.cmake -- COMPILER FLAG...
#
#   include/sluice.hpp                  includes every public header
#   include/sluice/*.hpp                public: may include anything below
#   include/sluice/detail/*.hpp         the Asio layer: nothing public but the vocabulary
#   include/sluice/detail/core/*.hpp    the core: neither the Asio layer nor Asio itself
# The vocabulary are public headers that everything below may name because they lie below
# everything but the core: they include nothing else of Sluice and nothing of Asio. And nobody names
# what is in a namespace `detail` of Asio, but one header that declares what it names.

cmake_minimum_required(VERSION 3.25)

set(vocabulary sluice/error.hpp sluice/measured.hpp sluice/threading.hpp)
set(may_name_detail sluice/detail/awaitable_operation.hpp)

set(compile "")
set(is_command FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(index RANGE ${last})
  if(is_command)
    list(APPEND compile "${CMAKE_ARGV${index}}")
  elseif(CMAKE_ARGV${index} STREQUAL "--")
    set(is_command TRUE)
  endif()
endforeach()

cmake_path(SET root NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")
cmake_path(APPEND root include OUTPUT_VARIABLE include_directory)
file(GLOB_RECURSE headers RELATIVE ${include_directory} ${include_directory}/*.hpp)

set(failures "")
function(complain text)
  message("${text}")
  set(failures "${failures}x" PARENT_SCOPE)
endfunction()

# Sets `own` to the headers of Sluice that `header` includes, itself aside, directly or through
# others, and `asio` to the headers of Asio.
function(look_up header)
  execute_process(
    COMMAND ${compile} -std=c++20 -M -x c++ ${include_directory}/${header}
    OUTPUT_VARIABLE rule RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${header}: the compiler could not say what it includes")
  endif()
  # A line of the rule ends with a backslash, and so does a part of a path before a space.
  string(REPLACE "\\\n" " " rule "${rule}")
  string(REPLACE "\\ " "<space>" rule "${rule}")
  string(REGEX REPLACE "[ \n]+" ";" words "${rule}")
  list(TRANSFORM words REPLACE "<space>" " ")
  set(own "")
  set(asio "")
  foreach(word IN LISTS words)
    if(word MATCHES "/boost/asio(/|\\.hpp$)")
      list(APPEND asio ${word})
    endif()
    cmake_path(IS_PREFIX include_directory "${word}" NORMALIZE is_own)
    if(is_own)
      cmake_path(RELATIVE_PATH word BASE_DIRECTORY ${include_directory})
      if(NOT word STREQUAL header)
        list(APPEND own ${word})
      endif()
    endif()
  endforeach()
  set(own "${own}" PARENT_SCOPE)
  set(asio "${asio}" PARENT_SCOPE)
endfunction()

set(seen_asio FALSE)
set(public "")
foreach(header IN LISTS headers)
  look_up(${header})

  # What Asio keeps to itself changes without notice: only its macros are needed.
  file(STRINGS ${include_directory}/${header} private
    REGEX "asio(::|/)detail|asio(::|/)experimental(::|/)detail")
  list(FILTER private EXCLUDE REGEX "^#include <boost/asio/detail/(config|handler_tracking)\\.hpp>$")
  if(private AND NOT header IN_LIST may_name_detail)
    complain("${header} uses what is private to Asio: ${private}")
  endif()

  if(header STREQUAL "sluice.hpp")
    set(umbrella "${own}")
    continue()
  endif()

  if(header IN_LIST vocabulary)
    set(allowed "^sluice/detail/core/")
    set(may_see_asio FALSE)
  elseif(header MATCHES "^sluice/detail/core/")
    set(allowed "^sluice/detail/core/")
    set(may_see_asio FALSE)
  elseif(header MATCHES "^sluice/detail/")
    set(allowed "^sluice/detail/")
    set(may_see_asio TRUE)
  else()
    set(allowed "^sluice/")
    set(may_see_asio TRUE)
  endif()
  if(NOT header MATCHES "/detail/")
    list(APPEND public ${header})
  endif()

  foreach(other IN LISTS own)
    if(NOT other MATCHES "${allowed}" AND NOT other IN_LIST vocabulary)
      complain("${header} includes ${other}, which lies above it")
    endif()
  endforeach()
  if(asio)
    set(seen_asio TRUE)
    if(NOT may_see_asio)
      list(GET asio 0 first)
      complain("${header} includes Asio: ${first}")
    endif()
  endif()
endforeach()

foreach(header IN LISTS public)
  if(NOT header IN_LIST umbrella)
    complain("sluice.hpp does not include ${header}")
  endif()
endforeach()

# A check that recognised no header of Asio anywhere would prove nothing.
if(NOT seen_asio)
  complain("no header at all was seen to include Asio")
endif()

if(failures)
  message(FATAL_ERROR "the layers are not kept")
endif()
list(LENGTH headers count)
message("${count} headers keep to their layers")
