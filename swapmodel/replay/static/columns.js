// The twin of swapmodel/export/columns.py: the trace as the columns of a kernel commit message, at least 40 characters wide.

const LAST_COLUMN = 32; // characters that it should have
const POINTERS = /\b((?:si|mm|folio|info)\d*)\.(?=[a-z_])/g;

function storyColumns(machine, width = 72) {
  const rows = storyRows(machine);
  if (!rows.length) return "";
  const order = [...new Set(rows.map((row) => row.thread))], names = order.map((t) => machine.doc.threads[t]);
  const page = { order, names, starts: columnStarts(order.length, width), width };
  const lines = headOf(page);
  let last = rows[0].thread;
  for (const row of evened(rows, page)) {
    if (row.thread !== last) lines.push("");
    last = row.thread;
    lines.push(...partsOf(row, page).map((part) => apart(part, startsBehind(row, page), width)));
  }
  return lines.join("\n");
}

// The names of the columns, underlined, after what those stand for if there is no room for them.
function headOf({ names, starts, width }) {
  const labels = labelsOf(names, starts.length > 1 ? starts[1] : width);
  const legend = labels[0] === "T0" ? [...wrapWords(labels.map((label, i) => `${label}: ${names[i]}`).join(", "), width), ""] : [];
  return [...legend, sideBySide(starts, labels), sideBySide(starts, labels.map((label) => "-".repeat(label.length)))];
}

// Where each column begins: far enough to the left that the last one has room.
function columnStarts(columns, width) {
  const step = columns < 3 ? Math.floor(width / columns) : Math.max(6, Math.floor((width - LAST_COLUMN) / (columns - 1)));
  return Array.from({ length: columns }, (_, i) => i * step);
}

function labelsOf(names, gap) {
  const styles = [names.map((name, i) => `CPU${i} (${name})`), names, names.map((_, i) => `T${i}`)];
  return styles.find((labels) => labels.slice(0, -1).every((label) => label.length <= gap - 2)) || styles[2];
}

const sideBySide = (starts, cells) => cells.reduce((line, cell, i) => line.padEnd(starts[i]) + cell, "");

// ---- a row -----------------------------------------------------------------------------------------------------------

// The rows, those inside a call moved right together where a word of one of them would begin in another column.
function evened(rows, page) {
  const depths = new Map(), moved = [];
  for (const row of rows) {
    const around = `${row.thread} ${row.inside}`;
    if (!depths.has(around)) {
      const least = row.inside >= 0 ? moved[row.inside].depth + 1 : 0;
      const beside = rows.filter((other) => other.thread === row.thread && other.inside === row.inside);
      const isClear = (depth) => beside.every((other) => isApart({ ...other, depth }, page));
      depths.set(around, [least, least + 1, least + 2].find(isClear) ?? least);
    }
    moved.push({ ...row, depth: depths.get(around) });
  }
  return moved;
}

const startsBehind = (row, { order, starts }) => starts.slice(order.indexOf(row.thread) + 1);
const isApart = (row, page) => !partsOf(row, page).some((part) => beginsIn(part, startsBehind(row, page)));

// A row's lines: indented as deep as its call, as far as there is room for its longest word.
function partsOf(row, { order, names, starts, width }) {
  const column = order.indexOf(row.thread), start = starts[column];
  const text = (row.kind === "wait" ? `<${names[column]} ${row.text}>` : row.text).replace(POINTERS, "$1->");
  const longest = Math.max(...text.split(/\s+/).map((word) => word.length));
  const room = width - start - longest - (longest < text.length ? 2 : 0), indent = Math.max(0, Math.min(row.depth, room));
  return wrapWords(text, Math.max(width - start, longest + 2), indent, indent + 2).map((part) => " ".repeat(start) + part);
}

// The line, moved a little where one of its words would begin as if it were in another column.
function apart(line, starts, width) {
  const moved = [line, ` ${line}`, `  ${line}`, line.replace(/^ /, "")];
  return moved.find((each) => each.length <= Math.max(width, line.length) && !beginsIn(each, starts)) ?? line;
}

const beginsIn = (line, starts) => starts.some((at) => at < line.length && line[at - 1] === " " && line[at] !== " ");

// ---- textwrap.wrap(break_long_words=False): the pieces that textwrap.TextWrapper._split() finds, put into lines --------------

const LETTER = "[A-Za-z_]", PUNCT = "[\\w!\"'&.,?]";
const HYPHEN = `-(?:(?<=${LETTER}{2}-)|(?<=${LETTER}-${LETTER}-))(?=${LETTER}-?${LETTER})`;
const PIECES = new RegExp(`\\s+|(?<=${PUNCT})-{2,}(?=\\w)|\\S+?(?:${HYPHEN}|(?=\\s|$)|(?<=${PUNCT})(?=-{2,}\\w))`, "g");

function wrapWords(text, width, first = 0, others = 0) {
  const pieces = text.match(PIECES) || [], lines = [];
  while (pieces.length) {
    const indent = lines.length ? others : first, line = [];
    let room = width - indent;
    if (lines.length && !pieces[0].trim()) pieces.shift();
    while (pieces.length && (pieces[0].length <= room || (!line.length && pieces[0].length > width - indent))) {
      room -= pieces[0].length;
      line.push(pieces.shift());
    }
    if (line.length && !line[line.length - 1].trim()) line.pop();
    if (line.length) lines.push(" ".repeat(indent) + line.join(""));
  }
  return lines;
}
