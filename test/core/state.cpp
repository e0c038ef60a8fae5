// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE state

// The last reference to a state goes while a context that knows the state is being destroyed. The
// thread of the context is played: what it does happens in between, each time that the other one
// has looked how many references there are.

#include "support/unit_test.hpp"

#include <sluice/detail/core/state.hpp>
#include <sluice/threading.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace {

namespace core = sluice::detail::core;

/// What the other thread does after this one has looked.
std::function<void()> meanwhile;

struct interrupted : sluice::single_threaded {
  template <class U>
  class atomic : public sluice::single_threaded::atomic<U> {
   public:
    using sluice::single_threaded::atomic<U>::atomic;

    U load(std::memory_order order) const noexcept {
      const U seen = sluice::single_threaded::atomic<U>::load(order);
      if (auto others = std::exchange(meanwhile, nullptr)) others();
      return seen;
    }
  };
};

class plain_state final : public core::state<interrupted> {
 public:
  explicit plain_state(bool& exists) noexcept : exists_(exists) { exists_ = true; }
  ~plain_state() override { exists_ = false; }

 private:
  void collect(const void*, core::wait_queue&, section&) noexcept override {}

  bool& exists_;
};

}  // namespace

// The last reference looked for contexts after it had found itself alone; one had just left then, and
// was still using the state.
BOOST_AUTO_TEST_CASE(K5_the_last_reference_goes_before_a_context_that_knows_the_state_is_done) {
  bool exists = false;
  const int context = 0;
  auto* state = new plain_state(exists);
  auto site = std::make_unique<core::site>(&context);
  state->add_site(site);
  bool was_known = false;
  meanwhile = [&] {
    was_known = state->try_reference();
    state->evict(&context);
  };
  state->release();
  BOOST_TEST(was_known);
  BOOST_TEST_REQUIRE(exists);
  state->release();
  BOOST_TEST(!exists);
}

BOOST_AUTO_TEST_CASE(the_last_reference_goes_after_a_context_that_knew_the_state) {
  bool exists = false;
  const int context = 0;
  auto* state = new plain_state(exists);
  auto site = std::make_unique<core::site>(&context);
  state->add_site(site);
  state->evict(&context);
  state->release();
  BOOST_TEST(!exists);
}

BOOST_AUTO_TEST_CASE(the_last_reference_to_a_state_that_no_context_knows_destroys_it) {
  bool exists = false;
  auto* state = new plain_state(exists);
  state->add_reference();
  state->release();
  BOOST_TEST(exists);
  state->release();
  BOOST_TEST(!exists);
}
