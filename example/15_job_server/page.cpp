// SPDX-License-Identifier: BSL-1.0

#include "page.hpp"

namespace job_server {

std::string_view page() {
  return R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Job server</title>
<link rel="icon" href="data:,">
<style>
  :root {
    --page: #f3f5f8; --card: #fff; --text: #17202c; --faint: #657184; --line: #dfe4eb;
    --blue: #2563eb; --green: #0a7450; --red: #c8323a; --amber: #a86404; --violet: #7446d8;
  }
  @media (prefers-color-scheme: dark) {
    :root {
      --page: #0e131a; --card: #171e28; --text: #e7ecf3; --faint: #93a0b3; --line: #29323f;
      --blue: #6ea0ff; --green: #3fcf98; --red: #ff7b80; --amber: #f2b04a; --violet: #b294ff;
    }
  }
  * { box-sizing: border-box; }
  body {
    margin: 0 auto; max-width: 62rem; padding: 1.25rem 1rem 2.5rem; background: var(--page);
    color: var(--text); font: 1rem/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums;
  }
  header { display: flex; align-items: center; justify-content: space-between; gap: 1rem; }
  h1 { margin: 0; font-size: 1.35rem; }
  h2 { margin: 0 0 .35rem; font-size: .85rem; font-weight: 600; color: var(--faint); }
  #status { padding: .2rem .75rem; border-radius: 1rem; font-size: .85rem; font-weight: 600;
            color: var(--amber); border: 1px solid currentcolor; }
  #status.live { color: var(--green); }
  .cards { display: grid; gap: .9rem; margin-top: .9rem;
           grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
          padding: .9rem 1rem; min-width: 0; }
  .big { font-size: 2.3rem; font-weight: 650; line-height: 1.15; }
  .big + small, .of { color: var(--faint); font-size: 1rem; font-weight: 400; }
  svg { display: block; width: 100%; height: 4.5rem; margin-top: .5rem; overflow: visible; }
  svg path { vector-effect: non-scaling-stroke; stroke-width: 2; stroke-linejoin: round; }
  .axis { display: flex; justify-content: space-between; border-top: 1px solid var(--line);
          padding-top: .2rem; font-size: .75rem; color: var(--faint); }
  dl { display: grid; gap: .5rem; margin: 0; text-align: center;
       grid-template-columns: repeat(auto-fit, minmax(5.5rem, 1fr)); }
  dt { font-size: .8rem; color: var(--faint); }
  dd { margin: 0; font-size: 1.25rem; font-weight: 600; }
  ol { list-style: none; margin: 0; padding: 0; min-height: 19.2rem; font-size: .9rem; }
  li { display: grid; grid-template-columns: 5.5rem 6rem 1fr; gap: .5rem; padding: .14rem 0;
       height: 1.6rem; white-space: nowrap; overflow: hidden; }
  li b { font-weight: 600; }
  time, .detail { color: var(--faint); overflow: hidden; text-overflow: ellipsis; }
  @media (max-width: 30rem) { li { grid-template-columns: 6rem 1fr; } time { display: none; } }
  .old { opacity: .5; }
  .accepted b { color: var(--blue); } .started b { color: var(--violet); }
  .done b { color: var(--green); } .rejected b, .failed b { color: var(--red); }
  .abandoned b, .missed b, .stopping b { color: var(--amber); }
  textarea { width: 100%; padding: .5rem .6rem; font: inherit; color: inherit;
             background: var(--page); border: 1px solid var(--line); border-radius: .5rem;
             resize: vertical; }
  button { margin: .5rem .4rem 0 0; padding: .45rem .9rem; font: inherit; font-weight: 600;
           border: 1px solid var(--blue); border-radius: .5rem; color: var(--blue);
           background: none; cursor: pointer; }
  button.first { background: var(--blue); color: var(--card); }
  pre { margin: .6rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem;
        color: var(--faint); }
  #answer { margin: .6rem 0 0; min-height: 3rem; font-size: .9rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<header><h1>Job server</h1><span id="status" role="status">connecting</span></header>

<div id="figures">
<div class="cards">
  <section class="card">
    <h2>Waiting in the queue</h2>
    <span class="big" id="depth">0</span> <span class="of">of <span id="capacity">0</span></span>
    <svg viewBox="0 0 60 20" preserveAspectRatio="none" aria-hidden="true">
      <path id="depth_area" fill="var(--blue)" opacity=".15"/>
      <path id="depth_line" fill="none" stroke="var(--blue)"/>
    </svg>
    <div class="axis"><span>a minute ago</span><span>most: <span id="most">0</span></span>
      <span>now</span></div>
  </section>
  <section class="card">
    <h2>Throughput</h2>
    <span class="big" id="rate">0</span> <small>jobs per second</small>
    <svg viewBox="0 0 60 20" preserveAspectRatio="none" aria-hidden="true">
      <path id="rate_area" fill="var(--green)" opacity=".15"/>
      <path id="rate_line" fill="none" stroke="var(--green)"/>
    </svg>
    <div class="axis"><span>a minute ago</span><span>highest: <span id="highest">0</span></span>
      <span>now</span></div>
  </section>
</div>

<div class="cards"><section class="card"><dl>
  <div><dt>running</dt><dd id="running">0</dd></div>
  <div><dt>accepted</dt><dd id="accepted">0</dd></div>
  <div><dt>done</dt><dd id="done">0</dd></div>
  <div><dt>failed</dt><dd id="failed">0</dd></div>
  <div><dt>rejected</dt><dd id="rejected">0</dd></div>
  <div><dt>abandoned</dt><dd id="abandoned">0</dd></div>
  <div><dt>listeners</dt><dd id="listeners">0</dd></div>
  <div><dt>wait in ms</dt><dd id="mean_wait">0</dd></div>
  <div><dt>longest</dt><dd id="longest_wait">0</dd></div>
</dl></section></div>
</div>

<div class="cards">
  <section class="card">
    <h2>Recent events<span id="missed"></span></h2>
    <ol id="events"></ol>
  </section>
  <section class="card">
    <h2>Try it: what is to be counted?</h2>
    <textarea id="text" rows="3" aria-label="text">the quick and the slow</textarea>
    <button class="first" data-jobs="1">Send it</button><button data-jobs="100">100 times</button>
    <p id="answer" role="status"></p>
    <pre id="commands"></pre>
  </section>
</div>

<script>
"use strict";
const $ = id => document.getElementById(id);
const figures = ["depth", "capacity", "most", "running", "accepted", "done", "failed",
                 "rejected", "abandoned", "listeners"];
const times = ["mean_wait", "longest_wait"];  // in microseconds
const kinds = ["accepted", "started", "done", "failed", "abandoned", "rejected", "stopping"];
const seconds = 60;  // what the diagrams show
const rows = 12;     // of recent events

let now = {};        // the figures of the latest event: each event has all of them
let recent = [];
let missed = 0;      // events that came too fast for this page
let samples = [];    // one each second, while the figures are those of now
let live = false;
let drawn = true;

// Events may come faster than a screen can show them, so it is drawn once for each frame of it.
function changed() {
  if (drawn) requestAnimationFrame(draw);
  drawn = false;
}

function draw() {
  drawn = true;
  for (const name of figures) $(name).textContent = (now[name] ?? 0).toLocaleString("en");
  for (const name of times) $(name).textContent = shown((now[name] ?? 0) / 1000);
  $("missed").textContent = missed ? `, ${missed.toLocaleString("en")} missed` : "";
  const list = recent.map(row => {
    const item = document.createElement("li");
    item.className = row.kind;
    for (const [tag, text] of [["time", row.time], ["b", row.kind], ["span", row.detail]]) {
      const part = item.appendChild(document.createElement(tag));
      part.textContent = text;
      if (tag === "span") part.className = "detail";
    }
    return item;
  });
  $("events").replaceChildren(...list);
}

function remember(kind, detail) {
  recent.unshift({ kind, detail, time: new Date().toLocaleTimeString("en-GB") });
  recent.length = Math.min(recent.length, rows);
  changed();
}

function status(text, connected, name) {
  live = connected;
  $("status").textContent = text;
  $("status").className = name;
  $("figures").className = live ? "" : "old";
}

function connect() {
  const source = new EventSource("events");
  source.addEventListener("hello", event => {
    status("live", true, "live");
    const figures = JSON.parse(event.data);
    if (figures.accepted < now.accepted) samples = [];  // another server, which begins anew
    now = figures;
    changed();
  });
  for (const kind of kinds) {
    source.addEventListener(kind, event => {
      now = JSON.parse(event.data);
      if (kind === "stopping") status("stopping", true, "");
      const job = now.job ? `job ${now.job}` : "the server finishes what it has";
      remember(kind, now.worker ? `${job}, ${now.worker}` : job);
    });
  }
  // Nothing has to be repaired: the next event brings all figures.
  source.addEventListener("missed", event => {
    const { missed: more } = JSON.parse(event.data);
    missed += more;
    remember("missed", `${more} events: this page is too slow`);
  });
  source.addEventListener("error", () => {
    status("not connected, trying again", false, "");
    // A browser tries again by itself, except when it has got an answer that is not a stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  });
}

function plot(name, values, highest) {
  const points = values.map(([ago, value]) =>
    `${(60 - ago * 60 / seconds).toFixed(2)} ${(20 - 20 * value / highest).toFixed(2)}`);
  if (!points.length) points.push("60 20");
  const [first, last] = [points[0], points[points.length - 1]].map(point => point.split(" ")[0]);
  $(name + "_line").setAttribute("d", "M" + points.join("L"));
  $(name + "_area").setAttribute("d", `M${first} 20L${points.join("L")}L${last} 20Z`);
}

function shown(number) {
  return number.toLocaleString("en", { maximumFractionDigits: number < 10 ? 1 : 0 });
}

function sample() {
  const at = performance.now() / 1000;
  if (live) samples.push({ depth: now.depth, done: now.done, at });
  // A page that nobody looks at is asked more seldom by its browser, hence the times.
  samples = samples.filter(one => at - one.at <= seconds);
  const rates = samples.slice(1).map((to, before) =>
    [at - to.at, (to.done - samples[before].done) / (to.at - samples[before].at)]);
  const highest = Math.max(0, ...rates.map(([ago, rate]) => rate));
  $("rate").textContent = shown(live && rates.length ? rates[rates.length - 1][1] : 0);
  $("highest").textContent = shown(highest);
  plot("depth", samples.map(one => [at - one.at, one.depth]), Math.max(1, now.capacity ?? 0));
  plot("rate", rates, Math.max(1, highest));
}

async function post() {
  try {
    const answer = await fetch("jobs", { method: "POST", body: $("text").value });
    const json = await answer.json();
    if (!answer.ok) return { error: json.error };
    const words = json.most_frequent.map(entry => `${entry.word} ${entry.count}`);
    const counts = `${json.words} words, ${json.distinct_words} different`;
    return { report: words.length ? `${counts}: ${words.join(", ")}` : counts };
  } catch {
    return { error: "the server did not answer" };
  }
}

for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    const wanted = Number(button.dataset.jobs);
    let reports = 0;
    const show = text => {
      $("answer").textContent = (wanted > 1 ? `${reports} of ${wanted} done: ` : "") + text;
    };
    show("waiting for the answer");
    const answers = Array.from({ length: wanted }, async () => {
      const answer = await post();
      if (answer.report) {
        ++reports;
        show(answer.report);
      }
      return answer;
    });
    const refusal = (await Promise.all(answers)).find(answer => answer.error);
    if (refusal) show(refusal.error);
  });
}

$("commands").textContent = `curl --data 'some text' ${location.origin}/jobs
curl ${location.origin}/stats
curl -N ${location.origin}/events`;
connect();
sample();
setInterval(sample, 1000);
</script>
</body>
</html>
)page";
}

}  // namespace job_server
