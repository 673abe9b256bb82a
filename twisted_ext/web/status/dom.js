// Elements and figures for all parts of the page. Names are what strangers asked for: they go into the page as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const small = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

export const byId = (id) => document.getElementById(id);
export const number = (value) => whole.format(value);

// A rate or a time, with decimals only if it is small.
export const figure = (value) => (value === 0 || value >= 10 ? whole : small).format(value);
export const milliseconds = (seconds) => `${figure(seconds * 1000)} ms`;
export const share = (part, all) => (all > 0 ? `${((100 * part) / all).toFixed(1)} %` : "–");

const clocks = {
  seconds: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  minutes: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }),
};

export const clock = (seconds, unit = "seconds") => clocks[unit].format(new Date(seconds * 1000));

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const say = (id, text) => write(byId(id), text);

export function octets(count) {
  for (const unit of ["B", "KB", "MB"]) {
    if (count < 1000) return `${count.toFixed(unit === "B" ? 0 : 1)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} GB`;
}

export function duration(seconds) {
  const parts = [];
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count || (unit === "s" && !parts.length)) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

export function make(kind, text = "", name = "") {
  const element = document.createElement(kind);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

export const cell = (text, kind) => make("td", text, kind);

export function shape(kind, attributes) {
  const element = document.createElementNS(SVG, kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// Rows of a label, a figure and a bar.
export function bars(id, rows) {
  const most = Math.max(1e-9, ...rows.map((row) => row[1]));
  byId(id).tBodies[0].replaceChildren(...rows.map(([label, value, said]) => {
    const row = document.createElement("tr");
    const name = make("th", label, "name");
    name.scope = "row";
    name.title = label;
    const meter = document.createElement("meter");
    meter.max = most;
    meter.value = value;
    meter.setAttribute("aria-hidden", "true");
    const bar = cell("", "bar");
    bar.append(meter);
    row.append(name, cell(said, "number"), bar);
    return row;
  }));
}

export async function fetched(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return response.json();
}
