# SPDX-License-Identifier: BSL-1.0

mv sluice consumer
cmake -S consumer -B build -D SLUICE_FROM=subdirectory
cmake --build build
works build/program

# A project that installs headers which include those of the library installs them as well.
cmake -D SLUICE_INSTALL=ON build
cmake --install build --prefix "$HOME/.local"
diff -r "$source_folder/include" .local/include || fail "these headers are not those of the sources"
