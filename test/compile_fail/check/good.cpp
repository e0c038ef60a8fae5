// SPDX-License-Identifier: BSL-1.0
// expect: a number of at most eight bytes

template <class T>
void take(T) {
  static_assert(sizeof(T) <= 8, "a number of at most eight bytes");
}

int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  take(1.0);
#else
  take(1.0L);
#endif
}
