# SPDX-License-Identifier: BSL-1.0

mv sluice consumer
cmake -S consumer -B build -D SLUICE_FROM=subdirectory
cmake --build build
works build/program
