// Draws what /status.json, /history.json, /clients.json and /queries.json say.

import { bars, byId, cell, clock, duration, fetched, figure, make, milliseconds, number, octets, say, share } from "/dom.js";
import { Charts, pointsOf, pointsOfMinutes, smallLine } from "/charts.js";
import { Live } from "/live.js";

// Milliseconds between two requests: for live queries, for the status, and for what changes slowly.
const LIVE = 1000, STATUS = 2000, SLOW = 10000;

// Seconds of each span, and of each of its steps, as far as the server does not say.
const MINUTES = 300;

const charts = new Charts();
const live = new Live();
let steps = [], spans = null, now = 0;
// The client whose names are shown.
let opened = "";

const span = () => document.querySelector("input[name=span]:checked").value;

function drawHistory() {
  const chosen = span();
  if (chosen === "minutes") charts.show(pointsOfMinutes(steps, now), MINUTES, 1, now);
  else if (spans) charts.show(pointsOf(spans[chosen]), chosen === "hour" ? 3600 : 86400, spans[chosen].step, spans[chosen].until);
}

function upstreams(found, latencies) {
  byId("upstreams").tBodies[0].replaceChildren(...found.map((each) => {
    const row = document.createElement("tr");
    const trouble = (each.failures ? `, ${each.failures} without reply` : "") + (each.declines ? `, ${each.declines} refused` : "");
    const state = each.up ? "up" : `down, next attempt in ${number(each.retryIn)} s`;
    const speed = typeof each.rtt === "number" ? `${(each.rtt * 1000).toFixed(1)} ms` : "not measured";
    const known = latencies[[each.server, each.way, ...(each.views ? [each.views] : [])].join(" ")] || [], minutes = [...Array(Math.max(60 - known.length, 0)).fill(null), ...known];
    const measured = minutes.filter((value) => value !== null);
    const small = cell("", "small");
    if (measured.length) {
      const said = `latency in the last hour: ${milliseconds(Math.min(...measured))} to ${milliseconds(Math.max(...measured))}`;
      small.append(smallLine(minutes, said));
      small.title = said;
    }
    row.append(
      cell(String(each.server), "server"), cell(each.views ? `${each.way}, for ${each.views.join(", ")}` : String(each.way), "by"), cell(speed, "speed"), small,
      cell(state + trouble + (each.upgrade ? `, ${each.upgrade}` : ""), each.up ? "up" : "down"),
    );
    return row;
  }));
}

function blocking({ lists, paused }) {
  byId("paused").hidden = !paused.length;
  say("paused", `Paused for ${paused.map((view) => (view === "default" ? "clients in no view" : view)).join(", ")}.`);
  byId("lists").tBodies[0].replaceChildren(...lists.map(({ name, place, names, wrong, failing }) => {
    const row = document.createElement("tr");
    const lines = wrong ? `, ${number(wrong)} lines cannot be used` : "";
    row.append(
      cell(name, "name"), cell(place === name ? "" : place), cell(number(names), "number"),
      cell((failing ? "not fetched or read last time" : "in force") + lines, failing ? "down" : "up"),
    );
    return row;
  }));
}

function latency({ bounds, counts }) {
  const label = (bound) => (bound < 1 ? `up to ${+(bound * 1000).toFixed(3)} ms` : `up to ${bound} s`);
  bars("latency", counts.map((count, index) => [index < bounds.length ? label(bounds[index]) : "more", count, number(count)]));
}

function draw({ status, figures, history, latencies }) {
  const numbers = figures.numbers;
  [steps, now] = [history, Date.now() / 1000];
  const last = steps.slice(-10), sum = (column) => last.reduce((total, step) => total + step[column], 0);
  const lookups = steps.slice(-60).filter((step) => step[5] !== null), count = lookups.reduce((total, step) => total + step[3], 0);
  say("about", `${status.version}${status.compiled ? "" : ", not compiled"}, up ${duration(status.uptime)}, ${status.listening.join(", ")}`);
  say("perSecond", number(status.perSecond));
  say("atHand", share(sum(2), sum(2) + sum(3)));
  byId("blockedTile").hidden = !("blocked" in numbers);
  say("blocked", share(sum(6), sum(2) + sum(3)));
  say("mean", count ? milliseconds(lookups.reduce((total, step) => total + step[5] * step[3], 0) / count) : "–");
  say("failures", number(steps.slice(-60).reduce((total, step) => total + step[4], 0)));
  say("pending", number(numbers.pending));
  say("queries", number(figures.queries));
  say("cache", "cacheEntries" in numbers ? number(numbers.cacheEntries) : "–");
  byId("signaturesTile").hidden = !("zonesSignatureExpiry" in numbers);
  say("signatures", numbers.zonesSignatureExpiry > now ? duration(numbers.zonesSignatureExpiry - now) : "ended");
  say("memory", octets(numbers.residentOctets || 0));
  if (span() === "minutes") drawHistory();
  latency(figures.latency);
  const all = Object.values(figures.types).reduce((total, each) => total + each, 0);
  const falling = (counts) => Object.entries(counts).sort((one, other) => other[1] - one[1]);
  bars("types", falling(figures.types).slice(0, 13).map(([type, each]) => [type, each, share(each, all)]));
  bars("replies", falling(figures.replies).map(([rcode, each]) => [rcode, each, number(each)]));
  bars("asked", figures.asked.map(([name, each]) => [name, each, number(each)]));
  bars("slowest", figures.slowest.map(([name, seconds]) => [name, seconds, milliseconds(seconds)]));
  byId("validation").hidden = !("secure" in numbers);
  bars("security", ["secure", "insecure", "bogus", "indeterminate"].map((each) => [each, numbers[each] || 0, number(numbers[each] || 0)]));
  upstreams(figures.upstreams, latencies);
  byId("earlier").hidden = !status.queryHistory;
  byId("blocking").hidden = !status.blocking;
  if (status.blocking) blocking(status.blocking);
}

async function namesOf(client) {
  const row = make("tr", "", "names"), inside = cell("");
  inside.colSpan = 4;
  const { names = [] } = await fetched(`/clients.json?client=${encodeURIComponent(client)}`);
  const list = make("ul");
  for (const { name, type, seen } of names) {
    const item = make("li");
    item.append(make("span", clock(seen), "time"), `${type} ${name}`);
    list.append(item);
  }
  inside.append(list);
  if (!byId("filter").hidden) {
    const only = make("button", "Show its live queries", "plain");
    only.type = "button";
    only.addEventListener("click", () => live.only(client));
    inside.append(only);
  }
  row.append(inside);
  return row;
}

async function clients() {
  const found = await fetched("/clients.json");
  byId("clients").hidden = !found.shown || !found.clients.length;
  byId("clientsState").hidden = found.shown && found.clients.length > 0;
  say("clientsState", found.shown ? "No queries yet." : "Off: clients are personal data. The server's setting show-clients turns it on.");
  if (!found.shown) return;
  const rows = await Promise.all(found.clients.slice(0, 20).map(async ({ client, host, queries, seen }) => {
    const row = make("tr"), who = cell("", "client"), button = make("button", host ? `${host} (${client})` : client, "plain"), isOpen = client === opened;
    button.type = "button";
    button.setAttribute("aria-expanded", String(isOpen));
    button.title = "the latest names of this client";
    button.addEventListener("click", () => {
      opened = isOpen ? "" : client;
      clients().catch(trouble);
    });
    who.append(button);
    row.append(who, cell(number(queries), "number"), cell(share(queries, found.total), "number"), cell(clock(seen), "time"));
    return isOpen ? [row, await namesOf(client)] : [row];
  }));
  const body = byId("clients").tBodies[0];
  // Keep the focus where it was.
  const focused = body.contains(document.activeElement) ? document.activeElement.textContent : "";
  body.replaceChildren(...rows.flat());
  if (focused) [...body.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus({ preventScroll: true });
  document.body.dataset.clients = "yes";
}

function trouble(error) {
  say("state", `The server does not reply: ${error.message}`);
}

// Call a function at once and then again and again, after each result.
function every(interval, work) {
  const again = async () => {
    try {
      if (!document.hidden) await work();
    } catch (error) {
      trouble(error);
    }
    setTimeout(again, interval);
  };
  again();
}

every(STATUS, async () => {
  draw(await fetched("/status.json"));
  say("state", "");
  document.body.dataset.drawn = "yes";
});
every(SLOW, async () => {
  spans = await fetched("/history.json");
  if (span() !== "minutes") drawHistory();
});
every(STATUS * 2, clients);
every(LIVE, () => live.look());

for (const choice of document.querySelectorAll("input[name=span]")) {
  choice.addEventListener("change", () => {
    charts.follows = true;
    drawHistory();
  });
}

const SHORTCUTS = {
  "5": () => choose("minutes"), h: () => choose("hour"), d: () => choose("day"), p: () => live.pause(!live.paused),
  "/": () => byId("filterName").focus(),
};

function choose(value) {
  document.querySelector(`input[name=span][value=${value}]`).click();
}

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.key === "Escape" && field.form?.id === "filter") field.form.reset();
  if (event.key === "Escape" && field.closest("#clients")) {
    // The buttons are made anew; the one of the client gets the focus back.
    byId("clients").querySelector("[aria-expanded=true]")?.focus();
    opened = "";
    clients().catch(trouble);
  }
  const types = field.matches("input:not([type=radio], [type=range], [type=checkbox]), select");
  if (types || event.ctrlKey || event.altKey || event.metaKey || !byId("shortcuts").checked || !SHORTCUTS[event.key]) return;
  event.preventDefault();
  SHORTCUTS[event.key]();
});
