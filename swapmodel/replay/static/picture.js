// The memory of a state: bytes, device, folios, page tables, RCU, freed objects. What the last step changed is marked.

const MOST_GROUPS = 40; // of one row of cells; a bar of 512 in which every one differs is cut with a word

class Picture {
  constructor(doc) {
    this.doc = doc;
    this.scene = sceneOf(doc);
    this.parts = [
      ["The bytes of swap_map", this.scene.maps, (o) => this.cells(o, "byte"), true],
      ["Device", this.scene.devices, (o) => this.device(o)],
      ["Clusters", this.scene.clusters, (o) => this.clusters(o)],
      ["Swap cache", this.scene.caches, (o) => this.cells(o, "slot"), true],
      ["Folios", this.scene.folios, (o) => this.folio(o)],
      ["Page tables", this.scene.mms, (o) => this.process(o)],
      ["tmpfs files", this.scene.files, (o) => this.file(o)],
      ["RCU and grace periods", [null], () => this.rcu()],
      ["Slot caches", this.scene.slots, (o) => this.fields(o, ["alloc_lock", "slots", "free_lock", "slots_ret"])],
      ["The device's blocks", this.scene.disks, (o) => this.cells(o, "block")],
      ["Freed memory", [null], () => this.freed()],
    ].filter(([, objects]) => objects.length);
    this.nodes = this.parts.map(([title]) => h("div", { class: "smr-part", role: "group", "aria-label": title }));
    this.other = h("ul", { class: "smr-fields" });
    const more = h("details", { class: "smr-part smr-other" }, h("summary", {}, "All other words"), this.other);
    more.addEventListener("toggle", () => this.machine && this.show(this.machine));
    this.more = more;
    this.node = h("div", { class: "smr-picture" }, this.nodes, more);
  }

  show(machine) {
    this.machine = machine;
    const last = machine.steps[machine.steps.length - 1];
    this.changed = new Map((last ? last.changes : []).map(([word, before]) => [word, before]));
    this.parts.forEach(([title, objects, rows], i) => {
      const told = objects.flatMap((object) => rows(object)).filter(Boolean);
      this.nodes[i].hidden = !told.length;
      refill(this.nodes[i], told, () => [h("strong", { class: "smr-h" }, title), told.map(rowNode)]);
    });
    if (this.more.open) refill(this.other, this.rest(), () => this.rest().map(fieldNode));
  }

  // ---- rows: {name, note, dead, cells: [...]} or {name, fields: [...]}

  value(word) {
    return this.machine.words[word];
  }

  field(name, word, text) {
    const was = this.changed.get(word);
    const field = { name, text: text ?? this.machine.show(word) };
    if (was !== undefined) field.was = text === undefined ? this.machine.show(word, was) : "changed";
    const gone = isPointer(this.value(word)) && this.isDead(this.value(word));
    return gone ? { ...field, text: `${field.text}, which is freed`, dead: true } : field;
  }

  isDead(pointer) {
    const object = this.scene.heap.find((each) => each.name === nameOf(pointer).replace(/\[\d+\]$/, ""));
    return object !== undefined && this.value(object.life) !== Number(pointer.slice(pointer.lastIndexOf("#") + 1));
  }

  // Who holds a lock, in words.
  holder(word) {
    const value = this.value(word);
    return value ? `held by ${holders(this.doc, value)}` : "free";
  }

  alive(object) {
    return object.life < 0 || this.value(object.life) > 0;
  }

  neverBorn(object) {
    return object.life >= 0 && this.value(object.life) === 0 && !this.changed.has(object.life);
  }

  cells(object, kind) {
    if (this.neverBorn(object)) return [];
    const locked = "xa_lock" in object.member ? [this.field("xa_lock", object.member.xa_lock, this.holder(object.member.xa_lock))] : [];
    const words = object.items.length ? object.items.filter((word) => !/\.xa_lock$/.test(this.doc.words[word][0])) : [];
    const groups = groupsOf(words, (word) => this.value(word), this.changed);
    const cells = groups.slice(0, MOST_GROUPS).map((group) => this.cell(group, kind));
    if (groups.length > MOST_GROUPS) cells.push({ index: "…", text: `${groups.length - MOST_GROUPS} more groups`, count: 1 });
    const row = { name: object.name, cells, dead: !this.alive(object), note: this.alive(object) ? "" : this.death(object) };
    return [row, locked.length ? { name: "", fields: locked } : null];
  }

  cell({ words, value, changed }, kind) {
    const [first, last] = [words[0], words[words.length - 1]].map((word) => indexOf(this.doc.words[word][0]));
    const cell = { index: words.length > 1 ? `${first}…${last}` : first, text: this.machine.show(words[0]), count: words.length, kind };
    if (kind === "byte") cell.meaning = byteMeaning(value);
    if (kind === "byte") cell.look = value === 0 ? "free" : value === 0x3f ? "bad" : value === 0x40 ? "pinned" : "used";
    if (changed) cell.was = this.machine.show(words[0], this.changed.get(words[0]));
    return cell;
  }

  device(object) {
    const m = object.member;
    if (!this.value(m.flags) && this.value(m.swap_map) === NULL && !this.changed.has(m.flags)) return [];
    const fields = ["flags", "inuse_pages", "max", "swap_map", "cluster_info"].map((name) => this.field(name, m[name]));
    const users = this.field("users", m.users, this.users(m));
    for (const part of ["users.dead", "users.gp", "comp"]) if (this.changed.has(m[part])) users.was = "changed";
    return [{ name: object.name, fields: [...fields, users, this.field("lock", m.lock, this.holder(m.lock))] }];
  }

  // The percpu_ref that pins the device.
  users(m) {
    const count = this.value(m.users), held = counted(count, "reference");
    if (!this.value(m["users.dead"])) return `live, ${held}`;
    const waits = this.value(m["users.gp"]) ? `, its grace period waits for ${readersOf(this.value(m["users.gp"]), this.machine)}` : "";
    return `killed, ${held}${waits}${this.value(m.comp) ? ", released" : ""}`;
  }

  clusters(object) {
    if (this.neverBorn(object)) return [];
    const found = new Map();
    for (const word of object.words) {
      const [, index, name] = /\[(\d+)\]\.(.+)$/.exec(this.doc.words[word][0]);
      const field = this.field(name, word, name === "lock" ? this.holder(word) : undefined);
      found.set(index, [...(found.get(index) || []), field]);
    }
    const dead = !this.alive(object), note = dead ? this.death(object) : "";
    return [...found].map(([index, fields]) => ({ name: `${object.name}[${index}]`, fields, dead, note }));
  }

  folio(object) {
    if (this.neverBorn(object)) return [];
    const m = object.member, flags = ["swapcache", "dirty", "uptodate", "writeback", "lazyfree"].filter((name) => this.value(m[name]));
    const state = { name: "flags", text: flags.join(", ") || "none" };
    const flipped = ["swapcache", "dirty", "uptodate", "writeback", "lazyfree"].filter((name) => this.changed.has(m[name]));
    if (flipped.length) state.was = `${flipped.join(", ")} changed`;
    const pages = this.field("nr_pages", m.nr_pages), exclusive = this.field("AnonExclusive", m.anon_exclusive, this.subpages(m));
    const fields = [this.field("lock", m.locked, this.holder(m.locked)), state, this.field("refcount", m.refcount)];
    fields.push(this.field("mapcount", m.mapcount), this.field("swap", m.swap), pages);
    if (this.value(m.content).length || this.changed.has(m.content)) fields.push(this.field("content", m.content));
    if (this.value(m.nr_pages) > 1) fields.push({ name: "sub-pages", text: this.cached(object) });
    if (this.value(m.anon_exclusive) || this.changed.has(m.anon_exclusive)) fields.push(exclusive);
    const dead = !this.alive(object);
    return [{ name: object.name, fields, dead, note: dead ? this.death(object) : "" }];
  }

  // At which indices of the swap cache the sub-pages of a large folio are.
  cached(object) {
    const slots = this.scene.caches.flatMap((cache) => cache.items).filter((word) => isPointer(this.value(word)) && nameOf(this.value(word)) === object.name);
    if (!slots.length) return "none in the swap cache";
    const [first, last] = [slots[0], slots[slots.length - 1]].map((word) => indexOf(this.doc.words[word][0]));
    return `${slots.length} of ${this.value(object.member.nr_pages)} in the swap cache, slots ${first}…${last}`;
  }

  subpages(m) {
    const bits = BigInt(this.value(m.anon_exclusive)), pages = this.value(m.nr_pages), set = [];
    for (let page = 0; page < pages; page += 1) if (bits & (1n << BigInt(page))) set.push(page);
    return `sub-pages ${set.join(", ") || "none"}`;
  }

  process(object) {
    const m = object.member, table = this.scene.ptes.find((each) => each.name === `${object.name}.pte`);
    const fields = [["PTL", "page_table_lock"], ["mmap_lock", "mmap_lock"]].map(([name, word]) => this.field(name, m[word], this.holderOf(word, m[word])));
    fields.push(this.field("mm_users", m.mm_users));
    const cells = table ? this.cells({ ...table, life: -1 }, "pte")[0].cells : [];
    const idle = !this.value(m.mm_users) && cells.every((cell) => cell.text === "none" && !cell.was);
    return idle && !fields.some((field) => field.was) ? [] : [{ name: object.name, fields, cells }];
  }

  holderOf(name, word) {
    const value = this.value(word);
    if (name !== "mmap_lock" || !value) return this.holder(word);
    if (value < 0) return `held for writing by ${holders(this.doc, value)}`;
    return `held for reading by ${this.doc.threads.filter((_, t) => value & (1 << t)).join(", ")}`;
  }

  file(object) {
    const mapping = this.scene.mappings.find((each) => each.name.startsWith(`${object.name}.`)), m = object.member;
    const fields = [this.field("swapped", m.swapped), this.field("lock", m.lock, this.holder(m.lock))];
    return [{ name: object.name, fields, cells: mapping ? this.cells({ ...mapping, life: -1 }, "slot")[0].cells : [] }];
  }

  rcu() {
    const { doc } = this, readers = doc.threads.map((_, t) => t).filter((t) => this.value(doc.context[t]) >= RCU);
    const fields = readers.map((t) => this.field("reader", doc.context[t], readerReason(this.machine, t)));
    doc.grace.forEach((word, t) => {
      if (this.value(word)) fields.push(this.field("grace period", word, `${doc.threads[t]} waits for ${readersOf(this.value(word), this.machine)}`));
    });
    return [{ name: "", fields: fields.length ? fields : [{ name: "readers", text: "none; no grace period is waited for" }] }];
  }

  freed() {
    const dead = this.scene.heap.filter((object) => this.value(object.life) < 0);
    return dead.length ? [{ name: "", fields: dead.map((o) => ({ name: o.name, text: this.death(o), gone: true, was: this.changed.has(o.life) ? "alive" : undefined })) }] : [];
  }

  // Who freed an object, and when.
  death(object) {
    const { steps } = this.machine, at = steps.findLastIndex(({ changes }) => changes.some(([word, , after]) => word === object.life && after < 0));
    return at < 0 ? "freed before the scenario begins" : `freed by ${this.doc.threads[steps[at].thread]}, step ${at + 1}`;
  }

  fields(object, names) {
    return [{ name: object.name, fields: names.map((name) => this.field(name, object.member[name], /lock$/.test(name) ? this.holder(object.member[name]) : undefined)) }];
  }

  rest() {
    return this.scene.rest.map((word) => this.field(this.doc.words[word][0], word));
  }
}

const indexOf = (name) => (/\[(\d+)\][^[]*$/.exec(name) || ["", name])[1];

function rowNode({ name, note, dead, fields = [], cells = [] }) {
  const told = [name && h(dead ? "s" : "span", { class: "smr-name" }, name), note && h("span", { class: "smr-note" }, note)];
  const list = fields.length ? h("ul", { class: "smr-fields" }, fields.map(fieldNode)) : "";
  return h("div", { class: dead ? "smr-row smr-dead" : "smr-row" }, told, list, cells.length ? h("ul", { class: "smr-cells" }, cells.map(cellNode)) : "");
}

// `dead`: the value is a pointer to freed memory; `gone`: what has this name was freed.
function fieldNode({ name, text, was, dead, gone }) {
  const value = h(dead ? "s" : "span", { class: "smr-value" }, text);
  return h("li", { class: was === undefined ? false : "smr-changed" }, h(gone ? "s" : "span", { class: "smr-key" }, name), " ", value, wasNode(was));
}

function cellNode({ index, text, meaning, was, count, look }) {
  const many = count > 1 ? h("span", { class: "smr-many" }, `× ${count}`) : "";
  const classes = ["smr-cell", look ? `smr-${look}` : "", was === undefined ? "" : "smr-changed"].filter(Boolean).join(" ");
  return h("li", { class: classes }, h("span", { class: "smr-index" }, `[${index}]`), h("code", {}, text), many, meaning && h("span", { class: "smr-meaning" }, meaning), wasNode(was));
}

const wasNode = (was) => (was === undefined ? "" : h("span", { class: "smr-was" }, ` ◆ was ${was}`));
