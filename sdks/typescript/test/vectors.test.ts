import assert from "node:assert/strict";
import { test } from "node:test";
import { disagreements, file } from "./vectors.js";

test("every vector gives its result", async () => {
  assert.ok(file.vectors.length >= 370 && file.proofs!.length >= 140 && file.bound!.length >= 8);
  assert.deepEqual(await disagreements(), []);
});
