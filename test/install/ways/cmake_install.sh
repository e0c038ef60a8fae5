# SPDX-License-Identifier: BSL-1.0

# tag::install[]
cd sluice
cmake --preset install
cmake --install build/install --prefix "$HOME/.local"
# end::install[]
cd ..
is_installed .local
cmp "$source_folder/doc/gdb/sluice.py" .local/share/sluice/gdb/sluice.py

# tag::gdb[]
echo "source $HOME/.local/share/sluice/gdb/sluice.py" >>"$HOME/.gdbinit"
# end::gdb[]
# A test of gdb_printers is about what they print.
if command -v gdb >/dev/null; then
  gdb --batch -ex "info pretty-printer global sluice" | grep HandlePrinter ||
    fail "gdb does not know the printers"
fi

# tag::use[]
cmake -S consumer -B build -D CMAKE_PREFIX_PATH="$HOME/.local"
cmake --build build
# end::use[]
works build/program
