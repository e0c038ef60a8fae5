// SPDX-License-Identifier: BSL-1.0
//
// The page at "/": how full the queue is, how fast it moves and what has just happened, kept up to
// date by the stream of events. It is one text without any part elsewhere.

#ifndef JOB_SERVER_PAGE_HPP
#define JOB_SERVER_PAGE_HPP

#include <string_view>

namespace job_server {

std::string_view page();

}  // namespace job_server

#endif
