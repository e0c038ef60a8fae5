// SPDX-License-Identifier: BSL-1.0
#include "frame/heap.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <malloc.h>

// The linker is told to send calls of malloc() to __wrap_malloc(), and those of __real_malloc() to
// malloc(), and so on. This reaches what is compiled here, templates of the standard library and of
// Boost included; the operators below reach the shared libraries as well.
extern "C" {
// NOLINTBEGIN: the linker chooses these names.
void* __real_malloc(std::size_t);
void* __real_calloc(std::size_t, std::size_t);
void* __real_realloc(void*, std::size_t);
void* __real_aligned_alloc(std::size_t, std::size_t);
int __real_posix_memalign(void**, std::size_t, std::size_t);
void __real_free(void*);
// NOLINTEND
}

namespace {

std::atomic<std::uint64_t> calls{0};
std::atomic<std::int64_t> bytes{0};

std::int64_t size_of(void* memory) noexcept {
  return static_cast<std::int64_t>(malloc_usable_size(memory));
}

void* count(void* memory) noexcept {
  if (memory != nullptr) {
    calls.fetch_add(1, std::memory_order_relaxed);
    bytes.fetch_add(size_of(memory), std::memory_order_relaxed);
  }
  return memory;
}

void uncount(void* memory) noexcept {
  if (memory != nullptr) bytes.fetch_sub(size_of(memory), std::memory_order_relaxed);
}

void* counted_or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return count(memory);
}

std::size_t whole_units(std::size_t size, std::size_t alignment) noexcept {
  return (size + alignment - 1) / alignment * alignment;
}

}  // namespace

bench::heap_use bench::heap_now() noexcept {
  return {calls.load(), bytes.load()};
}

extern "C" {
// NOLINTBEGIN: the linker chooses these names.

void* __wrap_malloc(std::size_t size) {
  return count(__real_malloc(size));
}

void* __wrap_calloc(std::size_t number, std::size_t size) {
  return count(__real_calloc(number, size));
}

void* __wrap_realloc(void* memory, std::size_t size) {
  const std::int64_t before = memory == nullptr ? 0 : size_of(memory);
  void* moved = __real_realloc(memory, size);
  if (moved != nullptr) bytes.fetch_sub(before, std::memory_order_relaxed);
  return count(moved);
}

void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  return count(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  const int failed = __real_posix_memalign(memory, alignment, size);
  if (failed == 0) count(*memory);
  return failed;
}

void __wrap_free(void* memory) {
  uncount(memory);
  __real_free(memory);
}

// NOLINTEND
}  // extern "C"

// The array forms and those that do not throw call these.

void* operator new(std::size_t size) {
  return counted_or_throw(__real_malloc(size == 0 ? 1 : size));
}

void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto units = static_cast<std::size_t>(alignment);
  return counted_or_throw(__real_aligned_alloc(units, whole_units(size, units)));
}

void operator delete(void* memory) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  __wrap_free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  __wrap_free(memory);
}
