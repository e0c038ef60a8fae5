#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Does what README.md says: compiles its program by the command shown there, compares what it
# prints, builds it in a CMake project that has the lines shown there, and configures one for each
# other way that it names. (The tests of the installation build such projects.)
#
# Usage: readme.sh SOURCE-FOLDER WORK-FOLDER CMAKE-COMMAND...
set -euo pipefail

source_folder=$1
work=$2
shift 2
cmake=("$@")
readme=$source_folder/README.md

fail() { printf 'README.md: %s\n' "$*" >&2; exit 1; }

# An empty path would mean the current folder.
[ -n "${CPLUS_INCLUDE_PATH:-}" ] || unset CPLUS_INCLUDE_PATH

rm -rf "$work"
mkdir -p "$work"
cd "$work"
# The name by which README.md refers to a copy of this project.
ln -s "$source_folder" sluice

# block LANGUAGE N prints the Nth code block of that language.
block() {
  awk -v language="$1" -v wanted="$2" '
    $0 == "```" { inside = 0 }
    inside { print; found = 1 }
    $0 == "```" language && ++seen == wanted { inside = 1 }
    END { exit !found }' "$readme" || fail "there is no code block $2 in $1"
}

# Whoever adds a code block says here how it is tested.
languages=$(grep '^```.' "$readme" | sort | tr -d '\n')
[ "$languages" = '```cmake```cpp```sh```sh' ] || fail "its code blocks are $languages now"

# --- The program ----------------------------------------------------------------------------------

block cpp 1 >program.cpp
compile=$(block sh 2)
echo "$compile"
bash -euc "$compile" || fail "its program does not compile by the command that it shows"
printed=$(./program) || fail "its program fails"
promised=$(sed -n 's/^It prints `\([^`]*\)`.*/\1/p' "$readme")
[ -n "$promised" ] || fail "it does not say what its program prints"
[ "$printed" = "$promised" ] || fail "its program prints '$printed' and not '$promised'"

# --- The commands ---------------------------------------------------------------------------------

block sh 1 | while read -r command _; do
  [ -x "$source_folder/$command" ] || fail "$command is not there, or cannot be run"
done

# --- CMake ----------------------------------------------------------------------------------------

link=$(block cmake 1 | grep '^target_link_libraries')

# project NAME makes a CMake project of the program that takes in the library by what stands on the
# standard input, and configures it.
project() {
  local name=$1
  shift
  mkdir "$name"
  {
    echo 'cmake_minimum_required(VERSION 3.25)'
    echo 'project(somebody LANGUAGES CXX)'
    cat
    echo 'target_compile_features(program PRIVATE cxx_std_20)'
  } | awk '/^target_link_libraries/ { print "add_executable(program program.cpp)" } { print }' \
    >"$name/CMakeLists.txt"
  cp program.cpp "$name"
  ln -s "$source_folder" "$name/sluice"
  "${cmake[@]}" -S "$name" -B "$name/build" "$@" >"$name.log" 2>&1 || {
    cat "$name.log" >&2
    fail "a project that says $name cannot be configured"
  }
  echo "$name: configured"
}

# says CODE prints a piece of CMake that README.md has in its text.
says() {
  grep -qF "\`$1\`" "$readme" || fail "it does not say $1 any more"
  echo "$1"
}

{ says 'add_subdirectory(sluice)'; echo "$link"; } | project add_subdirectory

# As long as the URL is not used, this is what fetching comes to.
block cmake 1 | project FetchContent -DFETCHCONTENT_SOURCE_DIR_SLUICE="$source_folder"
"${cmake[0]}" --build FetchContent/build >FetchContent.log 2>&1 || {
  cat FetchContent.log >&2
  fail "a project that says FetchContent does not build"
}
printed=$(FetchContent/build/program)
[ "$printed" = "$promised" ] || fail "built by CMake, its program prints '$printed'"
echo "FetchContent: built and run"

says 'cmake --install' >/dev/null
"${cmake[@]}" -S sluice -B install -DSLUICE_BUILD_TESTS=OFF -DSLUICE_BUILD_EXAMPLES=OFF \
  -DSLUICE_BUILD_BENCH=OFF >install.log 2>&1 &&
  "${cmake[0]}" --install install --prefix "$work/prefix" >>install.log 2>&1 || {
  cat install.log >&2
  fail "the library cannot be installed"
}
{ says 'find_package(sluice 0.1)'; echo "$link"; } |
  project find_package -Dsluice_ROOT="$work/prefix"
