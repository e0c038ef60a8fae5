# SPDX-License-Identifier: BSL-1.0

# B2 looks for a parent of the project in the folders above it, where this very project may be.
touch Jamroot

# tag::install[]
cd sluice
b2 install --prefix="$HOME/.local"
# end::install[]
is "the version for pkg-config" \
  "$(pkg-config --modversion "$HOME/.local/share/pkgconfig/sluice.pc")" "$version"
cd ..
is_installed .local

cd consumer
# tag::use[]
c++ -std=c++17 -I "$HOME/.local/include" program.cpp -o program -pthread
# end::use[]
works ./program
