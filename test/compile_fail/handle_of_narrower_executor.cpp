// SPDX-License-Identifier: BSL-1.0
// expect: conversion from
#include <sluice/channel.hpp>

#include <boost/asio/io_context.hpp>

// Any executor may be behind an any_io_executor, so that only the way to it is open.
int main() {
  using io_executor = boost::asio::io_context::executor_type;
#if defined(SLUICE_COMPILE_FAIL_CONTROL)
  sluice::receiver<int, io_executor> from;
  sluice::receiver<int> to = from;
#else
  sluice::receiver<int> from;
  sluice::receiver<int, io_executor> to = from;
#endif
  return to.is_closed();
}
