// The search within the site. The index is a script, loaded when the search is first used: a page from disk can't fetch data.
(function () {
  "use strict";
  const MOST = 20, BEFORE = 40, EXCERPT = 160;

  // The best rows of the index, [file, id, page, section, text], in which every word of the query occurs.
  function find(index, query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const found = [];
    index.forEach(function (row, order) {
      let score = 0;
      for (const word of words) {
        const one = scored(row, word);
        if (!one) return;
        score += one;
      }
      found.push({ row: row, score: score, order: order });
    });
    return found.sort((a, b) => b.score - a.score || a.order - b.order).slice(0, MOST).map((one) => one.row);
  }

  function scored(row, word) {
    const section = row[3].toLowerCase(), page = row[2].toLowerCase(), text = row[4].toLowerCase();
    const times = text.split(word).length - 1;
    return (section === word ? 40 : section.includes(word) ? 20 : 0) + (page.includes(word) ? 5 : 0) + Math.min(times, 5);
  }

  // The piece of a text around the first of the words: [before, hit, after].
  function excerpt(text, query) {
    const low = text.toLowerCase();
    const words = query.toLowerCase().split(/\s+/).filter((word) => word && low.includes(word));
    const at = words.length ? low.indexOf(words[0]) : 0, hit = words.length ? words[0].length : 0;
    const from = at > BEFORE ? text.lastIndexOf(" ", at - BEFORE) + 1 : 0, to = from + EXCERPT;
    const before = (from ? "\u2026 " : "") + text.slice(from, at);
    return [before, text.slice(at, at + hit), text.slice(at + hit, to) + (to < text.length ? "\u2026" : "")];
  }

  if (typeof document === "undefined") {
    globalThis.swapmodelSearch = { find: find, excerpt: excerpt };
    return;
  }

  const form = document.getElementById("site-search"), query = document.getElementById("site-query");
  const box = document.getElementById("site-found"), list = document.getElementById("site-results");
  const count = document.getElementById("site-count");
  let asked = false, from = null; // from: what had the focus before `/`
  form.hidden = false;

  function load() {
    if (asked) return;
    asked = true;
    const script = document.createElement("script");
    script.src = "_static/search-index.js";
    script.onload = show;
    script.onerror = function () { count.textContent = "The index of the search is missing."; };
    document.head.append(script);
  }

  function show() {
    const text = query.value.trim();
    box.hidden = !text;
    if (!text || !window.swapmodelIndex) return;
    const rows = find(window.swapmodelIndex, text);
    const more = rows.length === MOST ? "The first " + MOST + " places" : rows.length + (rows.length === 1 ? " place" : " places");
    count.textContent = rows.length ? more : "Nothing has all of these words.";
    list.replaceChildren(...rows.map((row) => item(row, text)));
  }

  function item(row, text) {
    const link = document.createElement("a"), head = document.createElement("strong"), told = document.createElement("span");
    const [before, hit, after] = excerpt(row[4], text), mark = document.createElement("mark");
    link.href = row[0] + (row[1] ? "#" + encodeURIComponent(row[1]) : "");
    head.textContent = row[3] === row[2] ? row[2] : row[2] + " \u203a " + row[3];
    mark.textContent = hit;
    told.append(before, ...(hit ? [mark] : []), after);
    link.append(head, told);
    const line = document.createElement("li");
    line.append(link);
    return line;
  }

  function leave() {
    query.value = "";
    show();
    if (from && from !== document.body && from.isConnected) from.focus();
    else document.activeElement.blur();
    from = null;
  }

  function move(event) {
    const links = Array.from(list.querySelectorAll("a")), at = links.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (event.key === "Escape") leave();
    else if (to === undefined || !links.length || (at < 0 && event.key !== "ArrowDown")) return;
    else if (to < 0) query.focus();
    else links[Math.min(to, links.length - 1)].focus();
    event.preventDefault();
  }

  function begin(event) {
    const at = event.target, typing = at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    from = document.activeElement;
    query.focus();
    query.select();
    event.preventDefault();
  }

  query.addEventListener("focus", load);
  query.addEventListener("input", show);
  form.addEventListener("keydown", move);
  form.addEventListener("submit", function (event) {
    const first = list.querySelector("a");
    event.preventDefault();
    if (first && !box.hidden) first.click();
  });
  list.addEventListener("click", function () { box.hidden = true; });
  document.addEventListener("click", function (event) { if (!form.contains(event.target)) box.hidden = true; });
  document.addEventListener("keydown", begin);
})();
