// The list of all cases: draws what the address asks for, and answers the mouse and the keyboard.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const rows = byId("rows");
  const chunk = 200;
  let filter = emptyFilter();
  let visibleCases = [];
  let drawn = 0;
  let opened = null;

  const fillSelect = (id, all, values, words) => {
    const select = byId(id);
    if (!select) return;  // This page has nothing to choose from.
    select.append(new Option(all, ""));
    for (const value of [...new Set(values)].sort()) select.append(new Option(words(value), value));
    select.addEventListener("change", () => change({[id]: select.value}));
  };

  const buildVerdicts = () => {
    const present = new Set(cases.map((item) => item.outcome));
    for (const [outcome, glyph, word] of data.outcomes) {
      if (!present.has(outcome)) continue;
      const button = element("button", "", glyphed("o-" + outcome, glyph, word));
      button.type = "button";
      button.dataset.verdict = outcome;
      button.addEventListener("click", () => {
        const chosen = filter.verdict.includes(outcome)
          ? filter.verdict.filter((other) => other !== outcome) : [...filter.verdict, outcome];
        change({verdict: chosen});
      });
      byId("verdicts").append(button);
    }
  };

  const rowOf = (item, index) => {
    const name = element("button", "case");
    name.type = "button";
    name.dataset.index = index;
    appendBreakable(name, titleOf(item));
    const head = element("th", "", name);
    head.scope = "row";
    const subject = element("td");
    appendBreakable(subject, subjectWords(item.subject));
    const strip = stripOf(item);
    const past = nights.length ? element("td", "past", strip ? drawStrip(strip) : null) : null;
    return element("tr", "", element("td", "", chipOf(item)), head,
                   subject, element("td", "", item.kind),
                   element("td", "number", durationWords(item.ms)), past);
  };

  const drawMore = () => {
    const until = Math.min(drawn + chunk, visibleCases.length);
    const fresh = document.createDocumentFragment();
    for (; drawn < until; drawn += 1) fresh.append(rowOf(visibleCases[drawn], drawn));
    rows.append(fresh);
    byId("more").hidden = drawn >= visibleCases.length;
    byId("more").textContent = `Show more (${visibleCases.length - drawn} left)`;
  };

  const draw = () => {
    visibleCases = applyFilter(filter);
    rows.replaceChildren();
    drawn = 0;
    drawMore();
    byId("shown").textContent = visibleCases.length === cases.length
      ? `${cases.length.toLocaleString("en")} cases`
      : `${visibleCases.length.toLocaleString("en")} of ${cases.length.toLocaleString("en")} cases`;
    byId("nothing").hidden = visibleCases.length > 0;
    byId("nothing").textContent = cases.length
      ? "No case fits this filter." : "This run has no cases.";
    rows.parentElement.hidden = visibleCases.length === 0;
  };

  const showControls = () => {
    for (const id of filterKeys) {
      const control = byId(id);
      if (control && control.value !== filter[id]) control.value = filter[id];
    }
    for (const button of byId("verdicts").children) {
      button.setAttribute("aria-pressed", String(filter.verdict.includes(button.dataset.verdict)));
    }
    for (const head of document.querySelectorAll("th[data-sort]")) {
      const direction = head.dataset.sort === "slowest" ? "descending" : "ascending";
      head.setAttribute("aria-sort", head.dataset.sort === filter.sort ? direction : "none");
    }
  };

  const change = (changes) => {
    filter = {...filter, ...changes, name: "", rep: 0};
    // Back undoes a choice. Of a word that is typed only the first letter is a step.
    const goesOnTyping = "q" in changes && history.state?.typing;
    if (goesOnTyping) history.replaceState(history.state, "", addressOf(filter));
    else history.pushState({typing: "q" in changes}, "", addressOf(filter));
    showControls();
    draw();
  };

  const sameCase = (item) => item.name === filter.name && item.repetition === filter.rep;

  const showCase = () => {
    opened = filter.name ? cases.find(sameCase) ?? null : null;
    if (!opened) {
      if (filter.name) announce(`This run has no case ${filter.name}.`);
      if (drawer.open) drawer.close();
      return;
    }
    fillDrawer(opened);
    if (!drawer.open) drawer.showModal();
    byId("drawer-title").focus();
    const place = visibleCases.indexOf(opened);
    byId("previous").disabled = place <= 0;
    byId("next").disabled = place < 0 || place >= visibleCases.length - 1;
  };

  const open = (item) => {
    filter = {...filter, name: item.name, rep: item.repetition};
    // Opening is a step that Back undoes; walking from case to case inside the drawer is not.
    if (drawer.open) history.replaceState(history.state, "", addressOf(filter));
    else history.pushState({drawer: true}, "", addressOf(filter));
    showCase();
  };

  const step = (by) => {
    const place = visibleCases.indexOf(opened);
    const other = place < 0 ? undefined : visibleCases[place + by];
    if (other) open(other);
  };

  const focusRow = (index) => {
    while (index >= drawn && drawn < visibleCases.length) drawMore();
    rows.children[index]?.querySelector("button").focus();
  };

  const closed = () => {
    const place = visibleCases.indexOf(opened);
    opened = null;
    if (filter.name) {
      filter = {...filter, name: "", rep: 0};
      if (history.state?.drawer) history.back();
      else history.replaceState(null, "", addressOf(filter));
    }
    if (place >= 0) focusRow(place);
  };

  const readAll = (scroll) => {
    if (!isFilterAddress()) return;
    const wanted = readAddress();
    const address = (one) => addressOf({...one, name: "", rep: 0});
    const changed = address(wanted) !== address(filter);
    filter = wanted;
    showControls();
    if (changed) draw();
    showCase();
    if (scroll && changed && !filter.name) byId("cases").scrollIntoView();
  };

  const typing = (target) => target.matches("input, select, textarea");

  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const down = event.key === "j" || event.key === "ArrowDown";
    const up = event.key === "k" || event.key === "ArrowUp";
    if (drawer.open) {
      if (event.key === "j" || event.key === "k") step(down ? 1 : -1);
      return;
    }
    if (event.target === byId("q") && event.key === "ArrowDown") {
      event.preventDefault();
      focusRow(0);
      return;
    }
    if (typing(event.target)) return;
    const current = event.target.closest("#rows button");
    if (event.key === "/") {
      event.preventDefault();
      byId("q").focus();
    } else if (current && (down || up)) {
      event.preventDefault();
      focusRow(Math.max(0, Number(current.dataset.index) + (down ? 1 : -1)));
    } else if (event.key === "j" || event.key === "k") {
      focusRow(0);
    }
  };

  const onRowClick = (event) => {
    const button = event.target.closest("tr")?.querySelector("button.case");
    const selecting = String(getSelection()) !== "";
    if (button && (event.target.closest("button") || !selecting)) {
      open(visibleCases[Number(button.dataset.index)]);
    }
  };

  fillSelect("method", "all", cases.map((item) => item.method), (name) => name.replaceAll("_", " "));
  fillSelect("kind", "all", cases.map((item) => item.kind), (name) => name);
  fillSelect("subject", "all", cases.map((item) => item.subject), subjectWords);
  fillSelect("change", "all", cases.map((item) => item.detail.change ?? "").filter(Boolean),
             (kind) => data.changes[kind]);
  fillSelect("signature", "all", data.signatures, (signature) => signature);
  buildVerdicts();
  fillStripKey();
  byId("q").addEventListener("input", () => change({q: byId("q").value}));
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  document.querySelector(".filters").addEventListener("reset", (event) => {
    event.preventDefault();
    change(emptyFilter());
  });
  for (const head of document.querySelectorAll("th[data-sort]")) {
    head.querySelector("button").addEventListener("click", () => change({sort: head.dataset.sort}));
  }
  rows.addEventListener("click", onRowClick);
  byId("more").addEventListener("click", () => {
    const first = drawn;
    drawMore();
    focusRow(first);
  });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", () => drawer.close());
  drawer.addEventListener("close", closed);
  drawer.addEventListener("click", (event) => {
    if (event.target === drawer) drawer.close();
  });
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => readAll(true));
  for (const button of document.querySelectorAll(".repro .copy")) {
    wireCopy(button, () => button.parentElement.querySelector("code").textContent);
    button.hidden = false;
  }
  for (const words of document.querySelectorAll(".nights[data-case]")) {
    const item = cases.find((one) => one.name === words.dataset.case);
    if (item && stripOf(item)) words.prepend(marksOf(stripOf(item)), " ");
  }
  new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting) && !byId("more").hidden) drawMore();
  }, {rootMargin: "600px"}).observe(byId("more"));
  byId("list").hidden = false;
  draw();
  readAll(false);
  if (location.hash.includes("=") && !filter.name) byId("cases").scrollIntoView();
})();
