// SPDX-License-Identifier: BSL-1.0
// expect: something wrong

int main() {}
