# SPDX-License-Identifier: BSL-1.0

# Checks a file that must not compile:
#   cmake -P check.cmake -- FILE COMPILER FLAG...
#
# The file has one or more lines
#   // expect: words
# All of these words have to be in what the compiler says, so that the file fails for the reason it
# is about. With SLUICE_COMPILE_FAIL_CONTROL defined the same file has to compile, so that nothing
# else is wrong with it.

cmake_minimum_required(VERSION 3.25)

set(arguments "")
set(is_argument FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(index RANGE ${last})
  if(is_argument)
    list(APPEND arguments "${CMAKE_ARGV${index}}")
  elseif(CMAKE_ARGV${index} STREQUAL "--")
    set(is_argument TRUE)
  endif()
endforeach()
list(POP_FRONT arguments file)
set(compile ${arguments} -fsyntax-only -fmessage-length=0)

# A fatal message is wrapped like prose, so what has been found out is said before it.
function(fail finding)
  message("${file}: ${finding}")
  message(FATAL_ERROR "The file does not fail as it should.")
endfunction()

file(STRINGS ${file} expectations REGEX "^// expect: ")
if(NOT expectations)
  fail("it expects nothing: give it a line '// expect: words'")
endif()

# The messages are compared as the compilers write them without a locale.
set(ENV{LC_ALL} C)

execute_process(COMMAND ${compile} -DSLUICE_COMPILE_FAIL_CONTROL ${file}
  ERROR_VARIABLE said RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  fail("the control has to compile, but:\n${said}")
endif()

execute_process(COMMAND ${compile} ${file} ERROR_VARIABLE said RESULT_VARIABLE result)
if(result EQUAL 0)
  fail("it compiles")
endif()
foreach(line IN LISTS expectations)
  string(REGEX REPLACE "^// expect: " "" words "${line}")
  string(FIND "${said}" "${words}" place)
  if(place EQUAL -1)
    fail("the compiler did not say '${words}', but:\n${said}")
  endif()
endforeach()
message("${file}: it fails as it should")
