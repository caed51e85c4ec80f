// The facilitator's page.

import { chains } from "./chains.js";
import { feeds } from "./feeds.js";
import { money } from "./money.js";
import { overview } from "./overview.js";
import { sessions } from "./sessions.js";
import { start } from "./shell.js";

start("Facilitator", "admin/feeds", [overview, sessions, feeds, money, chains]);
