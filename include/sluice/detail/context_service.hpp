// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_DETAIL_CONTEXT_SERVICE_HPP
#define SLUICE_DETAIL_CONTEXT_SERVICE_HPP

// Tells states when an execution context goes away. Each context has a registry of the states in
// which something of it waits, or has waited; an entry is a context_site, owned by the state.
//
// A state may die while its context is destroyed by another thread. Either the registry takes an
// entry out first and finds the state still referenced, and then evicts from it; or the state's
// destructor takes the entry out first. `linked_` says which, under the lock of the registry, and
// the registry itself lives as long as anything refers to it.
//
// `Mutex` is the context_mutex of a threading policy. Policies that have the same one share the
// service of a context.

#include <sluice/detail/block_cache.hpp>
#include <sluice/detail/core/state.hpp>

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/strand.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

namespace sluice::detail {

namespace asio = boost::asio;

template <class Mutex>
class context_site;

/// The states that wait for something of one context. Everything is protected by `mutex_`.
template <class Mutex>
class context_registry {
  using entry_type = context_site<Mutex>;

 public:
  /// Makes `state` known to the context. False if the context is going away.
  template <class State>
  static bool add(const std::shared_ptr<context_registry>& registry, State& state,
                  const asio::execution_context& context);

  void remove(entry_type& entry) noexcept;

  void shut_down() noexcept;

 private:
  void link(entry_type& entry) noexcept;
  void unlink(entry_type& entry) noexcept;

  Mutex mutex_;
  entry_type* first_ = nullptr;
  bool shut_down_ = false;
};

template <class Mutex>
class context_site final : public core::site {
  using registry_type = context_registry<Mutex>;

 public:
  // A select has a state of its own each time that it waits.
  static void* operator new(std::size_t bytes) { return block_cache::allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    block_cache::deallocate(memory, bytes);
  }

  template <class State>
  context_site(std::shared_ptr<registry_type> registry, State& state, const void* home) noexcept
      : core::site(home),
        registry_(std::move(registry)),
        state_(&state),
        try_reference_(
            [](core::evictable& e) noexcept { return static_cast<State&>(e).try_reference(); }) {}

  ~context_site() override { registry_->remove(*this); }

 private:
  friend registry_type;

  const std::shared_ptr<registry_type> registry_;
  core::evictable* const state_;
  bool (*const try_reference_)(core::evictable&) noexcept;
  context_site* previous_ = nullptr;
  context_site* next_ = nullptr;
  bool linked_ = false;
};

template <class Mutex>
void context_registry<Mutex>::link(entry_type& entry) noexcept {
  entry.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &entry;
  first_ = &entry;
  entry.linked_ = true;
}

template <class Mutex>
void context_registry<Mutex>::unlink(entry_type& entry) noexcept {
  (entry.previous_ ? entry.previous_->next_ : first_) = entry.next_;
  if (entry.next_ != nullptr) entry.next_->previous_ = entry.previous_;
  entry.previous_ = entry.next_ = nullptr;
  entry.linked_ = false;
}

template <class Mutex>
template <class State>
bool context_registry<Mutex>::add(const std::shared_ptr<context_registry>& registry, State& state,
                                  const asio::execution_context& context) {
  auto entry = std::make_unique<entry_type>(registry, state, &context);
  entry_type* added = entry.get();
  std::lock_guard<Mutex> lock(registry->mutex_);
  if (registry->shut_down_) return false;
  // An entry that is not needed stays here and is destroyed after unlocking.
  state.add_site(entry);
  if (!entry) registry->link(*added);
  return true;
}

template <class Mutex>
void context_registry<Mutex>::remove(entry_type& entry) noexcept {
  std::lock_guard<Mutex> lock(mutex_);
  if (entry.linked_) unlink(entry);
}

template <class Mutex>
void context_registry<Mutex>::shut_down() noexcept {
  std::unique_lock<Mutex> lock(mutex_);
  // What is dropped may run destructors that begin new operations, so this goes on until nothing
  // is left; only then is the registry closed.
  while (entry_type* entry = first_) {
    unlink(*entry);
    core::evictable* state = entry->state_;
    const void* home = entry->home();
    if (!entry->try_reference_(*state)) continue;
    lock.unlock();
    state->evict(home);
    state->release();
    lock.lock();
  }
  shut_down_ = true;
}

/// Knows its context, and nothing more.
struct anchor_executor {
  asio::execution_context* context;

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }

  template <class Function>
  void execute(Function&&) const {}

  friend bool operator==(anchor_executor a, anchor_executor b) noexcept {
    return a.context == b.context;
  }
  friend bool operator!=(anchor_executor a, anchor_executor b) noexcept {
    return a.context != b.context;
  }
};

/// The service through which a context announces its end.
/**
 * Services are shut down in the reverse order of their creation. That of the strands has to be
 * older than this one, because wake-ups may be posting to strands until this one has been shut
 * down. To make a strand is the public way to make that service.
 */
template <class Mutex>
class context_service final : public asio::execution_context::service {
  using registry_type = context_registry<Mutex>;

 public:
  using key_type = context_service;
  static inline asio::execution_context::id id;

  explicit context_service(asio::execution_context& context)
      : asio::execution_context::service(context), registry_(std::make_shared<registry_type>()) {
    asio::strand<anchor_executor> older(anchor_executor{&context});
  }

  /// A service that was only made while its context was shutting down is not told to.
  ~context_service() override { registry_->shut_down(); }

  const std::shared_ptr<registry_type>& registry() const noexcept { return registry_; }

 private:
  void shutdown() override { registry_->shut_down(); }

  const std::shared_ptr<registry_type> registry_;
};

/// Makes `state` known to the context, so that nothing of it outlives the context. False if the
/// context is going away already.
template <class Threading>
bool register_state(core::state<Threading>& state, asio::execution_context& context) {
  using mutex = typename Threading::context_mutex;
  auto& service = asio::use_service<context_service<mutex>>(context);
  return context_registry<mutex>::add(service.registry(), state, context);
}

}  // namespace sluice::detail

#endif  // SLUICE_DETAIL_CONTEXT_SERVICE_HPP
