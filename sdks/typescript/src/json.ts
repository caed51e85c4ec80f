import { VerifyError } from "./errors.js";

/** A JSON value as tokens may carry it. Objects are maps, so that no member's name means anything to JavaScript. */
export type Json = null | boolean | number | bigint | string | Json[] | JsonObject;
export type JsonObject = Map<string, Json>;

/** As deep as the other implementations read. */
const DEPTH_MAX = 127;
const U64_MAX = 2n ** 64n - 1n;
const I64_MIN = -(2n ** 63n);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const INTEGER = /-?(?:0|[1-9][0-9]*)/y;
const LONE_SURROGATE = /\p{Surrogate}/u;
const WORDS: readonly [string, Json][] = [["null", null], ["true", true], ["false", false]];

/**
 * Reads one object and nothing after it: no member twice, no number with a fraction or exponent. Parsers differ about
 * duplicate members, so a token that two parties could read differently is refused (RFC 8725).
 *
 * @throws {VerifyError} `malformed`
 */
export function readObject(bytes: Uint8Array): JsonObject {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new VerifyError("malformed");
  }
  const value = new Reader(text).whole();
  if (value instanceof Map) return value;
  throw new VerifyError("malformed");
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  whole(): Json {
    const value = this.value(0);
    this.match(SPACE);
    if (this.at !== this.text.length) this.fail();
    return value;
  }

  private value(depth: number): Json {
    this.match(SPACE);
    switch (this.text[this.at]) {
      case "{":
        return this.object(depth + 1);
      case "[":
        return this.array(depth + 1);
      case '"':
        return this.string();
      default:
        return this.wordOrInteger();
    }
  }

  private object(depth: number): JsonObject {
    const members: JsonObject = new Map();
    this.items("}", depth, () => {
      this.match(SPACE);
      const name = this.string();
      if (members.has(name)) this.fail();
      this.match(SPACE);
      if (this.text[this.at++] !== ":") this.fail();
      members.set(name, this.value(depth));
    });
    return members;
  }

  private array(depth: number): Json[] {
    const items: Json[] = [];
    this.items("]", depth, () => items.push(this.value(depth)));
    return items;
  }

  private items(end: string, depth: number, item: () => void): void {
    if (depth > DEPTH_MAX) this.fail();
    this.at++;
    this.match(SPACE);
    if (this.text[this.at] === end) {
      this.at++;
      return;
    }
    for (;;) {
      item();
      this.match(SPACE);
      const next = this.text[this.at++];
      if (next === end) return;
      if (next !== ",") this.fail();
    }
  }

  private string(): string {
    const quoted = this.match(STRING) ?? this.fail();
    let value: unknown;
    try {
      value = JSON.parse(quoted); // its escapes, and no control characters
    } catch {
      this.fail();
    }
    return typeof value === "string" && !LONE_SURROGATE.test(value) ? value : this.fail();
  }

  private wordOrInteger(): Json {
    const found = WORDS.find(([word]) => this.text.startsWith(word, this.at));
    if (found === undefined) return this.integer();
    this.at += found[0].length;
    return found[1];
  }

  private integer(): number | bigint {
    const digits = this.match(INTEGER) ?? this.fail();
    const next = this.text[this.at];
    if (digits === "-0" || next === "." || next === "e" || next === "E") this.fail();
    const value = Number(digits);
    if (Number.isSafeInteger(value)) return value;
    const exact = BigInt(digits);
    return exact > U64_MAX || exact < I64_MIN ? this.fail() : exact;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private fail(): never {
    throw new VerifyError("malformed");
  }
}
