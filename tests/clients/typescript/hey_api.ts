// Uses the client that Hey API's openapi-ts makes, and prints what it read through the types.
import { createClient, createConfig } from './client/client/index.js';
import {
  evaluateAccess,
  evaluateAccessMany,
  getLiveness,
  getPermissions,
  getPermissionsOfMany,
  getPolicy,
  getRoles,
  searchActions,
  type EvaluationRequest,
  type GrantBody,
  type PermissionSetBody,
  type Problem,
  type RoleNotHeldProblem,
  type Rule,
  type Scope,
} from './client/index.js';

declare const process: { argv: string[] };

const [url, key, user, nobody, section] = process.argv.slice(2);
if (url === undefined || key === undefined || user === undefined || nobody === undefined || section === undefined) {
  throw new Error('usage: hey_api.js URL KEY USER NOBODY SECTION');
}
const client = createClient(createConfig({ baseUrl: url, auth: key }));

const whole: PermissionSetBody = (await getPermissions({ client, path: { user_id: user }, throwOnError: true })).data;
const scopes: Scope[] = whole.grants.map((grant: GrantBody) => grant.scope);
const via: string[][] = whole.grants.map((grant) => grant.via);

const teacher = await getPermissions({ client, path: { user_id: user }, query: { role: 'teacher' }, throwOnError: true });

const refused = await getPermissions({ client, path: { user_id: user }, query: { role: 'student' } });
const notHeld: RoleNotHeldProblem | undefined =
  refused.error !== undefined && 'held' in refused.error ? refused.error : undefined;

const missing = await getRoles({ client, path: { user_id: nobody } });
const unknown: Problem | undefined = missing.error;

const malformed = await getRoles({ client, path: { user_id: 'no id' } });
const malformedProblem: Problem | undefined = malformed.error;

const roles = await getRoles({ client, path: { user_id: user }, throwOnError: true });
const opened: string | null = roles.data.default;

const users = [{ id: user }, { id: nobody }, { id: user, role: 'student' as const }];
const many = await getPermissionsOfMany({ client, body: { users }, throwOnError: true });

const body: EvaluationRequest = {
  subject: { type: 'user', id: user },
  action: { name: 'edit' },
  resource: { type: 'section', id: section },
};
const decision = (await evaluateAccess({ client, body, throwOnError: true })).data;
const alone = (await evaluateAccessMany({ client, body, throwOnError: true })).data;
const evaluations = [{}, { action: { name: 'fly' } }];
const several = (await evaluateAccessMany({ client, body: { ...body, evaluations }, throwOnError: true })).data;
const untaken = await searchActions({ client, body: { ...body, page: { token: 'none' } } });

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
    decision: [decision.decision, decision.context?.reason],
    alone: 'decision' in alone ? alone.decision : null,
    several: 'evaluations' in several ? several.evaluations.map(({ decision }) => decision) : null,
    message: [untaken.response?.status, typeof untaken.error],
    rule,
    superset: policy.data.policy.superset,
    alive: alive.data.status,
  }),
);
