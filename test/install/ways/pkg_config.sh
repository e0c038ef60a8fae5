# SPDX-License-Identifier: BSL-1.0

(cd sluice && cmake --preset install)
cmake --install sluice/build/install --prefix "$HOME/.local"
is_installed .local

cd consumer
# tag::use[]
export PKG_CONFIG_PATH=$HOME/.local/share/pkgconfig
c++ -std=c++17 program.cpp -o program $(pkg-config --cflags --libs sluice)
# end::use[]
works ./program
is "the version" "$(pkg-config --modversion sluice)" "$version"

# What was installed may be moved.
mv "$HOME/.local" "$HOME/elsewhere"
PKG_CONFIG_PATH=$HOME/elsewhere/share/pkgconfig
[[ " $(pkg-config --cflags sluice) " == *" -I$HOME/elsewhere/"* ]] || fail "it cannot be moved"
