// Registering a feed.

import { ApiError, post } from "./api.js";
import { open } from "./dialog.js";
import { form } from "./form.js";
import { say } from "./parts.js";

const UNIT = [["stream", "stream: one WebSocket opened"], ["second", "second of an open stream"], ["message", "message"], ["kib", "KiB on the wire"]];
const AUTH = [["none", "nothing"], ["stream-token", "a token for each stream"]];

const FIELDS = [
  { name: "id", label: "Name", example: "trades", hint: "a to z, 0 to 9, - _ and . It stands in URLs; made up if left out.", half: true },
  { name: "description", label: "Description", example: "All trades, live", hint: "For people, in offers.", half: true },
  { name: "upstream", label: "Upstream", example: "wss://feeds.example.com/trades", inputmode: "url", required: true, hint: "The provider's WebSocket. Agents never learn it." },
  { name: "price", label: "Price in dollars", example: "0.01", inputmode: "decimal", required: true, half: true },
  { name: "unit", label: "Per", kind: "choice", options: UNIT, value: "stream", required: true, half: true },
  { name: "deposit_units", label: "Deposit sizes", example: "100, 10, 1", inputmode: "text", hint: "In units, largest first. Keep one at or below $1.", half: true },
  { name: "upstream_auth", label: "Upstream gets", kind: "choice", options: AUTH, value: "none", required: true, half: true },
  { name: "provider_wallet", label: "Provider's wallets", kind: "lines", hint: "Who earns: a network and an address on each line, such as eip155:8453 0x…. Needed on real chains." },
];

/** Asks for a new feed and registers it. */
export function addFeed() {
  return open("Add a feed", (close) => {
    const send = async (values) => {
      const feed = await post("admin/feeds", body(values));
      say(`${feed.id} is for sale.`);
      close(feed);
    };
    return form(FIELDS, { word: "Add it", send, cancel: () => close(), prefix: "feed" });
  });
}

function body({ deposit_units: sizes, provider_wallet: wallets, ...rest }) {
  const given = Object.entries(rest).filter(([, value]) => value !== "");
  const feed = Object.fromEntries(given);
  if (sizes) feed.deposit_units = sizes.split(/[\s,]+/).filter(Boolean).map(whole);
  if (wallets) feed.provider_wallet = Object.fromEntries(wallets.split("\n").filter((line) => line.trim()).map(wallet));
  return feed;
}

function whole(text) {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ApiError(422, "feed-invalid", "deposit_units: Write whole numbers, separated by commas.");
}

function wallet(line) {
  const parts = line.trim().split(/\s+/);
  if (parts.length === 2) return parts;
  throw new ApiError(422, "feed-invalid", "provider_wallet: Write a network, a space and an address on each line.");
}
