// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_EXECUTOR_HOLDER_HPP
#define SLUICE_DETAIL_EXECUTOR_HOLDER_HPP

// Where a handle keeps its executor, and what becomes of operations on a handle that has none.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/system_executor.hpp>

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// Whether the executor of a default-constructed handle can stand for the system executor.
template <class Executor>
struct stands_for_system : std::is_constructible<Executor, boost::asio::system_executor> {};

/// An empty one does. To put a system_executor into it would be known better, but takes the compiler
/// longer than all else that is in a channel.
template <>
struct stands_for_system<boost::asio::any_io_executor> : std::true_type {};

/// The executor of a handle, which may have none if its type cannot stand for the system executor.
/**
 * Executors can always be copied, but not always assigned. Those that take a system_executor are
 * type-erased wrappers, which can; a std::optional of one makes GCC 12 see uninitialised values.
 */
template <class Executor, bool = stands_for_system<Executor>::value>
class executor_holder {
 public:
  executor_holder() : executor_(system()) {}

  const Executor* get() const noexcept { return &executor_; }

  void assign(const Executor* ex) {
    if (ex != nullptr) executor_ = *ex;
  }

 private:
  static Executor system() {
    if constexpr (std::is_same_v<Executor, boost::asio::any_io_executor>)
      return Executor();
    else
      return Executor(boost::asio::system_executor());
  }

  Executor executor_;
};

template <class Executor>
class executor_holder<Executor, false> {
 public:
  executor_holder() = default;
  executor_holder(const executor_holder&) = default;
  executor_holder& operator=(const executor_holder& other) noexcept {
    assign(other.get());
    return *this;
  }

  const Executor* get() const noexcept { return executor_ ? std::addressof(*executor_) : nullptr; }

  void assign(const Executor* ex) {
    // Also when a handle is swapped with itself.
    if (ex == get()) return;
    if (ex != nullptr)
      executor_.emplace(*ex);
    else
      executor_.reset();
  }

 private:
  std::optional<Executor> executor_;
};

/// What an executor is without the default token that `as_default_on` has given to it.
template <class Executor>
struct bare_executor {
  using type = Executor;
};

template <template <class> class WithDefault, class Inner>
struct bare_executor<WithDefault<Inner>> {
  using type =
      std::conditional_t<std::is_base_of_v<Inner, WithDefault<Inner>>, Inner, WithDefault<Inner>>;
};

/// Converts an executor. A type-erased one shall hold an executor that can be recognised in it.
template <class To, class From>
To convert_executor(const From& ex) {
  using bare = typename bare_executor<From>::type;
  if constexpr (std::is_constructible_v<To, const bare&>)
    return To(static_cast<const bare&>(ex));
  else
    return To(ex);
}

/// Calls `f` with the executor, or with the system executor if there is none.
template <class Executor, class Function>
void with_some_executor(const executor_holder<Executor>& holder, Function&& f) {
  if (const Executor* ex = holder.get())
    std::forward<Function>(f)(*ex);
  else if constexpr (!stands_for_system<Executor>::value)
    std::forward<Function>(f)(boost::asio::system_executor());
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_EXECUTOR_HOLDER_HPP
