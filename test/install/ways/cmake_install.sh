# SPDX-License-Identifier: BSL-1.0

# tag::install[]
cd sluice
cmake --preset install
cmake --install build/install --prefix "$HOME/.local"
# end::install[]
cd ..
is_installed .local

# tag::use[]
cmake -S consumer -B build -D CMAKE_PREFIX_PATH="$HOME/.local"
cmake --build build
# end::use[]
works build/program
