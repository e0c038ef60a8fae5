// SPDX-License-Identifier: BSL-1.0
// expect: the reason this is about

int main() {
#if !defined(SLUICE_COMPILE_FAIL_CONTROL)
  static_assert(sizeof(char) == 2, "quite another reason");
#endif
}
