-- SPDX-License-Identifier: BSL-1.0
--
-- What wrk asks the job server for, and what it makes of the answers. Most requests are jobs, some
-- of which fail; in between it reads the page, the figures, and what is not there. Each answer has
-- to be one that can be right. The last line of what wrk prints is one for job_server.py:
--
--   RESULT name=number name=number ...

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

-- --- In each thread ------------------------------------------------------------------------------

-- Global, because that is where done() can find them.
sent, done_jobs, failed_jobs, refused_jobs, pages, strange = 0, 0, 0, 0, 0, 0
strangest = ""

local requests = {}
local reports = {}

local function add(method, path, body)
  local headers = { Host = "h" }
  table.insert(requests, wrk.format(method, path, headers, body))
end

local function add_job(times)
  local text = string.rep("one two two. ", times)
  local report = '{"words":%d,"distinct_words":2,"most_frequent":'
    .. '[{"word":"two","count":%d},{"word":"one","count":%d}]}\n'
  reports[string.format(report, 3 * times, 2 * times, times)] = true
  add("POST", "/jobs", text)
end

function init()
  for turn = 1, 4 do
    add_job(1)
    add_job(10)
    add_job(100)
    add_job(30 * turn)
  end
  add("POST", "/jobs", "no\0text")
  add("GET", "/")
  add("GET", "/stats")
  add("GET", "/nothing")
end

function request()
  sent = sent + 1
  return requests[sent % #requests + 1]
end

local function starts(text, with)
  return string.sub(text, 1, #with) == with
end

function response(status, headers, body)
  if status == 200 and reports[body] then
    done_jobs = done_jobs + 1
  elseif status == 503 and headers["Retry-After"] == "1" and starts(body, '{"error":"') then
    refused_jobs = refused_jobs + 1
  elseif status == 500 and body == '{"error":"the job failed"}\n' then
    failed_jobs = failed_jobs + 1
  elseif status == 200 and (starts(body, '{"depth":') or starts(body, "<!doctype html>"))
    or status == 404 then
    pages = pages + 1
  else
    strange = strange + 1
    strangest = status .. " " .. string.sub(body, 1, 100)
  end
end

-- --- At the end ----------------------------------------------------------------------------------

function done(summary, latency, _)
  local result = {}
  local function tell(name, number)
    table.insert(result, string.format("%s=%.0f", name, number))
  end

  for _, name in ipairs({ "done_jobs", "failed_jobs", "refused_jobs", "pages", "strange" }) do
    local sum = 0
    for _, thread in ipairs(threads) do sum = sum + thread:get(name) end
    tell(name, sum)
  end
  for _, thread in ipairs(threads) do
    if thread:get("strange") > 0 then print("strange: " .. thread:get("strangest")) end
  end
  tell("requests", summary.requests)
  tell("microseconds", summary.duration)
  for _, name in ipairs({ "connect", "read", "write", "timeout" }) do
    tell(name .. "_errors", summary.errors[name])
  end
  for _, percent in ipairs({ 50, 90, 99 }) do tell("p" .. percent, latency:percentile(percent)) end
  tell("longest", latency.max)
  print("RESULT " .. table.concat(result, " "))
end
