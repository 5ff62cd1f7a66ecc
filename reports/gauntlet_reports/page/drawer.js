// The drawer: everything that is known about one case, and the button that copies its command.
"use strict";

const drawer = document.getElementById("drawer");

const announce = (words) => {
  document.getElementById("announce").textContent = words;
};

const copyText = async (words) => {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    // Pages from a disk may not have the clipboard; the old way still works there.
    const area = element("textarea", "unseen", words);
    (drawer.open ? drawer : document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
};

const copyButton = (words) => {
  const button = element("button", "copy", "Copy");
  button.type = "button";
  wireCopy(button, () => words);
  return button;
};

const wireCopy = (button, words) => {
  button.addEventListener("click", async () => {
    await copyText(words());
    button.textContent = "Copied";
    announce("The command was copied.");
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
};

const part = (title, ...children) => element("section", "", element("h3", "", title), ...children);

const block = (title, words) => {
  if (!words) return null;
  const made = element("pre", "", words);
  made.tabIndex = 0;
  made.setAttribute("role", "region");
  made.setAttribute("aria-label", title);
  return part(title, made);
};

const paragraph = (title, words) => (words ? part(title, element("p", "", words)) : null);

const pairs = (title, entries, numeric) => {
  if (!entries.length) return null;
  const body = element("tbody", "");
  for (const [name, value] of entries) {
    const head = element("th", "", name);
    head.scope = "row";
    body.append(element("tr", "", head, element("td", numeric ? "number" : "", value)));
  }
  return part(title, element("table", "plain pairs", body));
};

const factList = (item) => {
  const list = element("dl", "facts");
  const facts = [
    ["Method", item.method.replaceAll("_", " ")], ["Kind", item.kind],
    ["Subject", subjectWords(item.subject)], ["Contract", text(item.detail.contract)],
    ["Duration", durationWords(item.ms)], ["Seed", item.detail.seed],
    ["Repetition", item.repetition || ""],
    [item.outcome === "unfinished" ? "Started" : "Ended", item.detail.at],
  ];
  for (const [name, value] of facts) {
    if (value === undefined || value === "") continue;
    list.append(element("div", "", element("dt", "", name), element("dd", "", String(value))));
  }
  return list;
};

const failureList = (detail) => {
  if (!detail.failures) return null;
  const list = element("ol", "failures");
  for (const [file, line, message] of detail.failures) {
    list.append(element("li", "", element("code", "", `${text(file)}:${line}`),
                        element("pre", "", message)));
  }
  const made = part("Failed assertions", list);
  if (detail.more) made.append(element("p", "quiet", `and ${detail.more} more`));
  return made;
};

const faultWords = (faults) => {
  if (!faults) return null;
  const [planned, fired] = faults;
  const missing = fired < planned ? ` ${planned - fired} never happened.` : "";
  return part("Faults", element("p", "", `${planned} planned, ${fired} fired.${missing}`));
};

const isolationPart = (detail) => {
  if (detail.isolation === undefined) return null;
  const [own, shared] = data.isolations[detail.isolation];
  const made = part("Isolation", element("p", "",
    own.length ? `Private: ${own.join(", ")}.` : "Nothing was private."));
  if (shared.length) {
    const list = element("ul", "");
    for (const [what, why] of shared) list.append(element("li", "", `Shared: ${what}: ${why}`));
    made.append(list);
  }
  return made;
};

const reproPart = (item) => {
  const command = reproOf(item);
  if (!command) return null;
  return part("Repeat it", element("p", "repro", element("code", "", command), " ",
                                   copyButton(command)));
};

const number = (value) => value.toLocaleString("en", {maximumFractionDigits: 3});

const fillDrawer = (item) => {
  const detail = item.detail;
  const title = document.getElementById("drawer-title");
  title.replaceChildren();
  appendBreakable(title, titleOf(item));
  document.getElementById("drawer-verdict").replaceChildren(chipOf(item));
  const promise = text(detail.clause);
  const parts = [
    factList(item),
    promise ? paragraph("Promise", promise)
            : paragraph("Promise", item.subject === "-" ? "" : `What ${item.subject} claims.`),
    paragraph(item.outcome === "expected" ? "Why it failed" : "Reason", text(detail.reason)),
    paragraph("Run again", detail.flake ?? ""),
    paragraph("What would help", text(detail.remedy)),
    historyPart(item),
    failureList(detail),
    block("History", detail.lanes),
    reproPart(item),
    faultWords(detail.faults),
    pairs("Measured", Object.entries(detail.measured ?? {}).map(([k, v]) => [k, number(v)]), true),
    pairs("Observed, where the standard leaves a choice", Object.entries(detail.observed ?? {})),
    block("Kernel log", detail.kernel),
    block("Left behind", detail.leftovers),
    block("Processes", detail.processes),
    block("Output", detail.output),
    isolationPart(detail),
  ].filter((made) => made !== null);
  document.getElementById("drawer-body").replaceChildren(...parts);
  drawer.scrollTop = 0;
};
