const ALPHABET = /^[A-Za-z0-9_-]*$/;

/** Decodes base64url without padding and without stray bits, so that no two texts are one token; else `undefined`. */
export function decode(text: string): Uint8Array | undefined {
  if (!ALPHABET.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}
