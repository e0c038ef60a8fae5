// SPDX-License-Identifier: BSL-1.0
// expect: the reason this is about

int main() {
  static_assert(sizeof(char) == 2, "the reason this is about");
}
