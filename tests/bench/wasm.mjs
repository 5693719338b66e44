// What a Wasm module consists of: its sections, its functions with their names and calls, its table and its data
// (WebAssembly Core Specification 2.0, chapter 5).

const SECTIONS = ["custom", "types", "imports", "functions", "tables", "memories", "globals", "exports", "start", "elements", "code", "data", "data count"];

/**
 * @typedef {{ index: number, name: string, from: number, to: number, calls: Set<number> }} Func `from` and `to` are where its body lies in the module
 * @typedef {{ name: string, from: number, to: number }} Section
 * @typedef {{ address: number, from: number, to: number }} Segment
 */

/** A cursor over the module's bytes. */
class Reader {
  /** @param {Buffer} bytes @param {number} [at] */
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** An unsigned number, LEB128. */
  number() {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  /** A signed number of 32 bits. */
  signed() {
    for (let value = 0, shift = 0; ; ) {
      const byte = this.byte();
      value |= (byte & 127) << shift;
      shift += 7;
      if (byte < 128) return shift < 32 && byte & 64 ? value | (-1 << shift) : value;
    }
  }

  text() {
    const length = this.number();
    this.at += length;
    return this.bytes.toString("utf8", this.at - length, this.at);
  }

  /** @template T @param {() => T} read @returns {T[]} */
  list(read) {
    return Array.from({ length: this.number() }, read);
  }

  limits() {
    if (this.number() & 1) this.number();
    this.number();
  }

  /**
   * Reads instructions up to the end of the expression, and tells the functions that it names.
   * @param {number} to @param {(index: number) => void} names
   * @returns {number | undefined} the last constant
   */
  expression(to, names) {
    let constant;
    while (this.at < to) {
      const code = this.byte();
      if (code === 0x41) constant = this.signed();
      else if (code === 0x10 || code === 0x12 || code === 0xd2) names(this.number());
      else this.skip(code);
    }
    return constant;
  }

  /** Passes over what follows an opcode. @param {number} code */
  skip(code) {
    const one = () => this.number();
    if (code === 0xfc) {
      const more = this.number();
      if (more >= 8) one();
      if (more === 8 || more === 10 || more === 12 || more === 14) one();
    } else if (code === 0x0e) this.list(one), one();
    else if (code === 0x1c) this.list(one);
    else if (code === 0x11 || code === 0x13) one(), one();
    else if (code >= 0x28 && code <= 0x3e) {
      if (this.number() & 64) one();
      one();
    } else if (code === 0x43) this.at += 4;
    else if (code === 0x44) this.at += 8;
    // A block's type may be a negative number, which ends at the same byte.
    else if ((code >= 0x02 && code <= 0x04) || code === 0x0c || code === 0x0d || (code >= 0x20 && code <= 0x26)) one();
    else if (code === 0x3f || code === 0x40 || code === 0x42 || code === 0xd0) one();
    else if (code >= 0xfb) throw new Error(`opcode ${code.toString(16)} at ${this.at}: this reader does not know it`);
  }
}

/** @param {Reader} reader how many functions are imported, and their names */
function importedFunctions(reader) {
  const found = [];
  reader.list(() => {
    const name = `${reader.text()}.${reader.text()}`;
    const kind = reader.byte();
    if (kind === 0) found.push(name), reader.number();
    else if (kind === 1) reader.byte(), reader.limits();
    else if (kind === 2) reader.limits();
    else reader.at += 2;
  });
  return found;
}

/** The functions that stand in a table. @param {Reader} reader */
function elements(reader) {
  const found = [];
  reader.list(() => {
    const flags = reader.number();
    if (flags & 2 && !(flags & 1)) reader.number();
    if (!(flags & 1)) offset(reader);
    if (flags & 3 && !(flags & 4)) reader.byte();
    if (flags & 3 && flags & 4) reader.byte();
    if (flags & 4) reader.list(() => reader.expression(end(reader), (index) => found.push(index)));
    else reader.list(() => found.push(reader.number()));
  });
  return found;
}

/** A constant expression, whose end is its first `end`: no constant of ours holds that byte. @param {Reader} reader */
const end = (reader) => reader.bytes.indexOf(0x0b, reader.at) + 1;

/** Where a segment goes. @param {Reader} reader */
function offset(reader) {
  const begin = reader.at;
  for (let to = end(reader); ; to = reader.bytes.indexOf(0x0b, to) + 1) {
    reader.at = begin;
    const constant = reader.expression(to, () => {});
    if (reader.at === to) return constant ?? 0;
  }
}

/** @param {Reader} reader */
function segments(reader) {
  return reader.list(() => {
    const flags = reader.number();
    if (flags === 2) reader.number();
    const address = flags === 1 ? 0 : offset(reader);
    const length = reader.number();
    reader.at += length;
    return { address, from: reader.at - length, to: reader.at };
  });
}

/** The names of functions, of the custom section `name`. @param {Reader} reader @param {number} to */
function functionNames(reader, to) {
  const names = new Map();
  while (reader.at < to) {
    const kind = reader.byte();
    const length = reader.number();
    const next = reader.at + length;
    if (kind === 1) reader.list(() => names.set(reader.number(), reader.text()));
    reader.at = next;
  }
  return names;
}

/** @param {Buffer} bytes */
export function readWasm(bytes) {
  const reader = new Reader(bytes, 8);
  /** @type {Section[]} */
  const sections = [];
  /** @type {Func[]} */
  const functions = [];
  /** @type {Segment[]} */
  let data = [];
  let imported = [];
  let table = [];
  let names = new Map();
  const exported = new Map();
  while (reader.at < bytes.length) {
    const from = reader.at;
    const id = reader.byte();
    const length = reader.number();
    const to = reader.at + length;
    const name = id === 0 ? reader.text() : SECTIONS[id];
    sections.push({ name, from, to });
    if (id === 2) imported = importedFunctions(reader);
    else if (id === 7)
      reader.list(() => {
        const [name, kind, index] = [reader.text(), reader.byte(), reader.number()];
        if (kind === 0) exported.set(index, name);
      });
    else if (id === 9) table = elements(reader);
    else if (id === 10)
      reader.list(() => {
        const length = reader.number();
        functions.push({ index: imported.length + functions.length, name: "", from: reader.at, to: reader.at + length, calls: new Set() });
        reader.at += length;
      });
    else if (id === 11) data = segments(reader);
    else if (id === 0 && name === "name") names = functionNames(reader, to);
    reader.at = to;
  }
  for (const func of functions) {
    const body = new Reader(bytes, func.from);
    body.list(() => (body.number(), body.number()));
    body.expression(func.to, (index) => func.calls.add(index));
    func.name = plain(names.get(func.index) ?? exported.get(func.index) ?? `function ${func.index}`);
  }
  return { sections, functions, data, imported, table, exported };
}

/** Without what the compiler adds to tell instances of one function apart. @param {string} name */
export const plain = (name) =>
  name
    .replace(/ multivalue shim$/, "")
    .replace(/::h[0-9a-f]{16}$/, "")
    .replace(/\[[0-9a-f]{8,16}\]/g, "")
    .replace(/_[0-9a-f]{16}$/, "");
