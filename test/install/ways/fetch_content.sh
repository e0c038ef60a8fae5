# SPDX-License-Identifier: BSL-1.0

# The address that the pages show stands for the one where the reader's copy is.
git config --global "url.file://$work/repository.insteadOf" https://example.com/sluice.git
rm -rf sluice

cmake -S consumer -B build -D SLUICE_FROM=repository
cmake --build build
works build/program
