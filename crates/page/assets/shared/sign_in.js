// The way in: the admin token of the configuration.

import { ApiError, signIn } from "./api.js";
import { h } from "./dom.js";
import { form } from "./form.js";

/** Asks for the token; `done` is called when it was taken. `probe` is a path that wants it. */
export function askForToken(place, product, probe, done) {
  const fields = [
    {
      name: "token",
      label: "Admin token",
      kind: "password",
      required: true,
      hint: "The value behind admin.token in the configuration. It stays in this tab and is forgotten with it.",
    },
  ];
  const send = async ({ token }) => {
    try {
      await signIn(token, probe);
    } catch (error) {
      throw error instanceof ApiError ? named(error) : error;
    }
    done();
  };
  place.replaceChildren(
    h(
      "main",
      { class: "sign-in" },
      h(
        "div",
        { class: "card" },
        h("p", { class: "brand" }, h("img", { src: "page/icon.svg", alt: "", width: 28, height: 28 }), "Tollwire"),
        h("h1", null, product),
        h("p", { class: "lead" }, "For whoever operates this node. Nothing is shown without its token."),
        form(fields, { word: "Sign in", send, prefix: "sign-in" }),
      ),
    ),
  );
  place.querySelector("input").focus();
}

/** The refusal as the field's own error. */
function named(error) {
  const taken = error.status === 401 || error.status === 400;
  return new ApiError(error.status, error.kind, taken ? "token: This is not the token of this node." : error.message);
}
