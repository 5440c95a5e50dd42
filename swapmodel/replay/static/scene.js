// Which words belong together, and what they are: told by the names that the kernel's structs have.

// {devices, maps, clusters, caches, folios, mms, files, slots, rest}: each a list of {name, object, member: word, items: [words]}.
function sceneOf(doc) {
  const objects = doc.objects.map((row, number) => sceneObject(doc, row, number)), taken = new Set([...doc.context, ...doc.grace]);
  const pick = (test) => objects.filter((object) => test(object) && claim(object, taken));
  return {
    devices: pick((o) => "inuse_pages" in o.member),
    maps: pick((o) => /(^|\.)swap_map$/.test(o.name)),
    clusters: pick((o) => /(^|\.)cluster_info$/.test(o.name)),
    caches: pick((o) => /swapper_space$/.test(o.name)),
    folios: pick((o) => "refcount" in o.member && "nr_pages" in o.member),
    mms: pick((o) => "page_table_lock" in o.member),
    ptes: pick((o) => /\.pte$/.test(o.name)),
    files: pick((o) => "swapped" in o.member),
    mappings: pick((o) => /i_mapping$/.test(o.name)),
    slots: pick((o) => "slots_ret" in o.member),
    disks: pick((o) => /\.disk$/.test(o.name)),
    heap: objects.filter((o) => o.life >= 0),
    rest: doc.words.map((_, word) => word).filter((word) => !taken.has(word) && !doc.words[word][2]),
  };
}

function claim(object, taken) {
  object.words.forEach((word) => taken.add(word));
  return true;
}

function sceneObject(doc, [name, life, , first, count], number) {
  const words = Array.from({ length: Math.max(0, count) }, (_, i) => first + i), member = Object.create(null), items = [];
  for (const word of words) {
    const rest = doc.words[word][0].slice(name.length);
    if (rest[0] === ".") member[rest.slice(1)] = word;
    else items.push(word);
  }
  return { name, number, life, words, member, items };
}

// The meaning of a swap_map byte in a few words; include/linux/swap.h, v6.8. As entries/swap_map.py, which tells it in full.
function byteMeaning(byte) {
  const count = byte & ~0x40, cached = byte & 0x40 ? " + cache" : "";
  if (byte < 0 || byte > 0xff) return "no byte";
  if (count === 0xbf) return `shmem${cached}`;
  if (count === 0x3f) return "bad";
  if (count & 0x80) return `${count & 0x3f}, continued${cached}`;
  if (count) return `${count} ref${count > 1 ? "s" : ""}${cached}`;
  return byte ? "no ref, pinned" : "free";
}

// Words that follow each other in groups of equal value, so that 512 are as easy to read as 4: [{words, value, changed}].
function groupsOf(words, value, changed) {
  const groups = [];
  for (const word of words) {
    const last = groups[groups.length - 1], now = value(word), fresh = changed.has(word);
    if (last && !fresh && !last.changed && equal(last.value, now)) last.words.push(word);
    else groups.push({ words: [word], value: now, changed: fresh });
  }
  return groups;
}
