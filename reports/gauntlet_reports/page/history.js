// Strips of the last nights: a shape an outcome, so that they are read without colours; and in words.
"use strict";

const nights = data.nights ?? [];
const pitch = 5;
const stripHeight = 14;

// Each mark stands in a cell of 4 by 14 at x. What went wrong is tall, what held is a low block,
// what was not asked is thin or hollow.
const marks = {
  pass: (x) => `M${x} 10h4v4h-4z`,
  fail: (x) => `M${x} 0h4v14h-4z`,
  crash: (x) => `M${x} 0l2 5l2-5v14h-4z`,
  hang: (x) => `M${x} 0h4v14h-4zM${x + 1} 1v12h2v-12z`,
  unexpected_pass: (x) => `M${x} 0l4 3l-4 3zM${x} 10h4v4h-4z`,
  expected: (x) => `M${x} 6h4v2h-4zM${x} 10h4v4h-4z`,
  error: (x) => `M${x + 1} 0h2v9h-2zM${x + 1} 11h2v3h-2z`,
  unfinished: (x) => `M${x} 0h4v7h-4z`,
  not_run: (x) => `M${x} 10h4v4h-4zM${x + 1} 11v2h2v-2z`,
  unsupported: (x) => `M${x} 13h4v1h-4z`,
  not_reached: (x) => `M${x + 1} 12h2v2h-2z`,
};
const redOutcomes = new Set(["crash", "hang", "fail", "unexpected_pass"]);
const wordOf = Object.fromEntries(data.outcomes.map(([outcome, , word]) => [outcome, word]));

const svgElement = (tag, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

const countedWords = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

// The same words as history_words of history.py.
const stripWords = (strip) => {
  const outcomes = [...strip].map((letter) => data.letters[letter]);
  const order = ["pass", ...data.outcomes.map(([outcome]) => outcome).filter((o) => o !== "pass")];
  const told = [];
  for (const outcome of [...order, undefined]) {
    const number = outcomes.filter((other) => other === outcome).length;
    if (number) told.push(`${number} ${wordOf[outcome] ?? "without it"}`);
  }
  const ago = outcomes.reverse().findIndex((outcome) => redOutcomes.has(outcome));
  if (ago >= 0) told.push("last failed " + (ago ? countedWords(ago, "night") + " ago" : "in this run"));
  return `${countedWords(strip.length, "night")}: ${told.join(", ")}`;
};

const marksOf = (strip) => {
  const paths = {};
  [...strip].forEach((letter, place) => {
    const outcome = data.letters[letter];
    if (outcome) paths[outcome] = (paths[outcome] ?? "") + marks[outcome](place * pitch);
  });
  const width = strip.length * pitch;
  const svg = svgElement("svg", {
    class: "strip", viewBox: `0 0 ${width} ${stripHeight}`, width, height: stripHeight,
  });
  for (const [outcome, d] of Object.entries(paths)) {
    svg.append(svgElement("path", {class: "s-" + outcome, d, "fill-rule": "evenodd"}));
  }
  return svg;
};

const stripOf = (item) => (item.detail.strip === undefined ? "" : data.strips[item.detail.strip]);

const drawStrip = (strip) => {
  const svg = marksOf(strip);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", stripWords(strip));
  return svg;
};

// The strip of one case with every night by its name; for the drawer.
const historyPart = (item) => {
  const strip = stripOf(item);
  if (strip.length < 2) return null;
  const body = element("tbody", "");
  [...strip].forEach((letter, place) => {
    const [run, started] = nights[place];
    const head = element("th", "", element("code", "", run));
    head.scope = "row";
    body.prepend(element("tr", "", head, element("td", "", started),
                         element("td", "", wordOf[data.letters[letter]] ?? "without it")));
  });
  return part(`Last ${strip.length} nights`, drawStrip(strip), element("p", "", stripWords(strip)),
              element("details", "", element("summary", "", "Night by night, this run first"),
                      element("table", "plain", body)));
};

const fillStripKey = () => {
  const key = document.getElementById("strip-key");
  if (!key) return;
  const used = new Set(data.strips.join(""));
  for (const [letter, outcome] of Object.entries(data.letters)) {
    if (!used.has(letter)) continue;
    const mark = marksOf(letter);
    mark.setAttribute("aria-hidden", "true");
    key.append(element("li", "", mark, " " + wordOf[outcome]));
  }
};
