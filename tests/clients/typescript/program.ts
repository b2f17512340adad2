// Uses the client that tests/clients/test_typescript_client.py generates, and prints what it read through the types.
import { createClient, createConfig } from './client/client/index.js';
import {
  getLiveness,
  getPermissions,
  getPermissionsOfMany,
  getPolicy,
  getRoles,
  type GrantBody,
  type PermissionSetBody,
  type Problem,
  type Role,
  type RoleNotHeldProblem,
  type Rule,
  type Scope,
} from './client/index.js';

declare const process: { argv: string[] };

const [url, key, user, nobody] = process.argv.slice(2);
if (url === undefined || key === undefined || user === undefined || nobody === undefined) {
  throw new Error('usage: program.js URL KEY USER NOBODY');
}
const client = createClient(createConfig({ baseUrl: url, auth: key }));

const whole: PermissionSetBody = (await getPermissions({ client, path: { user_id: user }, throwOnError: true })).data;
const scopes: Scope[] = whole.grants.map((grant: GrantBody) => grant.scope);
const via: Role[][] = whole.grants.map((grant) => grant.via);

const teacher = await getPermissions({ client, path: { user_id: user }, query: { role: 'teacher' }, throwOnError: true });

const refused = await getPermissions({ client, path: { user_id: user }, query: { role: 'student' } });
const notHeld: RoleNotHeldProblem | undefined =
  refused.error !== undefined && 'held' in refused.error ? refused.error : undefined;

const missing = await getRoles({ client, path: { user_id: nobody } });
const unknown: Problem | undefined = missing.error;

const malformed = await getRoles({ client, path: { user_id: 'no id' } });
const malformedProblem: Problem | undefined = malformed.error;

const roles = await getRoles({ client, path: { user_id: user }, throwOnError: true });
const opened: Role | null = roles.data.default;

const many = await getPermissionsOfMany({ client, body: { users: [{ id: user }, { id: nobody }] }, throwOnError: true });
const policy = await getPolicy({ client, throwOnError: true });
const rule: Rule = policy.data.policy.rule;
const alive = await getLiveness({ client, throwOnError: true });

console.log(
  JSON.stringify({
    scopes,
    via,
    role: teacher.data.role,
    refused: { status: refused.response?.status, type: notHeld?.type, held: notHeld?.held },
    unknown: { status: missing.response?.status, type: unknown?.type },
    malformed: { status: malformed.response?.status, type: malformedProblem?.type },
    opened,
    results: many.data.results.map(({ status, body }) => [status, 'grants' in body ? body.user : body.type]),
    rule,
    alive: alive.data.status,
  }),
);
