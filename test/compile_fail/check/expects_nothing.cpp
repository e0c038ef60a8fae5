// SPDX-License-Identifier: BSL-1.0

int main() {
#if !defined(SLUICE_COMPILE_FAIL_CONTROL)
  static_assert(sizeof(char) == 2, "any reason");
#endif
}
