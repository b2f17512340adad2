// Uses the client that openapi-generator's typescript-fetch makes, and prints what it read through the types.
import {
  AuthzenApi,
  Configuration,
  type EvaluationRequest,
  HealthApi,
  InvalidRequestFromJSON,
  PermissionsApi,
  PolicyApi,
  ProblemFromJSON,
  ResponseError,
  Role,
  RoleNotHeldProblemFromJSON,
} from './typescript_fetch/index.js';

declare const process: { argv: string[] };

const [url, key, user, nobody, section] = process.argv.slice(2);
if (url === undefined || key === undefined || user === undefined || nobody === undefined || section === undefined) {
  throw new Error('usage: typescript_fetch.js URL KEY USER NOBODY SECTION');
}
const configuration = new Configuration({ basePath: url, accessToken: key });
const permissions = new PermissionsApi(configuration);
const authzen = new AuthzenApi(configuration);

async function refusal(asked: Promise<unknown>): Promise<Response> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof ResponseError) return error.response;
    throw error;
  }
  throw new Error('this should have been refused');
}

const whole = await permissions.getPermissions({ userId: user });
const teacher = await permissions.getPermissions({ userId: user, role: Role.Teacher });
const refused = await refusal(permissions.getPermissions({ userId: user, role: Role.Student }));
const notHeld = RoleNotHeldProblemFromJSON(await refused.json());
const unknown = ProblemFromJSON(await (await refusal(permissions.getRoles({ userId: nobody }))).json());
const malformed = InvalidRequestFromJSON(await (await refusal(permissions.getRoles({ userId: 'no id' }))).json());
const roles = await permissions.getRoles({ userId: user });
const users = [{ id: user }, { id: nobody }, { id: user, role: Role.Student }];
const many = await permissions.getPermissionsOfMany({ batch: { users } });

const question: EvaluationRequest = {
  subject: { type: 'user', id: user },
  action: { name: 'edit' },
  resource: { type: 'section', id: section },
};
const decision = await authzen.evaluateAccess({ evaluationRequest: question });
const alone = await authzen.evaluateAccessMany({ evaluationsRequest: question });
const evaluations = [{}, { action: { name: 'fly' } }];
const several = await authzen.evaluateAccessMany({ evaluationsRequest: { ...question, evaluations } });
const untaken = await refusal(authzen.searchActions({ actionSearchRequest: { ...question, page: { token: 'none' } } }));

const policy = await new PolicyApi(configuration).getPolicy();
const alive = await new HealthApi(configuration).getLiveness();

console.log(
  JSON.stringify({
    scopes: whole.grants.map(({ scope }) => scope),
    via: whole.grants.map(({ via }) => via),
    role: teacher.role,
    refused: { status: refused.status, type: notHeld.type, held: notHeld.held },
    unknown: { status: unknown.status, type: unknown.type },
    malformed: { status: malformed.status, type: malformed.type },
    opened: roles._default,
    results: many.results.map(({ status, body }) => [status, 'grants' in body ? body.user : body.type]),
    decision: [decision.decision, decision.context?.reason],
    alone: 'decision' in alone ? alone.decision : null,
    several: 'evaluations' in several ? several.evaluations.map(({ decision }) => decision) : null,
    message: [untaken.status, typeof (await untaken.text())],
    rule: policy.policy.rule,
    superset: policy.policy.superset,
    alive: alive.status,
  }),
);
