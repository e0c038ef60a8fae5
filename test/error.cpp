// SPDX-License-Identifier: BSL-1.0
#define BOOST_TEST_MODULE error

#include <sluice/error.hpp>

#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <cctype>
#include <set>
#include <string>
#include <system_error>
#include <type_traits>

namespace {

namespace errc = boost::system::errc;
using boost::system::error_code;
using sluice::error;

constexpr error all_errors[] = {error::closed, error::full,           error::empty,
                                error::lagged, error::would_deadlock, error::copy_failed};

}  // namespace

BOOST_AUTO_TEST_CASE(an_error_becomes_an_error_code_by_itself) {
  static_assert(boost::system::is_error_code_enum<error>::value);
  static_assert(std::is_convertible_v<error, error_code>);
  static_assert(std::is_same_v<sluice::error_code, error_code>);

  error_code ec = error::full;
  BOOST_TEST(ec.failed());
  BOOST_TEST(ec.value() == static_cast<int>(error::full));
  BOOST_TEST((ec == error::full));
  BOOST_TEST((ec != error::empty));
  BOOST_TEST((make_error_code(error::full) == ec));
}

BOOST_AUTO_TEST_CASE(no_error_has_the_value_of_success) {
  for (error e : all_errors) BOOST_TEST(static_cast<int>(e) != 0);
  BOOST_TEST(static_cast<int>(error::closed) == 1);
}

BOOST_AUTO_TEST_CASE(all_errors_are_of_one_category_that_is_nobody_elses) {
  for (error e : all_errors) {
    error_code ec = e;
    BOOST_TEST((ec.category() == sluice::error_category()));
    BOOST_TEST((ec.category() != boost::system::generic_category()));
    BOOST_TEST((ec.category() != boost::system::system_category()));
    BOOST_TEST((ec != error_code(ec.value(), boost::system::generic_category())));
  }
  BOOST_TEST(sluice::error_category().name() == std::string("sluice"));
}

BOOST_AUTO_TEST_CASE(each_message_is_different_and_says_what_to_do) {
  std::set<std::string> messages;
  for (error e : all_errors) {
    std::string text = error_code(e).message();
    messages.insert(text);
    // What is the matter, a colon, and what to do about it.
    auto colon = text.find(": ");
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST((colon != std::string::npos || text.find("; ") != std::string::npos));
      BOOST_TEST(text.size() > 30u);
      BOOST_TEST(!std::isupper(static_cast<unsigned char>(text.front())));
      BOOST_TEST(text.back() != '.');
    }
  }
  BOOST_TEST(messages.size() == std::size(all_errors));
}

BOOST_AUTO_TEST_CASE(a_value_that_is_no_error_has_a_message_too) {
  BOOST_TEST(error_code(99, sluice::error_category()).message() == "unknown sluice error");
  BOOST_TEST(!error_code(0, sluice::error_category()).failed());
}

BOOST_AUTO_TEST_CASE(code_that_does_not_know_the_library_can_test_for_conditions) {
  BOOST_TEST((error_code(error::closed) == errc::broken_pipe));
  BOOST_TEST((error_code(error::full) == errc::resource_unavailable_try_again));
  BOOST_TEST((error_code(error::empty) == errc::resource_unavailable_try_again));
  BOOST_TEST((error_code(error::would_deadlock) == errc::resource_deadlock_would_occur));

  BOOST_TEST((error_code(error::closed) != errc::resource_unavailable_try_again));
  BOOST_TEST((error_code(error::full) != errc::broken_pipe));
}

BOOST_AUTO_TEST_CASE(an_error_without_a_condition_is_its_own) {
  for (error e : {error::lagged, error::copy_failed}) {
    error_code ec = e;
    auto condition = ec.default_error_condition();
    BOOST_TEST((condition.category() == sluice::error_category()));
    BOOST_TEST(condition.value() == static_cast<int>(e));
    BOOST_TEST((ec == condition));
  }
  const auto unknown = error_code(99, sluice::error_category()).default_error_condition();
  BOOST_TEST((unknown.category() == sluice::error_category()));
  BOOST_TEST(unknown.value() == 99);
}

BOOST_AUTO_TEST_CASE(an_error_crosses_over_to_the_standard_library) {
  std::error_code ec = error_code(error::closed);
  BOOST_TEST((ec == std::errc::broken_pipe));
  BOOST_TEST(ec.category().name() == std::string("sluice"));
  BOOST_TEST(ec.message() == error_code(error::closed).message());
  std::error_code again = error_code(error::closed);
  BOOST_TEST((ec == again));
}

BOOST_AUTO_TEST_CASE(an_error_can_be_thrown_and_caught) {
  try {
    throw boost::system::system_error(error::would_deadlock);
  } catch (const boost::system::system_error& thrown) {
    BOOST_TEST((thrown.code() == error::would_deadlock));
  }
}
