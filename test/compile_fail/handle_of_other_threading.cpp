// SPDX-License-Identifier: BSL-1.0
// expect: conversion from
#include <sluice/channel.hpp>

// A channel that does not synchronise cannot become one that does.
int main() {
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  using threading = sluice::multi_threaded;
#else
  using threading = sluice::single_threaded;
#endif
  sluice::sender<int, boost::asio::any_io_executor, threading> from;
  sluice::sender<int> to = from;
  return to.is_closed();
}
