/** The longest `htu`, and the longest URL of a request, in characters. */
const URL_CHARACTERS_MAX = 2048;

const GRAPHIC = /^[\x21-\x5b\x5d-\x7e]+$/; // ASCII, but for spaces and the backslash
const HOST = /^[A-Za-z0-9\-._~%!$&'()*+,;=[\]:]+$/;
const ESCAPE = /%(?:([0-9A-Fa-f]{2})|)/g;

/**
 * The one form of a URL that is compared: without query and fragment, normalised as RFC 3986 sections 6.2.2 and 6.2.3 say.
 * A WebSocket's opening handshake is an HTTP request, so `ws` means `http` and `wss` means `https`. `undefined` if it is no
 * absolute URL of these kinds, or has a user name.
 */
export function normalUrl(url: string): string | undefined {
  if (url.length > URL_CHARACTERS_MAX || !GRAPHIC.test(url)) return undefined;
  const [whole = ""] = url.split(/[?#]/, 1);
  const at = whole.indexOf("://");
  const scheme = SCHEMES.get(whole.slice(0, Math.max(at, 0)).toLowerCase());
  if (at < 0 || scheme === undefined) return undefined;
  const rest = whole.slice(at + 3);
  const slash = rest.includes("/") ? rest.indexOf("/") : rest.length;
  const host = hostAndPort(rest.slice(0, slash), scheme.port);
  const path = escapes(rest.slice(slash));
  return host === undefined || path === undefined ? undefined : `${scheme.name}://${host}${withoutDots(path)}`;
}

const HTTP = { name: "http", port: 80 };
const HTTPS = { name: "https", port: 443 };
const SCHEMES = new Map([["http", HTTP], ["ws", HTTP], ["https", HTTPS], ["wss", HTTPS]]);

function hostAndPort(authority: string, defaultPort: number): string | undefined {
  // The colons of an IPv6 address stand in brackets.
  const colon = authority.indexOf(":", authority.lastIndexOf("]") + 1);
  const host = escapes(colon < 0 ? authority : authority.slice(0, colon))?.toLowerCase();
  if (host === undefined || !HOST.test(host)) return undefined;
  const digits = colon < 0 ? "" : authority.slice(colon + 1);
  if (digits === "") return host;
  const port = /^[0-9]+$/.test(digits) ? Number(digits) : Infinity;
  if (port > 65_535) return undefined;
  return port === defaultPort ? host : `${host}:${port}`;
}

/** Escapes of unreserved characters are undone, all others are written in upper case (RFC 3986 section 6.2.2.2). */
function escapes(text: string): string | undefined {
  let whole = true;
  const normal = text.replace(ESCAPE, (_, digits: string | undefined) => {
    if (digits === undefined) whole = false;
    const character = String.fromCharCode(parseInt(digits ?? "0", 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : `%${digits?.toUpperCase()}`;
  });
  return whole ? normal : undefined;
}

/** Resolves `.` and `..` (RFC 3986 section 5.2.4); an empty path is `/`. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.replace(/^\//, "").split("/");
  segments.forEach((segment, index) => {
    if (segment !== "." && segment !== "..") {
      kept.push(segment);
      return;
    }
    if (segment === "..") kept.pop();
    if (index === segments.length - 1) kept.push("");
  });
  return `/${kept.join("/")}`;
}
