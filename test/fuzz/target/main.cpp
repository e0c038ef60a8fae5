// SPDX-License-Identifier: BSL-1.0

// One player for libFuzzer: SLUICE_FUZZ_HEADER and SLUICE_FUZZ_RUN say which.

#include SLUICE_FUZZ_HEADER

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    return fuzz::SLUICE_FUZZ_RUN(data, size);
  } catch (const fuzz::disagreement& first) {
    fuzz::tells = true;
    try {
      fuzz::SLUICE_FUZZ_RUN(data, size);
    } catch (const fuzz::disagreement&) {
    }
    std::cerr << "disagrees with the reference: " << first.what() << std::endl;
    std::abort();
  }
}
