// Search, filter and order of the spec grid, copy buttons, and links into closed details.
// Everything on the page can be read without this.
(() => {
  "use strict";
  const body = document.getElementById("rows");
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", reveal);
  reveal();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });

  for (const command of document.querySelectorAll(".command")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command.querySelector("code").textContent);
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 1500);
    });
    command.append(button);
  }

  if (!body) return;
  const rows = [...body.rows].map((row, index) => ({
    row,
    index,
    states: new Set(row.dataset.states.split(" ")),
    name: row.dataset.name,
    words: row.dataset.name.toLowerCase(),
    slowest: Number(row.dataset.slowest),
  }));
  const search = document.getElementById("search");
  const sort = document.getElementById("sort");
  const shown = document.getElementById("shown");
  const wanted = new Set();

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, states, words: name } of rows) {
      const state = wanted.size === 0 || [...wanted].some((one) => states.has(one));
      row.hidden = !(state && words.every((word) => name.includes(word)));
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = count === rows.length ? `${count} specs` : `${count} of ${rows.length} specs`;
  };
  const orders = {
    outcome: (a, b) => a.index - b.index,
    name: (a, b) => a.name.localeCompare(b.name),
    slowest: (a, b) => b.slowest - a.slowest,
  };

  for (const chip of [...document.querySelectorAll("#chips .chip")]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = chip.className;
    button.append(...chip.childNodes);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const on = !wanted.delete(chip.dataset.state);
      if (on) wanted.add(chip.dataset.state);
      button.setAttribute("aria-pressed", String(on));
      filter();
    });
    chip.replaceWith(button);
  }
  search.hidden = false;
  sort.parentElement.hidden = false;
  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      search.value = "";
      filter();
    }
  });
  sort.addEventListener("change", () => body.append(...rows.sort(orders[sort.value]).map(({ row }) => row)));
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    }
  });
  filter();
})();
