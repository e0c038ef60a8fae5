# SPDX-License-Identifier: BSL-1.0

# Writes a header that is mutated:
#   cmake -DMUTATION=FILE -DINCLUDE=FOLDER -DOUTPUT=FILE -P apply.cmake
#
# A mutation is a file of lines
#   breaks: what it breaks, for people
#   program: the program in test/model that has to find it
#   header: the header it is in, below INCLUDE
# then `--- is`, a piece of that header, `--- becomes`, what is there instead, and `--- end`. The
# piece has to be there exactly once; otherwise it no longer applies, and that is an error.

cmake_minimum_required(VERSION 3.25)

file(READ "${MUTATION}" mutation)

# Sets `out` to what stands between two lines.
function(part begin end out)
  string(FIND "${mutation}" "\n${begin}" first)
  if(first EQUAL -1)
    message(FATAL_ERROR "${MUTATION}: there is no line ${begin}")
  endif()
  string(LENGTH "\n${begin}" length)
  math(EXPR first "${first} + ${length}")
  string(SUBSTRING "${mutation}" ${first} -1 rest)
  string(FIND "${rest}" "${end}" last)
  if(last EQUAL -1)
    message(FATAL_ERROR "${MUTATION}: nothing ends ${begin}")
  endif()
  string(SUBSTRING "${rest}" 0 ${last} rest)
  set(${out} "${rest}" PARENT_SCOPE)
endfunction()

part("header: " "\n" header)
part("--- is\n" "--- becomes\n" is)
part("--- becomes\n" "--- end\n" becomes)

file(READ "${INCLUDE}/${header}" text)
string(FIND "${text}" "${is}" first)
string(FIND "${text}" "${is}" last REVERSE)
if(first EQUAL -1 OR NOT first EQUAL last)
  message(FATAL_ERROR "${MUTATION} no longer applies: what it changes is not exactly once in "
    "${header}. Break the same thing again, where it is now.")
endif()
string(REPLACE "${is}" "${becomes}" text "${text}")
file(WRITE "${OUTPUT}" "${text}")
