// Charts of the history. All have the same time axis: the mouse over one of them, or the slider below them, reads the values of one moment.

import { byId, cell, clock, figure, make, milliseconds, number, shape, share } from "/dom.js";

const WIDTH = 600, HEIGHT = 100;

const perSecond = (count) => (point) => count(point) / Math.max(point.seconds, 0.1);
const answered = (point) => point.hits + point.lookups;
// Most blocked names are answered without a look-up; an alias may need one.
const blockedHits = (point) => Math.min(point.blocked, point.hits);

// Areas are stacked, lines are not.
const KINDS = [
  {
    title: "Queries per second", shown: figure, areas: [
      ["good", "cache hits", perSecond((point) => point.hits - blockedHits(point))],
      ["withheld", "blocked", perSecond(blockedHits), true],
      ["slow", "look-ups", perSecond((point) => Math.max(point.lookups - point.failures, 0))],
      ["bad", "failures", perSecond((point) => Math.min(point.failures, point.lookups))],
    ],
  },
  {
    title: "Latency of look-ups", shown: (value) => milliseconds(value), lines: [
      ["line", "mean", (point) => point.latency],
      ["late", "95th percentile", (point) => point.latency95],
    ],
  },
  {
    title: "Hit rate", most: 1, shown: (value) => `${number(value * 100)} %`, lines: [
      ["rate", "cache hits", (point) => (answered(point) ? point.hits / answered(point) : null)],
    ],
  },
  { title: "Failures per minute", shown: figure, areas: [["bad", "failures", perSecond((point) => point.failures * 60)]] },
];

// The points of the last minutes, from the steps of /status.json, each about a second.
export function pointsOfMinutes(steps, now) {
  let start = now - steps.reduce((total, step) => total + step[0], 0);
  return steps.map(([seconds, queries, hits, lookups, failures, latency, blocked]) => {
    const point = { start, seconds, queries, hits, lookups, failures, latency, latency95: null, blocked };
    start += seconds;
    return point;
  });
}

// The points of an hour or a day, from /history.json.
export function pointsOf({ columns, steps }) {
  return steps.map((step) => Object.fromEntries(columns.map((column, index) => [column, step[index]])));
}

export class Charts {
  constructor() {
    this.points = [];
    this.cursor = byId("cursor");
    // The slider stays at the newest moment until it is moved.
    this.follows = true;
    this.plots = KINDS.map((kind) => this.build(kind));
    this.cursor.addEventListener("input", () => {
      this.follows = this.cursor.value === this.cursor.max;
      this.read(Number(this.cursor.value));
    });
    byId("values").addEventListener("toggle", () => this.table());
  }

  build(kind) {
    const whole = make("figure"), caption = make("figcaption"), plot = make("div", "", "plot"), times = make("div", "", "times");
    const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const top = make("span", "", "top"), times3 = [make("span"), make("span"), make("span", "now")];
    caption.append(make("b", kind.title));
    const keys = (kind.areas || kind.lines).map(([name, said]) => {
      const key = make("span");
      key.append(make("span", "", `swatch ${name}`), said);
      return key;
    });
    caption.append(...keys);
    caption.append(top);
    plot.append(svg);
    times.append(...times3);
    whole.append(caption, plot, times);
    byId("charts").append(whole);
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect();
      this.read(this.nearest(this.begin + ((event.clientX - box.left) / box.width) * this.span));
    });
    plot.addEventListener("pointerleave", () => this.read(Number(this.cursor.value)));
    return { kind, svg, top, keys, times: times3 };
  }

  nearest(time) {
    let best = 0;
    this.points.forEach((point, index) => {
      if (point.start <= time) best = index;
    });
    return best;
  }

  x(time) {
    return ((time - this.begin) / this.span) * WIDTH;
  }

  // Show points that begin `span` seconds before `until` at the earliest; each is `step` seconds long.
  show(points, span, step, until) {
    this.points = points;
    [this.span, this.step, this.begin] = [span, step, until - span];
    this.unit = step < 60 ? "seconds" : "minutes";
    for (const plot of this.plots) this.draw(plot);
    this.cursor.max = Math.max(points.length - 1, 0);
    if (this.follows) this.cursor.value = this.cursor.max;
    this.read(Number(this.cursor.value));
    this.table();
  }

  draw({ kind, svg, top, keys, times }) {
    const series = (kind.areas || kind.lines).map(([name, , value]) => [name, this.points.map(value)]);
    const heights = kind.areas ? this.points.map((_, index) => series.reduce((sum, [, values]) => sum + values[index], 0))
      : series.flatMap(([, values]) => values.filter((value) => value !== null));
    const most = kind.most || Math.max(1e-9, ...heights);
    top.textContent = heights.length && most > 1e-9 ? `max ${kind.shown(most)}` : "";
    // The last minutes have no percentiles, and most servers block nothing.
    series.forEach(([, values], index) => {
      keys[index].hidden = kind.areas ? Boolean(kind.areas[index][3]) && !values.some(Boolean) : Boolean(index) && values.every((value) => value === null);
    });
    const base = this.points.map(() => 0);
    const shapes = series.map(([name, values]) => {
      let path = "", wasHere = false, end = 0;
      values.forEach((value, index) => {
        const point = this.points[index], from = Math.max(this.x(point.start), 0), to = this.x(point.start + this.step);
        if (kind.areas) {
          const low = HEIGHT - (base[index] / most) * HEIGHT, high = low - (value / most) * HEIGHT;
          base[index] += value;
          if (value > 0) path += `M${from.toFixed(1)} ${low.toFixed(1)}V${high.toFixed(1)}H${to.toFixed(1)}V${low.toFixed(1)}Z`;
          return;
        }
        // A gap, or a moment without look-ups, is not bridged.
        const joined = wasHere && from - end < 2 * (to - from);
        [wasHere, end] = [value !== null, from];
        if (value !== null) path += `${joined ? "L" : "M"}${((from + to) / 2).toFixed(1)} ${(HEIGHT - (value / most) * (HEIGHT - 2) - 1).toFixed(1)}${joined ? "" : "h0.1"}`;
      });
      return shape("path", { d: path, class: kind.areas ? name : `line ${name}` });
    });
    svg.replaceChildren(...shapes);
    const unit = this.span < 3600 ? "seconds" : "minutes";
    times[0].textContent = clock(this.begin, unit);
    times[1].textContent = clock(this.begin + this.span / 2, unit);
  }

  // Read the values of one point.
  read(index) {
    const point = this.points[index];
    const text = point ? this.words(point) : "no values yet";
    byId("reading").textContent = text;
    this.cursor.setAttribute("aria-valuetext", text);
    for (const { svg } of this.plots) {
      svg.querySelector(".here")?.remove();
      if (!point || (this.follows && index === this.points.length - 1)) continue;
      const x = this.x(point.start + this.step / 2).toFixed(1);
      svg.append(shape("line", { x1: x, x2: x, y1: 0, y2: HEIGHT, class: "here" }));
    }
  }

  words(point) {
    const latency = point.latency === null ? "" : `, latency ${milliseconds(point.latency)}`;
    const blocked = point.blocked ? `, ${number(point.blocked)} blocked` : "";
    return `${clock(point.start, this.unit)}: ${figure(point.queries / Math.max(point.seconds, 0.1))} queries per second, `
      + `${share(point.hits, answered(point))} hits${latency}${blocked}, ${number(point.failures)} ${point.failures === 1 ? "failure" : "failures"}`;
  }

  table() {
    const details = byId("values");
    if (!details.open) return;
    const time = (seconds) => (seconds === null ? "–" : milliseconds(seconds));
    details.querySelector("tbody").replaceChildren(...this.points.toReversed().map((point) => {
      const row = make("tr");
      const when = make("th", clock(point.start, this.unit));
      when.scope = "row";
      row.append(
        when, cell(figure(point.queries / Math.max(point.seconds, 0.1))), cell(share(point.hits, answered(point))),
        cell(time(point.latency)), cell(time(point.latency95)), cell(number(point.blocked)), cell(number(point.failures)),
      );
      return row;
    }));
  }
}

// A small line without axes, for values of which some are null.
export function smallLine(values, said) {
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": said });
  const most = Math.max(1e-9, ...values.map((value) => value ?? 0)), step = WIDTH / Math.max(values.length - 1, 1);
  let path = "", wasHere = false;
  values.forEach((value, index) => {
    if (value !== null) path += `${wasHere ? "L" : "M"}${(index * step).toFixed(1)} ${(HEIGHT - 5 - (value / most) * (HEIGHT - 10)).toFixed(1)}${wasHere ? "" : "h0.1"}`;
    wasHere = value !== null;
  });
  svg.append(shape("path", { d: path, class: "line" }));
  return svg;
}
