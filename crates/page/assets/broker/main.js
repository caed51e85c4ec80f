// The broker's page.

import { agentSessions } from "./agent_sessions.js";
import { apis } from "./apis.js";
import { conversations } from "./conversations.js";
import { log } from "./log.js";
import { agents, apps } from "./parties.js";
import { people } from "./people.js";
import { serviceAgents } from "./service_agents.js";
import { start } from "./shell.js";

start("Broker", "admin/apis", [agents, apps, apis, conversations, people, serviceAgents, agentSessions, log]);
