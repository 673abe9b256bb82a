// The list of live queries. The server collects queries only while a page asks for them, so a hidden or paused page asks for none.

import { byId, cell, clock, fetched, figure, make, number, say, write } from "/dom.js";

// Queries kept by the page, and rows shown.
const KEPT = 1000, ROWS = 200;

export class Live {
  constructor() {
    this.queries = [];
    this.next = 0;
    this.skipped = 0;
    this.paused = false;
    this.fields = Object.fromEntries(["Name", "Client", "Type", "Rcode", "Status"].map((word) => [word, byId(`filter${word}`)]));
    const form = byId("filter");
    form.addEventListener("input", () => this.draw());
    form.addEventListener("reset", () => setTimeout(() => this.draw()));
    form.addEventListener("submit", (event) => event.preventDefault());
    byId("pause").addEventListener("click", () => this.pause(!this.paused));
  }

  pause(paused) {
    this.paused = paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
    this.draw();
  }

  // Show the queries of one client.
  only(client) {
    byId("filter").reset();
    this.fields.Client.value = client;
    this.draw();
    byId("live").scrollIntoView();
    this.fields.Client.focus({ preventScroll: true });
  }

  async look() {
    if (this.paused || document.hidden) return;
    const found = await fetched(`/queries.json?after=${this.next}`);
    byId("filter").hidden = byId("liveList").hidden = !found.shown;
    if (!found.shown) {
      say("liveState", "Off: names and clients are personal data. The server's setting show-clients turns it on.");
      return;
    }
    // A restarted server counts from one again.
    if (found.next < this.next) this.queries = [];
    this.next = found.next;
    this.skipped = found.skipped;
    this.queries = [...found.queries.reverse(), ...this.queries].slice(0, KEPT);
    this.offer(this.fields.Type, "type");
    this.offer(this.fields.Rcode, "rcode");
    // Another tick of the page may have paused it meanwhile.
    if (!this.paused) this.draw();
  }

  // Offer the values that the list has, without disturbing an open menu.
  offer(select, key) {
    const known = new Set([...select.options].map((option) => option.value));
    for (const query of this.queries) {
      if (!known.has(query[key]) && known.size < 60) {
        known.add(query[key]);
        select.append(make("option", query[key]));
      }
    }
  }

  fits(query) {
    const { Name, Client, Type, Rcode, Status } = this.fields;
    return query.name.toLowerCase().includes(Name.value.trim().toLowerCase()) && `${query.client} ${query.host || ""}`.toLowerCase().includes(Client.value.trim().toLowerCase())
      && (!Type.value || query.type === Type.value) && (!Rcode.value || query.rcode === Rcode.value) && (!Status.value || query.status === Status.value);
  }

  // Show the queries that fit the filter, in the rows that are there: moving rows would have the browser lay out all of them.
  draw() {
    const fitting = this.queries.filter((query) => this.fits(query)), body = byId("liveTable").tBodies[0];
    const shown = fitting.slice(0, ROWS);
    while (body.rows.length > shown.length) body.rows[body.rows.length - 1].remove();
    while (body.rows.length < shown.length) body.append(this.row());
    shown.forEach((query, index) => this.fill(body.rows[index], query));
    const more = this.skipped ? `; ${number(this.skipped)} more came too fast to show` : "";
    const found = this.queries.length ? `${number(fitting.length)} of the last ${number(this.queries.length)}${more}. ×N: a cached answer that stands for N.` : "none yet";
    say("liveState", `${this.paused ? "paused, " : ""}${found}`);
    document.body.dataset.live = "yes";
  }

  row() {
    const row = make("tr");
    row.append(...["time", "client", "name", "", "", "", "time"].map((kind) => cell("", kind)));
    return row;
  }

  fill(row, query) {
    const taken = query.milliseconds < 0.1 ? "< 0.1 ms" : `${figure(query.milliseconds)} ms`;
    const texts = [
      clock(query.time), query.host || query.client, query.name + (query.count > 1 ? ` ×${number(query.count)}` : ""), query.type, query.rcode,
      query.status, taken,
    ];
    texts.forEach((text, index) => write(row.cells[index], text));
    row.cells[1].title = query.host ? query.client : "";
    const status = row.cells[5];
    status.className = query.status;
    status.title = query.server && `by ${query.server}`;
  }
}
