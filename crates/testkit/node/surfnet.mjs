// Starts a Solana node in this process, offline, and prints where it listens. Ends when it is killed.
//
// node surfnet.mjs FOLDER MILLISECONDS: npm's packages are in FOLDER; a slot lasts so many milliseconds.
import { createRequire } from "node:module";

const [folder, slotTimeMs] = process.argv.slice(2);
const { Surfnet } = createRequire(`${folder}/`)("@solana/surfpool-linux-x64-gnu");
const node = Surfnet.startWithConfig({
  offline: true,
  blockProductionMode: "clock",
  slotTimeMs: Number(slotTimeMs),
});
console.log(`listening on ${node.rpcUrl}`);
setInterval(() => node.drainEvents(), 1000);
