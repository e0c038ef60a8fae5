# SPDX-License-Identifier: BSL-1.0

cp consumer/program.cpp .
# tag::use[]
c++ -std=c++17 -I sluice/include program.cpp -o program -pthread
# end::use[]
works ./program
