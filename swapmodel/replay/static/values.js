// Values as the document has them (values.py), and as people see them (the show_* functions of mm/swapops.py).

const NULL = "N";
const key = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : value === true ? 1 : value === false ? 0 : value);
const equal = (one, other) => key(one) === key(other);
const isPointer = (value) => typeof value === "string" && value[0] === "*";
const typeOf = (value) => (Array.isArray(value) && typeof value[0] === "string" && value[0][0] === "@" ? value[0].slice(1) : "");
const nameOf = (pointer) => pointer.slice(1, pointer.lastIndexOf("#"));

function member(types, value, name) {
  const at = (types[typeOf(value)] || []).indexOf(name);
  return at < 0 ? undefined : value[at + 1];
}

// ---- as Python prints them -------------------------------------------------------------------------------------------

function text(types, value) {
  const type = typeOf(value);
  if (type) return named(types, value, type);
  if (typeof value === "string" && value[0] === "s") return value.slice(1);
  return repr(types, value);
}

function repr(types, value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return reprOfScalar(value);
  const type = typeOf(value), parts = (type ? value.slice(1) : value).map((part) => repr(types, part));
  if (type) return `${type}(${parts.map((part, i) => `${types[type][i]}=${part}`).join(", ")})`;
  return `(${parts.join(", ")}${parts.length === 1 ? "," : ""})`;
}

function reprOfScalar(value) {
  const rest = value.slice(1);
  return { N: "NULL", "*": isPointer(value) ? nameOf(value) : "", "&": rest, i: rest, s: quote(rest) }[value[0]];
}

const quote = (text) => (text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text.replace(/[\\']/g, "\\$&")}'`);

// ---- in kernel words -------------------------------------------------------------------------------------------------

const TYPE_SHIFT = 58n;
const entryNumber = (entry) => BigInt(typeof entry === "string" ? entry.slice(1) : entry);
const typeOfEntry = (entry) => entryNumber(entry) >> TYPE_SHIFT;
const offsetOfEntry = (entry) => entryNumber(entry) & ((1n << TYPE_SHIFT) - 1n);
const entryText = (entry, more = "") => `swap(${typeOfEntry(entry)}, ${offsetOfEntry(entry)}${more})`;

function named(types, value, type) {
  const [, first, second, third, fourth] = value;
  if (type === "SwapPte") return entryText(first, second ? ", exclusive" : "");
  if (type === "RadixEntry") return entryText(first);
  if (type === "Shadow") return "shadow";
  if (type === "PagePte") {
    const page = second ? ` page ${second}` : "";
    return `maps ${text(types, first)}${page}${third ? ", writable" : ""}${fourth ? ", dirty" : ""}`;
  }
  return repr(types, value);
}

const SWP_FLAGS = { USED: 0, WRITEOK: 1, DISCARDABLE: 2, DISCARDING: 3, SOLIDSTATE: 4, CONTINUED: 5, BLKDEV: 6, ACTIVATED: 7 };
Object.assign(SWP_FLAGS, { AREA_DISCARD: 9, PAGE_DISCARD: 10, SYNCHRONOUS_IO: 12 });
const CLUSTER_FLAGS = { FREE: 0, NEXT_NULL: 1, HUGE: 2 };
const SWP_SCANNING = 1 << 14;

function flagNames(flags, names, more = []) {
  return [...Object.keys(names).filter((name) => flags & (1 << names[name])), ...more].join("|") || "0";
}

const SHOW = {
  str: (value, types) => text(types, value),
  _holder: (value) => (value ? "held" : "free"),
  show_page_lock: (value) => (value ? "locked" : "unlocked"),
  show_byte: (value) => (value < 0 ? "-" : "") + "0x" + Math.abs(value).toString(16).padStart(2 - (value < 0), "0"),
  show_entry: (value) => (value ? entryText(value) : "0"),
  show_pte: (value, types) => (value === NULL || !value || value.length === 0 ? "none" : text(types, value)),
  show_slot: (value, types) => (value === NULL ? "-" : text(types, value)),
  show_flags: (value) => flagNames(value, SWP_FLAGS, value >= SWP_SCANNING ? [`SCANNING*${Math.floor(value / SWP_SCANNING)}`] : []),
  show_cluster: (value) => flagNames(value, CLUSTER_FLAGS),
  show_count: (value) => `${value.length} slots`,
  show_claims: (value, types) => value.map(([file, si]) => `${text(types, file)} by ${text(types, si)}`).join(", ") || "none",
  show_swapfiles: (value, types) => value.map(([file]) => text(types, file)).join(", ") || "none",
  show_plist: (value, types) => value.map(([key, item]) => `${text(types, item)} (prio ${-key})`).join(", ") || "empty",
};
