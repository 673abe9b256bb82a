// Draws what /status.json says, every other second. Names are what strangers asked for: they go into the page as text, never as markup.
"use strict";

const EVERY = 2000;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const number = (value) => whole.format(value);

function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function octets(count) {
  for (const unit of ["B", "KB", "MB"]) {
    if (count < 1000) return `${count.toFixed(unit === "B" ? 0 : 1)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} GB`;
}

function duration(seconds) {
  const parts = [];
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count || (unit === "s" && !parts.length)) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

const milliseconds = (seconds) => `${number(seconds * 1000)} ms`;
const share = (part, all) => (all > 0 ? `${((100 * part) / all).toFixed(1)} %` : "–");

function cell(text, kind) {
  const element = document.createElement("td");
  element.textContent = text;
  if (kind) element.className = kind;
  return element;
}

// Rows of a label, a figure and a bar.
function bars(id, rows) {
  const most = Math.max(1e-9, ...rows.map((row) => row[1]));
  byId(id).tBodies[0].replaceChildren(...rows.map(([label, value, said]) => {
    const row = document.createElement("tr");
    const name = cell(label, "name");
    name.title = label;
    const meter = document.createElement("meter");
    meter.max = most;
    meter.value = value;
    const bar = cell("", "bar");
    bar.append(meter);
    row.append(name, cell(said, "number"), bar);
    return row;
  }));
}

function upstreams(found) {
  byId("upstreams").tBodies[0].replaceChildren(...found.map((each) => {
    const row = document.createElement("tr");
    const trouble = (each.failures ? `, ${each.failures} without reply` : "") + (each.declines ? `, ${each.declines} refused` : "");
    const state = each.up ? "up" : `down, next attempt in ${number(each.retryIn)} s`;
    const speed = typeof each.rtt === "number" ? `${(each.rtt * 1000).toFixed(1)} ms` : "not measured";
    row.append(
      cell(String(each.server), "server"), cell(String(each.way), "by"), cell(speed, "speed"),
      cell(state + trouble + (each.upgrade ? `, ${each.upgrade}` : ""), each.up ? "up" : "down"),
    );
    return row;
  }));
}

// One stacked bar for each second: answers given at once at the bottom, then those by look-up, then failures.
function history(steps) {
  const width = 600, height = 120, room = 300;
  const most = Math.max(1, ...steps.map(([seconds, queries]) => queries / Math.max(seconds, 0.1)));
  const shapes = [];
  steps.slice(-room).forEach(([seconds, , atHand, waited, failed], index, all) => {
    const x = width - (all.length - index) * (width / room);
    let y = height;
    const good = Math.max(waited - failed, 0);
    for (const [count, kind] of [[atHand, "good"], [good, "slow"], [failed, "bad"]]) {
      const high = Math.max(0, (count / Math.max(seconds, 0.1) / most) * height);
      if (high <= 0) continue;
      y -= high;
      const shape = document.createElementNS(SVG, "rect");
      for (const [key, value] of Object.entries({ x, y, width: width / room, height: high })) shape.setAttribute(key, value.toFixed(2));
      shape.setAttribute("class", kind);
      shapes.push(shape);
    }
  });
  byId("history").replaceChildren(...shapes);
  say("peak", `most: ${number(most)}`);
}

function latency({ bounds, counts }) {
  const label = (bound) => (bound < 1 ? `up to ${+(bound * 1000).toFixed(3)} ms` : `up to ${bound} s`);
  bars("latency", counts.map((count, index) => [index < bounds.length ? label(bounds[index]) : "more", count, number(count)]));
}

function draw({ status, figures, history: steps }) {
  const numbers = figures.numbers;
  const last = steps.slice(-10);
  const sum = (column) => last.reduce((total, step) => total + step[column], 0);
  say("about", `${status.version}, up ${duration(status.uptime)}, ${status.listening.join(", ")}`);
  say("perSecond", number(status.perSecond));
  say("atHand", share(sum(2), sum(2) + sum(3)));
  say("pending", number(numbers.pending));
  say("queries", number(figures.queries));
  say("cache", "cacheEntries" in numbers ? number(numbers.cacheEntries) : "–");
  say("memory", octets(numbers.residentOctets || 0));
  history(steps);
  latency(figures.latency);
  const replies = Object.entries(figures.replies).sort((one, other) => other[1] - one[1]);
  bars("replies", replies.map(([rcode, count]) => [rcode, count, number(count)]));
  bars("asked", figures.asked.map(([name, count]) => [name, count, number(count)]));
  bars("slowest", figures.slowest.map(([name, seconds]) => [name, seconds, milliseconds(seconds)]));
  byId("validation").hidden = !("secure" in numbers);
  bars("security", ["secure", "insecure", "bogus", "indeterminate"].map((each) => [each, numbers[each] || 0, number(numbers[each] || 0)]));
  upstreams(figures.upstreams);
}

async function look() {
  try {
    const response = await fetch("/status.json", { cache: "no-store" });
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    draw(await response.json());
    say("state", "");
    document.body.dataset.drawn = "yes";
  } catch (error) {
    say("state", `The server does not reply: ${error.message}`);
  }
  setTimeout(look, EVERY);
}

look();
