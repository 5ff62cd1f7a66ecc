// The cases of the page's data, how they are filtered and sorted, and the address that says so.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

const cases = data.rows.map(([outcome, name, method, kind, subject, repetition, ms, detail]) => ({
  severity: outcome,
  outcome: data.outcomes[outcome][0],
  glyph: data.outcomes[outcome][1],
  word: data.outcomes[outcome][2],
  name,
  method: data.methods[method],
  kind: data.kinds[kind],
  subject: data.subjects[subject],
  repetition,
  ms,
  detail,
}));

const text = (index) => (index === undefined ? "" : data.strings[index]);

const haystack = (item) => {
  item.haystack ??= [item.name, item.subject, text(item.detail.clause), text(item.detail.reason)]
    .join("\n").toLowerCase().replace(/\s+/g, " ");
  return item.haystack;
};

const orders = {
  worst: (a, b) => a.severity - b.severity || orders.name(a, b),
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.repetition - b.repetition),
  slowest: (a, b) => (b.ms ?? -1) - (a.ms ?? -1) || orders.name(a, b),
};

const emptyFilter = () => (
  {verdict: [], method: "", kind: "", subject: "", change: "", signature: "", q: "", sort: "worst", name: "", rep: 0});

// What the address calls these is what the filter and the controls call them.
const filterKeys = ["method", "kind", "subject", "change", "signature", "q"];

// A plain fragment such as #matrix names a part of the page and leaves the filter alone.
const isFilterAddress = () => location.hash.length < 2 || location.hash.includes("=");

const readAddress = () => {
  const given = new URLSearchParams(location.hash.slice(1));
  const filter = emptyFilter();
  for (const key of filterKeys) filter[key] = given.get(key) ?? "";
  filter.verdict = (given.get("verdict") ?? "").split(",").filter(Boolean);
  filter.sort = Object.hasOwn(orders, given.get("sort")) ? given.get("sort") : "worst";
  filter.name = given.get("case") ?? "";
  filter.rep = Number(given.get("rep") ?? 0);
  return filter;
};

const addressOf = (filter) => {
  const parts = [];
  const add = (key, value) => {
    if (value) parts.push(key + "=" + encodeURIComponent(value));
  };
  add("verdict", filter.verdict.join(","));
  for (const key of filterKeys) add(key, filter[key]);
  add("sort", filter.sort === "worst" ? "" : filter.sort);
  add("case", filter.name);
  add("rep", filter.rep);
  return "#" + parts.join("&");
};

const signatureOf = (item) => data.signatures[item.detail.signature] ?? "";

// Sorting 100,000 cases takes longer than a key stroke may, so that each order is made once.
const sorted = {};
const inOrder = (order) => (sorted[order] ??= [...cases].sort(orders[order]));

const applyFilter = (filter) => {
  const words = filter.q.toLowerCase().replace(/\s+/g, " ").trim();
  return inOrder(filter.sort).filter((item) =>
    (!filter.verdict.length || filter.verdict.includes(item.outcome)) &&
    (!filter.method || item.method === filter.method) &&
    (!filter.kind || item.kind === filter.kind) &&
    (!filter.subject || item.subject === filter.subject) &&
    (!filter.change || item.detail.change === filter.change) &&
    (!filter.signature || signatureOf(item) === filter.signature) &&
    (!words || haystack(item).includes(words)),
  );
};

const reproOf = (item) => item.detail.repro ?? (item.detail.seed === undefined ? ""
  : `harness/gauntlet repro ${item.name} --seed ${item.detail.seed}${data.tail}`);

const subjectWords = (subject) => (subject === "-" ? "the API itself" : subject);

const titleOf = (item) =>
  item.name + (item.repetition ? ` (repetition ${item.repetition})` : "");

const durationWords = (ms) => {
  if (ms === null) return "";
  if (ms < 1) return ms.toFixed(2) + " ms";
  if (ms < 1000) return ms.toFixed(0) + " ms";
  if (ms < 60000) return (ms / 1000).toFixed(2) + " s";
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
};

// Every text goes in as a text node: nothing that a test printed is ever read as markup.
const element = (tag, className, ...children) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null));
  return made;
};

const glyphed = (className, glyph, words) => {
  const mark = element("span", "", glyph);
  mark.setAttribute("aria-hidden", "true");
  return element("span", "chip " + className, mark, " " + words);
};

const chipOf = (item) => glyphed("o-" + item.outcome, item.glyph, item.word);

// Long names may break after their parts.
const appendBreakable = (parent, name) => {
  for (const part of name.split(/(?<=[._\/])/)) parent.append(part, document.createElement("wbr"));
};
