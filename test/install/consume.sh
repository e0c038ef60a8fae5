#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Takes the library into the project consumer/ in one of the ways that doc/installing.adoc shows:
# does what a file in ways/ says, in a folder of its own that is the home of its user, too.
#
# Usage: consume.sh WAY SOURCE-FOLDER WORK-FOLDER
#
# CXX, CMAKE_GENERATOR, CMAKE_PREFIX_PATH and CPLUS_INCLUDE_PATH say what to build with.
set -euo pipefail

way=$1
source_folder=$2
work=$3
tests=$source_folder/test/install

fail() { printf '%s: %s\n' "$(basename "$way")" "$*" >&2; exit 1; }

# An empty path would mean the current folder.
[ -n "${CPLUS_INCLUDE_PATH:-}" ] || unset CPLUS_INCLUDE_PATH

rm -rf "$work"
mkdir -p "$work"
cd "$work"
export HOME=$work

# What the project's repository would be if all that is there now were committed, and a copy of it.
git init -q -b main repository
git --git-dir=repository/.git --work-tree="$source_folder" add --all
git --git-dir=repository/.git -c user.name=nobody -c user.email=nobody commit -q -m "As it is"
git clone -q repository sluice
cp -r "$tests/consumer" consumer

version=$(sed -n 's/^#define SLUICE_VERSION_STRING "\(.*\)"$/\1/p' \
  "$source_folder/include/sluice/version.hpp")

# --- What the ways have in common -----------------------------------------------------------------

# Whatever the pages call the compiler, it is the one that is tested here.
c++() { "$CXX" "$@"; }

# is_installed PREFIX: all headers are there. From now on there are no others.
is_installed() {
  diff -r "$source_folder/include" "$1/include" || fail "these headers are not those of the sources"
  ! grep -rF "$work/sluice" "$1" || fail "what was installed refers to where it came from"
  rm -rf "$work/sluice"
}

# works PROGRAM: it does what consumer/program.cpp is for.
works() {
  local said
  said=$("$1") || fail "the program fails"
  [ "$said" = "received 42 with Sluice $version" ] || fail "the program says '$said'"
}

# is WHAT FOUND EXPECTED
is() { [ "$2" = "$3" ] || fail "$1 is '$2' and not '$3'"; }

# --------------------------------------------------------------------------------------------------

. "$way"
echo "$(basename "$way" .sh): version $version"
