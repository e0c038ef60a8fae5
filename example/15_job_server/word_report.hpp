// SPDX-License-Identifier: BSL-1.0
//
// The work itself, as plain C++: a text goes in, a report comes out. It knows nothing of queues,
// threads or HTTP, which is what makes it something a channel can carry to any thread.

#ifndef JOB_SERVER_WORD_REPORT_HPP
#define JOB_SERVER_WORD_REPORT_HPP

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace job_server {

struct counted_word {
  std::string word;
  std::size_t count = 0;
};

struct word_report {
  std::size_t words = 0;
  std::size_t distinct_words = 0;
  std::vector<counted_word> most_frequent;  // ten at most, ties in alphabetical order
};

// What has a zero byte is no text: most likely a program was sent.
struct not_a_text : std::invalid_argument {
  not_a_text() : std::invalid_argument("a text has no zero bytes") {}
};

// A word is a maximal run of the letters A-Z and a-z; upper and lower case are the same. Throws
// not_a_text.
word_report count_words(std::string_view text);

std::string to_json(const word_report& report);

}  // namespace job_server

#endif
