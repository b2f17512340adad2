// Uses the types that openapi-typescript makes, with openapi-fetch, and prints what it read through them.
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

declare const process: { argv: string[] };

type Schemas = components['schemas'];

const [url, key, user, nobody, section] = process.argv.slice(2);
if (url === undefined || key === undefined || user === undefined || nobody === undefined || section === undefined) {
  throw new Error('usage: openapi_fetch.js URL KEY USER NOBODY SECTION');
}
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

function read<T>({ data, response }: { data?: T; response: Response }): T {
  if (data === undefined) throw new Error(`${response.url} is answered with ${response.status}`);
  return data;
}

const permissions = '/v1/users/{user_id}/permissions';
const whole: Schemas['PermissionSetBody'] = read(await client.GET(permissions, { params: { path: { user_id: user } } }));
const teacher = read(
  await client.GET(permissions, { params: { path: { user_id: user }, query: { role: 'teacher' } } }),
);
const refused = await client.GET(permissions, { params: { path: { user_id: user }, query: { role: 'student' } } });
const notHeld = refused.error !== undefined && 'held' in refused.error ? refused.error : undefined;
const unknown = await client.GET('/v1/users/{user_id}/roles', { params: { path: { user_id: nobody } } });
const malformed = await client.GET('/v1/users/{user_id}/roles', { params: { path: { user_id: 'no id' } } });
const roles = read(await client.GET('/v1/users/{user_id}/roles', { params: { path: { user_id: user } } }));
const many = read(
  await client.POST('/v1/users/permissions', {
    body: { users: [{ id: user }, { id: nobody }, { id: user, role: 'student' }] },
  }),
);

const question: Schemas['EvaluationRequest'] = {
  subject: { type: 'user', id: user },
  action: { name: 'edit' },
  resource: { type: 'section', id: section },
};
const decision = read(await client.POST('/access/v1/evaluation', { body: question }));
const alone = read(await client.POST('/access/v1/evaluations', { body: question }));
const several = read(
  await client.POST('/access/v1/evaluations', { body: { ...question, evaluations: [{}, { action: { name: 'fly' } }] } }),
);
const untaken = await client.POST('/access/v1/search/action', { body: { ...question, page: { token: 'none' } } });

const policy = read(await client.GET('/v1/policy'));
const alive = read(await client.GET('/livez'));

console.log(
  JSON.stringify({
    scopes: whole.grants.map(({ scope }) => scope),
    via: whole.grants.map(({ via }) => via),
    role: teacher.role,
    refused: { status: refused.response.status, type: notHeld?.type, held: notHeld?.held },
    unknown: { status: unknown.response.status, type: unknown.error?.type },
    malformed: { status: malformed.response.status, type: malformed.error?.type },
    opened: roles.default,
    results: many.results.map(({ status, body }) => [status, 'grants' in body ? body.user : body.type]),
    decision: [decision.decision, decision.context?.reason],
    alone: 'decision' in alone ? alone.decision : null,
    several: 'evaluations' in several ? several.evaluations.map(({ decision }) => decision) : null,
    message: [untaken.response.status, typeof untaken.error],
    rule: policy.policy.rule,
    superset: policy.policy.superset,
    alive: alive.status,
  }),
);
