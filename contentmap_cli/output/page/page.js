"use strict";
// Sorts and searches the tables, and draws the charts. Without it the page still says everything in words.

document.documentElement.classList.add("scripted");
const data = JSON.parse(document.getElementById("data").textContent);

function sortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const first = numeric ? "descending" : "ascending";
      const second = numeric ? "ascending" : "descending";
      const way = head.getAttribute("aria-sort") === first ? second : first;
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", way);
      const value = (row) => {
        const cell = row.cells[column];
        return numeric ? Number(cell.dataset.value || -1) : cell.textContent;
      };
      const sign = way === "ascending" ? 1 : -1;
      const order = numeric ? (a, b) => a[0] - b[0] : (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);
      const rows = [...body.rows].map((row) => [value(row), row]);
      rows.sort((a, b) => sign * order(a, b));
      body.append(...rows.map((pair) => pair[1]));
    });
  });
}

function searchable(table) {
  const form = document.createElement("div");
  form.className = "search";
  const label = document.createElement("label");
  const input = document.createElement("input");
  const said = document.createElement("span");
  input.type = "search";
  said.className = "soft";
  said.setAttribute("role", "status");
  label.append(`Search ${table.caption.textContent.toLowerCase()} `, input);
  form.append(label, said);
  table.parentElement.before(form);
  const rows = [...table.tBodies[0].rows].map((row) => [row.textContent.toLowerCase(), row]);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    let shown = 0;
    for (const [text, row] of rows) {
      row.hidden = !text.includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    said.textContent = wanted ? `${shown} of ${rows.length} rows` : "";
  });
}

for (const table of document.querySelectorAll("table.rows")) {
  sortable(table);
  searchable(table);
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// numbers of things: no ticks between whole ones
function whole(counts) {
  return Math.max(0, ...counts) < 8 ? { dtick: 1 } : {};
}

function layout(place, more, counts = []) {
  const ink = color("--ink");
  const axis = { gridcolor: color("--line"), zerolinecolor: color("--line"), automargin: true, fixedrange: true };
  return {
    width: place.clientWidth, height: place.clientHeight, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, family: "system-ui, sans-serif" },
    margin: { l: 8, r: 8, t: 8, b: 8 }, xaxis: { ...axis }, yaxis: { ...axis, rangemode: "tozero", ...(counts.length ? whole(counts) : {}) },
    legend: { orientation: "h", y: 1.12 }, ...more,
  };
}

function categories(most) {
  return { type: "category", nticks: most, color: color("--ink"), automargin: true, fixedrange: true };
}

function moments(when) {
  const step = Math.ceil(when.length / 6);
  const some = when.map((_, place) => place).filter((place) => place % step === 0);
  return {
    tickmode: "array", tickvals: some, ticktext: some.map((place) => when[place]), color: color("--ink"),
    automargin: true, fixedrange: true,
  };
}

const quiet = { displayModeBar: false, displaylogo: false };

function draw() {
  const map = document.getElementById("map-chart");
  if (map && data.map) {
    const node = data.map;
    Plotly.react(map, [{
      type: "treemap", ids: node.ids, labels: node.labels, parents: node.parents, values: node.values,
      branchvalues: "total", maxdepth: 3, customdata: node.notes, hovertemplate: "%{label}<br>%{customdata}<extra></extra>",
      texttemplate: "%{label}<br>%{value:,}", tiling: { pad: 2 }, root: { color: color("--raised") },
      marker: {
        colors: node.ages, cmin: 0, cmax: 1, colorscale: [[0, color("--one")], [1, color("--line")]], showscale: false,
        line: { color: color("--paper"), width: 1 },
      },
      pathbar: { thickness: 26 },
    }], layout(map, {}), quiet);
  }
  const fresh = document.getElementById("freshness-chart");
  if (fresh && data.freshness) {
    Plotly.react(fresh, [{
      type: "bar", x: data.freshness.begins, y: data.freshness.urls, marker: { color: color("--one") },
      hovertemplate: "%{x}: %{y:,} URLs<extra></extra>",
    }], layout(fresh, { bargap: 0.15, xaxis: categories(12) }, data.freshness.urls), quiet);
  }
  const scans = document.getElementById("scans-chart");
  if (scans && data.scans) {
    const bar = (name, sign, tint) => ({
      type: "bar", name, x: data.scans.when.map((_, place) => place), y: data.scans[name].map((count) => sign * count), marker: { color: color(tint) },
      text: data.scans.when.map((when, place) => `${when}: ${data.scans[name][place]} ${name}`), textposition: "none",
      hovertemplate: "%{text}<extra></extra>",
    });
    Plotly.react(scans, [bar("added", 1, "--three"), bar("changed", 1, "--one"), bar("removed", -1, "--two")],
      layout(scans, { barmode: "relative", xaxis: moments(data.scans.when) },
        [...data.scans.added, ...data.scans.changed, ...data.scans.removed]), quiet);
  }
  const outcomes = document.getElementById("outcomes-chart");
  if (outcomes && data.outcomes) {
    const tints = { ok: "--good", partial: "--warn", failed: "--bad", deferred: "--warn", interrupted: "--warn" };
    Plotly.react(outcomes, [{
      type: "bar", orientation: "h", y: data.outcomes.names, x: data.outcomes.domains,
      marker: { color: data.outcomes.names.map((name) => color(tints[name] || "--soft")) },
      text: data.outcomes.domains.map(String), hovertemplate: "%{y}: %{x:,} domains<extra></extra>",
    }], layout(outcomes, { yaxis: { autorange: "reversed", automargin: true, fixedrange: true } }), quiet);
  }
}

draw();
let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(draw, 150);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
document.documentElement.dataset.drawn = "yes";
