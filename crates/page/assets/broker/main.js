// The broker's page.

import { apis } from "./apis.js";
import { conversations } from "./conversations.js";
import { log } from "./log.js";
import { agents, apps } from "./parties.js";
import { start } from "./shell.js";

start("Broker", "admin/apis", [agents, apps, apis, conversations, log]);
