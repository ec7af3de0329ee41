"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const curves = data.curves;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const PALETTE = ["--accent", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
  const OF_PART = { train: "--muted", scored_train: "--series-3", valid: "--accent", test: "--series-2" };
  const HEIGHT = { loss: 260, rule: 110, monitor: 150 };
  let plots = [];
  let isLog = false;

  const number = (value) => (value == null ? "–" : Math.abs(value) < 1e5 ? String(+value.toPrecision(5)) : value.toExponential(3));

  const rate = (share) => (share === 1 ? "100" : (100 * share).toFixed(1));

  function decorate(plot, chart) {
    const { ctx, bbox } = plot;
    const at = (x) => Math.round(plot.valToPos(x, "x", true)) + 0.5;
    const ratio = devicePixelRatio || 1;
    ctx.save();
    ctx.beginPath();
    // With room for a circle at the edge.
    ctx.rect(bbox.left - 6 * ratio, 0, bbox.width + 12 * ratio, bbox.top + bbox.height + 6 * ratio);
    ctx.clip();
    ctx.strokeStyle = ctx.fillStyle = color("--muted");
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    ctx.lineWidth = ratio;
    ctx.textAlign = "left";
    ctx.font = `${10 * ratio}px system-ui, sans-serif`;
    for (const [number, mark] of curves.marks.entries()) {
      ctx.beginPath();
      ctx.moveTo(at(mark.x), bbox.top);
      ctx.lineTo(at(mark.x), bbox.top + bbox.height);
      ctx.stroke();
      if (chart.kind === "loss") ctx.fillText(number + curves.first_mark, at(mark.x) + 3 * ratio, bbox.top + 9 * ratio);
    }
    ctx.setLineDash([]);
    for (const [at_series, series] of chart.series.entries()) {
      const best = series.best ?? (series.role === "valid" ? curves.best : null);
      if (chart.kind !== "loss" || best == null || series.values[best] == null) continue;
      if (!plot.series[at_series + 1].show) continue;
      ctx.fillStyle = color("--bg");
      ctx.strokeStyle = stroke(series);
      ctx.lineWidth = 2 * ratio;
      ctx.beginPath();
      ctx.arc(at(curves.x[best]), plot.valToPos(series.values[best], "y", true), 4 * ratio, 0, 7);
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  }

  const stroke = (series) => color(typeof series.role === "string" ? OF_PART[series.role] : PALETTE[(series.role || 0) % PALETTE.length]);

  let isZooming = false;
  function zoom(plot) {
    if (isZooming) return;
    isZooming = true;
    const { min, max } = plot.scales.x;
    for (const other of plots) if (other !== plot) other.setScale("x", { min, max });
    const [first, last] = [curves.x[0], curves.x[curves.x.length - 1]];
    document.getElementById("whole").hidden = min <= first && max >= last;
    isZooming = false;
  }

  // Without a cursor the legend has the values of the best validation, or of the last one.
  const rest = (plot) => data.is_one && plot.setLegend({ idx: curves.best ?? curves.x.length - 1 });

  // Of zeros alone, such as the momentum of Adam, the axis would end at 100.
  const range = (_, min, max) => (min == null ? [null, null] : min === 0 && max === 0 ? [0, 1] : uPlot.rangeNum(min, max, 0.1, true));

  function options(chart, width) {
    const isSmall = chart.kind !== "loss";
    const axis = {
      stroke: color("--muted"), font: "11px system-ui, sans-serif", ticks: { show: false },
      grid: { stroke: color("--line"), width: 1 }, border: { show: false },
    };
    return {
      width, height: HEIGHT[chart.kind],
      scales: { x: { time: false }, y: isSmall ? { range } : { distr: isLog ? 3 : 1 } },
      cursor: { sync: { key: "run" }, y: false, drag: { x: true, y: false, setScale: true }, points: { size: 6 } },
      series: [
        { label: "epoch", value: (_, x) => (x == null ? "" : number(x)) },
        ...chart.series.map((series) => ({
          label: series.name, stroke: stroke(series), width: 1.5, spanGaps: true, value: (plot, y) => (plot.legend.idx == null ? "" : number(y)),
          dash: series.role === "test" ? [5, 3] : undefined,
          points: { show: curves.x.length < 2 || series.role === "test", size: 5, fill: stroke(series) },
        })),
      ],
      axes: [
        { ...axis, size: 24, values: (_, ticks) => ticks.map((x) => (Number.isInteger(x) || ticks.length < 3 ? number(x) : "")) },
        { ...axis, size: 56, space: isSmall ? 24 : 40, values: (_, ticks) => ticks.map((y) => (y == null ? "" : number(y))) },
      ],
      hooks: {
        draw: [(plot) => decorate(plot, chart)],
        // The values of several runs are those at the cursor alone, as their last validations differ.
        setLegend: [(plot) => plot.legend.idx == null && rest(plot)],
        ready: [rest],
        setScale: [(plot, key) => key === "x" && plots.length && zoom(plot)],
      },
    };
  }

  function draw() {
    const scale = plots.length ? { ...plots[0].scales.x } : null;
    for (const plot of plots) plot.destroy();
    plots = [];
    const drawn = [];
    for (const place of document.querySelectorAll(".chart")) {
      const chart = curves.charts[place.dataset.chart];
      const shown = (y) => (y == null || (isLog && chart.kind === "loss" && y <= 0) ? null : y);
      const values = chart.series.map((series) => series.values.map(shown));
      drawn.push(new uPlot(options(chart, place.clientWidth), [curves.x, ...values], place));
    }
    plots = drawn;
    if (scale && scale.min != null && plots.length) plots[0].setScale("x", { min: scale.min, max: scale.max });
  }

  function showCell(subset, key, button) {
    const place = subset.querySelector(".cell");
    const matrix = data.cells[subset.dataset.subset];
    const [a, b] = key.split(",");
    for (const other of subset.querySelectorAll('[aria-expanded="true"]')) other.removeAttribute("aria-expanded");
    button.setAttribute("aria-expanded", "true");
    const rows = matrix.cells[key] || [];
    const heading = document.createElement("strong");
    heading.textContent = `${matrix.labels[a]} taken for ${matrix.labels[b]}`;
    const list = document.createElement("ul");
    for (const row of rows) {
      const item = document.createElement("li");
      if (row.picture) {
        const picture = document.createElement("img");
        picture.src = row.picture;
        picture.alt = `row ${row.id}`;
        item.append(picture);
      }
      const certainty = document.createElement("span");
      certainty.className = "p";
      certainty.textContent = `${(100 * row.p).toFixed(1)} %`;
      item.append(row.id, " ", certainty);
      list.append(item);
    }
    const note = document.createElement("span");
    note.className = "hint";
    note.textContent = rows.length ? " – rows, and how probable the network takes its answer to be" : " – its rows are not listed";
    place.replaceChildren(heading, note, list);
    place.hidden = false;
  }

  for (const subset of document.querySelectorAll(".subset")) {
    for (const table of subset.querySelectorAll(".matrix")) {
      table.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        const cell = button.parentElement;
        showCell(subset, `${cell.parentElement.rowIndex - 1},${cell.cellIndex - 1}`, button);
      });
      for (const button of table.querySelectorAll("button")) {
        const cell = button.parentElement;
        const labels = data.cells[subset.dataset.subset].labels;
        button.setAttribute("aria-label", `${labels[cell.parentElement.rowIndex - 1]} taken for ${labels[cell.cellIndex - 1]}: ${button.textContent} rows`);
      }
    }
    for (const button of subset.querySelectorAll(".pair")) button.addEventListener("click", () => showCell(subset, button.dataset.cell, button));
    for (const button of subset.querySelectorAll(".rates")) {
      button.addEventListener("click", () => {
        const isRate = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", isRate);
        for (const cell of subset.querySelectorAll(".matrix td[style]")) {
          const text = cell.querySelector("button") || cell;
          text.dataset.n ??= text.textContent.trim();
          text.textContent = isRate ? rate(+cell.style.getPropertyValue("--p")) : text.dataset.n;
        }
      });
    }
  }
  for (const button of document.querySelectorAll(".choose-subset")) {
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll(".choose-subset")) other.setAttribute("aria-pressed", other === button);
      for (const subset of document.querySelectorAll(".subset")) subset.classList.toggle("folded", subset.dataset.subset !== button.dataset.subset);
    });
  }
  const log = document.getElementById("log");
  if (log) {
    log.addEventListener("click", () => {
      isLog = !isLog;
      log.setAttribute("aria-pressed", isLog);
      draw();
    });
    document.getElementById("whole").addEventListener("click", () => {
      plots[0].setScale("x", { min: curves.x[0], max: curves.x[curves.x.length - 1] });
    });
  }
  draw();
  addEventListener("resize", draw);
  // Curves are drawn again in the colours of paper, before the style of print is in force.
  for (const [event, isPrinting] of [["beforeprint", true], ["afterprint", false]]) {
    addEventListener(event, () => {
      document.documentElement.classList.toggle("printing", isPrinting);
      draw();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
