// The live page: asks /api/state every so often and draws what it says. Names in the data come from outside, so nodes
// are made one by one and texts are set as texts; no markup is ever built from data.
"use strict";

const PERIOD_MS = 1500;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const chosen = { metric: "", window: "" };
let drawn = "";

// --- nodes -----------------------------------------------------------------------------------------------------------
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) node.append(child instanceof Node ? child : String(child));
  }
  return node;
}
const el = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const none = (text) => el("p", { class: "none" }, text);

function table(node, heads, rows, empty) {
  if (!rows.length) {
    node.replaceChildren(el("tbody", null, el("tr", null, el("td", { class: "none" }, empty))));
    return;
  }
  const head = el("tr", null, ...heads.map(([text, kind]) => el("th", { class: kind, scope: "col" }, text)));
  const line = (cells) => el("tr", null, ...cells.map((cell, i) => el("td", { class: heads[i][1] }, cell)));
  node.replaceChildren(el("thead", null, head), el("tbody", null, ...rows.map(line)));
}

// --- texts -----------------------------------------------------------------------------------------------------------
const whole = new Intl.NumberFormat("en-GB");
const count = (n) => whole.format(n || 0);
const instant = (text) => String(text || "").replace("T", " ").replace(/(:00)?Z$/, "");
const figure = (x) => (typeof x === "number" ? x.toFixed(4) : "–");
function duration(seconds) {
  if (typeof seconds !== "number") return "–";
  if (seconds < 1) return (seconds * 1e3).toPrecision(3) + " ms";
  return seconds < 120 ? seconds.toFixed(1) + " s" : count(Math.round(seconds / 60)) + " min";
}
const unixText = (s) => instant(new Date(s * 1000).toISOString().replace(/\.000Z$/, "Z"));

// --- the parts -------------------------------------------------------------------------------------------------------
function head(state) {
  document.title = state.pipeline + " · Tidemill";
  byId("pipeline").textContent = state.pipeline;
  const pill = byId("state");
  pill.textContent = state.state;
  pill.setAttribute("class", "pill " + state.state);
  if (state.tick === undefined) return;
  const pairs = [["pipeline time", instant(state.pipeline_time)], ["since", instant(state.from)],
    ["tick", count(state.tick)], ["up", duration(state.seconds)]];
  byId("head").replaceChildren(...pairs.map(([k, v]) => el("div", null, el("dt", null, k), el("dd", null, v))));
}

function tiles(state) {
  const c = state.counts, seconds = state.event_latency.seconds;
  const champions = state.models.map((m) => (m.champion === null ? "–" : "v" + m.champion)).slice(0, 4).join(" ");
  const all = [[count(c.events), "events"], [count(Math.round(state.events_per_s)), "events a second"],
    [count(c.labelled), "labelled"], [champions, state.models.length > 1 ? "champions" : "champion"],
    [count(state.trainings), "trainings"], [count(c.dead_letters), "dead letters"],
    [duration(seconds["0.5"]), "event latency, median"], [duration(seconds["0.99"]), "event latency, 99 %"]];
  byId("tiles").replaceChildren(...all.map(([n, t]) => el("div", { class: "tile" }, el("b", null, n), el("span", null, t))));
}

function choices(id, values, current) {
  const select = byId(id);
  const known = Array.from(select.options, (option) => option.value);
  if (known.join("\n") !== values.join("\n")) {
    select.replaceChildren(...values.map((value) => el("option", { value }, value.replace(/_/g, " "))));
  }
  if (document.activeElement !== select) select.value = current;
}

// Four to six round numbers that span a range.
function ticks(low, high) {
  const rough = (high - low) / 4 || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) out.push(i * step);
  return [out, step];
}

// A unit of a picture is a pixel, so that texts are not stretched.
const width = () => Math.max(320, byId("charts").clientWidth);

function chart(state, model) {
  const lines = state.series.filter((series) => series.model === model.model && series.at.length);
  lines.sort((a, b) => (b.who === "as served") - (a.who === "as served"));
  const title = el("h3", null, model.model);
  if (!lines.length) return el("div", { class: "chart" }, title, none("Nothing is published yet."));
  const W = width(), H = 240, L = 52, R = 10, T = 18, B = 24;
  const times = lines.flatMap((line) => line.at), values = lines.flatMap((line) => line.values).filter((v) => v !== null);
  let [t0, t1] = [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))];
  if (t0 === t1) [t0, t1] = [t0 - 3600, t1 + 3600];
  // What was served decides the scale, with room for the others as far as twice that; a bad baseline would flatten it.
  const main = lines[0].values.filter((v) => v !== null);
  const span = (list) => [list.reduce((a, b) => Math.min(a, b), Infinity), list.reduce((a, b) => Math.max(a, b), -Infinity)];
  let [v0, v1] = span(main.length ? main : values);
  const reach = Math.max(v1 - v0, 0.02), [w0, w1] = span(values);
  [v0, v1] = [Math.max(w0, v0 - reach), Math.min(w1, v1 + reach)];
  if (!(v1 > v0)) [v0, v1] = [v0 - 0.01, v1 + 0.01];
  const x = (t) => L + ((t - t0) / (t1 - t0)) * (W - L - R), y = (v) => T + ((v1 - v) / (v1 - v0)) * (H - T - B);
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img",
    "aria-label": `${state.metric} of ${model.model}, window ${state.window}` });
  const [rows, step] = ticks(v0, v1), digits = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step)) + (step < 1 ? 1 : 0)));
  for (const v of rows) {
    picture.append(svg("line", { class: "grid", x1: L, x2: W - R, y1: y(v), y2: y(v) }),
      svg("text", { x: L - 6, y: y(v) + 4, "text-anchor": "end" }, v.toFixed(digits)));
  }
  const parts = Math.max(1, Math.min(5, Math.floor(W / 150)));
  for (let i = 0; i <= parts; i++) {
    const t = t0 + ((t1 - t0) * i) / parts, text = unixText(t);
    const anchor = i === 0 ? "start" : i === parts ? "end" : "middle";
    picture.append(svg("text", { x: x(t), y: H - 6, "text-anchor": anchor }, t1 - t0 > 6 * 86400 ? text.slice(0, 10) : text.slice(5, 16)));
  }
  const inside = (at) => Number.isFinite(at) && at >= t0 && at <= t1;
  let last = -Infinity;
  for (const record of model.versions) {
    const at = Date.parse(record.at) / 1000;
    if (record.role !== "champion" || !inside(at)) continue;
    picture.append(svg("line", { class: "mark", x1: x(at), x2: x(at), y1: T, y2: H - B }));
    // Names that would stand on each other are left out; the table has them.
    if (x(at) - last > 26) {
      picture.append(svg("text", { x: x(at), y: T - 5, "text-anchor": "middle" }, "v" + record.version));
      last = x(at);
    }
  }
  for (const decision of state.decisions) {
    const at = Date.parse(decision.at) / 1000;
    if (decision.model !== model.model || !inside(at) || !drifted(decision)) continue;
    picture.append(svg("circle", { class: "drift", cx: x(at), cy: H - B, r: 4 }, svg("title", null, causes(decision))));
  }
  lines.forEach((line, place) => {
    let path = "", pen = false;
    line.values.forEach((v, i) => {
      if (v === null) { pen = false; return; }
      const to = Math.min(Math.max(y(v), T - 2), H - B + 2);
      path += `${pen ? "L" : "M"}${x(line.at[i]).toFixed(1)} ${to.toFixed(1)}`;
      pen = true;
    });
    picture.append(svg("path", { class: `trace k${place % 8}${place ? " beside" : ""}`, d: path }));
  });
  const newest = (line) => {
    const v = line.values[line.values.length - 1];
    return figure(v) + (v !== null && v > v1 ? ", above" : v !== null && v < v0 ? ", below" : "");
  };
  const legend = lines.map((line, place) => el("span", null,
    svg("svg", { viewBox: "0 0 18 8" }, svg("line", { class: `trace k${place % 8}`, x1: 0, x2: 18, y1: 4, y2: 4 })),
    `${line.who} ${newest(line)}`));
  legend.push(el("span", null, svg("svg", { viewBox: "0 0 18 8" }, svg("circle", { class: "drift", cx: 9, cy: 4, r: 4 })), "drift"));
  const tip = el("div", { class: "tip", hidden: "" });
  const box = el("div", { class: "chart" }, title, picture, tip, el("div", { class: "legend" }, ...legend));
  hover(picture, tip, lines, { x, t0, t1, W, L, R, T, B, H });
  return box;
}

function hover(picture, tip, lines, s) {
  const cross = svg("line", { class: "cross", y1: s.T, y2: s.H - s.B, visibility: "hidden" });
  picture.append(cross);
  picture.addEventListener("pointerleave", () => { tip.hidden = true; cross.setAttribute("visibility", "hidden"); });
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const t = s.t0 + ((((event.clientX - box.left) / box.width) * s.W - s.L) / (s.W - s.L - s.R)) * (s.t1 - s.t0);
    const near = (line) => line.at.reduce((best, at, i) => (Math.abs(at - t) < Math.abs(line.at[best] - t) ? i : best), 0);
    const at = lines[0].at[near(lines[0])];
    tip.replaceChildren(el("div", { class: "soft" }, unixText(at)),
      ...lines.map((line) => el("div", null, `${line.who}: ${figure(line.values[near(line)])}`)));
    tip.hidden = false;
    const left = ((s.x(at) / s.W) * box.width);
    tip.style.left = (left < box.width / 2 ? left + 14 : left - tip.offsetWidth - 14) + "px";
    for (const end of ["x1", "x2"]) cross.setAttribute(end, s.x(at));
    cross.setAttribute("visibility", "visible");
  });
}

const drifted = (decision) => (decision.causes || []).some((cause) => cause.kind === "drift");
const causes = (decision) => (decision.causes || []).map((cause) => cause.text || cause.kind).join("; ");

function contestant(f) {
  if (f.role === "baseline") return `${f.model} beside ${f.beside}`;
  if (f.role === "frozen") return `${f.model}, frozen ${instant(f.frozen_at)}`;
  return f.version === null ? `${f.model}, as served` : `${f.model} v${f.version} ${f.role}`;
}

function figures(state) {
  const heads = [["", "tight"], ["window", "tight"], ["labelled", "number"], ["coverage", "number"],
    ...state.metrics.map((name) => [name, "number"])];
  const rows = state.figures.map((f) => [
    f.role === "champion" ? el("span", { class: "strong" }, contestant(f)) : contestant(f), f.window, count(f.labelled),
    typeof f.label_coverage === "number" ? (100 * f.label_coverage).toFixed(1) + " %" : "–",
    ...state.metrics.map((name) => figure(f[name]))]);
  table(byId("figures"), heads, rows, "The first boundary is not reached yet.");
}

// What is said last of a version; a champion that another one has followed is one no more.
function roles(model) {
  const last = new Map();
  for (const record of model.versions) last.set(record.version, record.role);
  return (version) => {
    if (version === model.champion) return ["champion", "good strong"];
    const role = last.get(version);
    return role === "champion" ? ["was champion", "soft"] : [role || "retired", role ? "warn" : "soft"];
  };
}

function lineage(record) {
  const l = record.lineage;
  if (!l) return record.share === null || record.share === undefined ? "" : `share ${record.share}`;
  const parts = [`tick ${count(l.tick)}`];
  if (l.window) parts.push(`${instant(l.window.from)} to ${instant(l.window.to)}`);
  if (l.updates !== null && l.updates !== undefined) parts.push(`${count(l.updates)} labels`);
  for (const o of l.offsets || []) parts.push(`${o.source}/${o.partition} below ${count(o.end)}`);
  return parts.join(" · ");
}

function versions(state) {
  const heads = [["model", "tight"], ["version", "tight"], ["role", "tight"], ["from", "tight"], ["kind", "tight"],
    ["parent", "tight"], ["cause", ""], ["made from", ""], ["digest", "tight"]];
  const rows = state.models.flatMap((model) => {
    const role = roles(model);
    return model.versions.slice().reverse().map((v) => {
      const [word, kind] = v.kind ? role(v.version) : ["now " + (v.role || "retired"), "soft"];
      return [model.model, "v" + v.version, el("span", { class: kind }, word), instant(v.at),
        v.kind ? `${v.kind} (${v.source})` : "", v.parent ? "v" + v.parent : "", v.cause || "", lineage(v),
        v.digest ? el("code", { title: v.digest }, v.digest.slice(0, 10)) : ""];
    });
  });
  table(byId("versions"), heads, rows, "There is no version yet.");
}

const TONES = { fired: "good", released: "good", promoted: "good", rejected: "bad", failed: "bad", suppressed: "soft" };
function decisions(state) {
  const heads = [["at", "tight"], ["model", "tight"], ["kind", "tight"], ["verdict", "tight"], ["reason", "tight"], ["causes", ""]];
  const rows = state.decisions.slice().reverse().map((d) => [instant(d.at), d.model, drifted(d) ? "drift" : d.kind,
    el("span", { class: TONES[d.verdict] || "" }, d.verdict), d.reason || "",
    causes(d) || (d.version ? `version ${d.version}, asked for by ${d.decision}` : d.decision || "")]);
  table(byId("decisions"), heads, rows, "Nothing was decided yet.");
}

function meter(pairs) {
  const most = Math.max(1, ...pairs.map(([, n]) => n));
  return el("div", { class: "meter" }, ...pairs.flatMap(([name, n]) => {
    const line = el("i", { class: n ? null : "nothing" });
    line.style.width = (100 * n) / most + "%";
    return [el("span", null, name), line, el("span", { class: "number" }, count(n))];
  }));
}

function balance(state) {
  const c = state.counts;
  byId("balance").replaceChildren(
    el("h3", null, `${count(c.records)} records`),
    meter([["used", c.used], ["dead letters", c.dead_letters], ["late", c.late], ["pending", c.pending]]),
    el("h3", null, `${count(c.events)} events`),
    meter([["labelled", c.labelled], ["expired", c.expired], ["open", c.open]]),
    el("h3", null, "Labels"),
    meter([["corrected", c.corrected], ["withdrawn", c.withdrawn], ["repeated", c.repeated]]));
  const reasons = Object.entries(state.reasons).sort((a, b) => b[1] - a[1]);
  const more = [["unknown categories", state.unknown_categories], ["no room", state.no_room]].filter(([, n]) => n);
  byId("letters").replaceChildren(reasons.length ? meter(reasons) : none("None: every record could be used."),
    ...(more.length ? [el("h3", null, "Counted beside"), meter(more)] : []));
}

// --- the loop --------------------------------------------------------------------------------------------------------
function show(state) {
  head(state);
  if (state.tick === undefined) return;
  tiles(state);
  // What stands still is not drawn anew: who points at it keeps what is shown.
  const now = [state.tick, state.state, state.metric, state.window, width()].join("\n");
  if (now === drawn) return;
  choices("metric", state.metrics, state.metric);
  choices("window", state.windows, state.window);
  byId("charts").replaceChildren(...state.models.map((model) => chart(state, model)));
  figures(state);
  versions(state);
  decisions(state);
  balance(state);
  drawn = now;
}

async function look() {
  const query = Object.entries(chosen).filter(([, v]) => v).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&");
  const answer = await fetch("/api/state" + (query ? "?" + query : ""), { cache: "no-store" });
  if (!answer.ok) throw new Error("status " + answer.status);
  return answer.json();
}

let asking = null;
let newest = 0;
async function again() {
  clearTimeout(asking);
  newest += 1;
  const mine = newest;
  try {
    const state = await look();
    // Who has chosen otherwise meanwhile has asked anew.
    if (mine !== newest) return;
    show(state);
  } catch (error) {
    console.error(error);
    const pill = byId("state");
    pill.textContent = "not answering";
    pill.setAttribute("class", "pill lost");
  }
  if (mine === newest) asking = setTimeout(again, PERIOD_MS);
}

for (const name of ["metric", "window"]) {
  byId(name).addEventListener("change", (event) => {
    chosen[name] = event.target.value;
    event.target.blur();
    again();
  });
}
again();
