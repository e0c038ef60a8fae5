#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Reads the pages of doc/ as text, without Asciidoctor, and checks
#   - that each code block is an excerpt from README.md, from a program in test/doc or test/gdb, from
#     an example, or from a way to install the library, all of them tested, or says why it is not:
#     in a line before it,
#       // not compiled: REASON
#   - that each excerpt is there, and that none has been forgotten; figures that a program has
#     measured are no excerpts;
#   - that the code in the second column of a table is in a program, if a line before it says so:
#       // here: test/doc/PROGRAM.cpp
#   - that each rule a test is named after is explained;
#   - that each test case, file and header that a page names is there, and each test that the page about
#     tests names;
#   - that each page can be reached from each other one.
#
# Usage: pages.sh SOURCE-FOLDER
set -euo pipefail

cd "$1"

errors=0
complain() { printf '%s\n' "$*" >&2; errors=$((errors + 1)); }

# --- Code -----------------------------------------------------------------------------------------

shown=$(mktemp)
there=$(mktemp)
trap 'rm -f "$shown" "$there"' EXIT

files='README\.md|test/(doc|gdb)/[a-z_]+\.cpp|example/[0-9a-z_]+(/[0-9a-z_]+)?\.[ch]pp'
files+='|test/install/consumer/CMakeLists\.txt|test/install/ways/[a-z0-9_]+\.sh'
pattern="^include::\.\./($files)\[tag=([a-z_]+)(,indent=0)?\]$"
for page in doc/*.adoc; do
  # A block of code is nothing but one excerpt.
  while IFS= read -r problem; do
    complain "$page:$problem: this code is not an excerpt from a tested program"
  done < <(awk '
    /^\/\/ not compiled: ./ { excused = 1; next }
    /^(----|\.\.\.\.)$/ {
      inside = !inside
      if (!inside) excused = 0
      next
    }
    inside && !/^include::/ && !excused { print NR }
    !inside && !/^\[/ { excused = 0 }
    /^```/ || (!inside && /^    /) { print NR }' "$page")

  # The second cell of each row, piece by piece.
  while IFS=$'\t' read -r file piece; do
    grep -qF -- "$piece" "$file" || complain "$page: this is not in $file: $piece"
  done < <(awk '
    /^\/\/ here: / { file = $3; next }
    file != "" && /^\|===$/ { if (inside) file = ""; inside = !inside; next }
    file != "" && inside && /^$/ { cell = 0; next }
    file != "" && inside {
      if (/^\|/) ++cell
      if (cell != 2) next
      rest = $0
      while (match(rest, /`[^`]+`/)) {
        piece = substr(rest, RSTART + 1, RLENGTH - 2)
        gsub(/^\+|\+$/, "", piece)
        print file "\t" piece
        rest = substr(rest, RSTART + RLENGTH)
      }
    }' "$page")

  # Asciidoctor takes what stands between two of these for something else.
  ! grep -n 'C++' "$page" >&2 || complain "$page: this has to be {cpp}"

  while IFS= read -r excerpt; do
    if [[ $excerpt =~ $pattern ]]; then
      echo "${BASH_REMATCH[1]} ${BASH_REMATCH[4]}" >>"$shown"
    else
      complain "$page: what kind of excerpt is $excerpt?"
    fi
  done < <(grep '^include::' "$page" | grep -vF 'include::benchmarks.csv[]' || true)
done

for file in README.md test/doc/*.cpp test/gdb/*.cpp example/*.cpp example/*/*.[ch]pp \
  test/install/consumer/CMakeLists.txt test/install/ways/*.sh; do
  # Each excerpt begins and ends, and there is something in between.
  while read -r name; do echo "$file $name" >>"$there"; done < <(
    sed -n 's/.*tag::\([a-z_]*\)\[\].*/\1/p' "$file")
  while IFS= read -r problem; do complain "$file: $problem"; done < <(awk '
    match($0, /tag::[a-z_]*/) {
      if (open) print "the excerpt " open " does not end"
      open = substr($0, RSTART + 5, RLENGTH - 5); lines = 0; next
    }
    match($0, /end::[a-z_]*/) {
      name = substr($0, RSTART + 5, RLENGTH - 5)
      if (name != open) print "here ends " name ", which did not begin"
      else if (!lines) print "the excerpt " name " is empty"
      open = ""; next
    }
    { ++lines }
    END { if (open) print "the excerpt " open " does not end" }' "$file")
done

sort -u -o "$shown" "$shown"
sort -o "$there" "$there"
each() { while read -r excerpt; do complain "$1: $excerpt"; done; }
each "twice there" < <(uniq -d "$there")
each "shown, but not there" < <(comm -23 "$shown" "$there")
each "there, but not shown" < <(comm -13 "$shown" "$there")

# --- Rules ----------------------------------------------------------------------------------------

rules=$(grep -rhoE 'TEST_CASE[A-Z_]*\([A-Z]{1,2}[0-9]+_' --include='*.cpp' test |
  sed 's/.*(//; s/_$//' | sort -u)
[ -n "$rules" ] || complain "no test is named after a rule"
for rule in $rules; do
  grep -qF "[[$rule]]" doc/*.adoc || complain "tests are named after $rule, which no page explains"
done

# --- Cases ----------------------------------------------------------------------------------------

# `program`: `case` on a page is a case that this program has.
while IFS=: read -r program case; do
  file=test/${program/_//}.cpp
  grep -qwF "$case" "${file/test\/test/test}" ||
    complain "a page names the case $case of the program $program, which is not there"
done < <(cat doc/*.adoc | tr '\n' ' ' | grep -oE '`[a-z0-9_]+`: `[A-Za-z0-9_]+`' | tr -d '\` ')

# The programs, and other tests, that a page names.
folders='test|core|conformance|model|stress|fuzz|doc|headers|install|compile_fail'
while read -r name; do
  file=test/${name/_//}.cpp
  [ -e "${file/test\/test/test}" ] || grep -rqw "$name" --include=CMakeLists.txt test ||
    complain "a page names the test $name, which is not there"
done < <(grep -hoE "\`($folders)_[a-z0-9_]+\`" doc/testing.adoc | tr -d '\`' | sort -u)

# --- Files ----------------------------------------------------------------------------------------

# A file of the sources that a page names is there. (Others may name what is made of them.)
while read -r file; do
  [ -e "$file" ] || complain "a page names the file $file, which is not there"
done < <(grep -hoE '`(include|test|example|doc)/[A-Za-z0-9_/.]+`' doc/*.adoc | tr -d '`' | sort -u)
while read -r header; do
  [ -e "include/$header" ] || complain "a page names the header <$header>, which is not there"
done < <(grep -hoE '<sluice[a-z_/]*\.hpp>' doc/*.adoc | tr -d '<>' | sort -u)

# --- Pages ----------------------------------------------------------------------------------------

for page in doc/*.adoc; do
  name=$(basename "$page" .adoc)
  grep -qF "href=\"$name.html\"" doc/frame/docinfo-header.html ||
    complain "$page is missing in doc/frame/docinfo-header.html"
  [ "$name" = index ] || grep -qF "xref:$name.adoc[" doc/index.adoc ||
    complain "$page is missing in doc/index.adoc"
done

if [ "$errors" -ne 0 ]; then
  echo "pages.sh: $errors errors" >&2
  exit 1
fi
echo "$(ls doc/*.adoc | wc -l) pages, $(wc -l <"$shown") excerpts," \
  "$(wc -w <<<"$rules") rules: $(tr '\n' ' ' <<<"$rules")"
