// The program mfa: the login, with a second factor for those who have activated it. Facts:
// service-mfa 1.1.9. Sessions are in memory.
const crypto = require('crypto');
const superagent = require('superagent');
const { createLogger } = require('./lib/log');
const { loadSettings } = require('./lib/settings');
const { ApiError, createApp, finish, listen } = require('./lib/web');

const MODES = ['single', 'challenge-verify'];

/** As config/schema/schema.yml does. */
function refuseInvalid ({ endpoints, mode }) {
  const methods = Object.values(endpoints ?? {}).map(({ method }) => method).filter(Boolean);
  if (!MODES.includes(mode) || !methods.every((method) => ['GET', 'POST'].includes(method))) {
    throw new Error(`invalid configuration: sms mode ${mode}, methods ${methods}`);
  }
}

/** What service-mfa passes on to core (src/business/pryv/Connection.js). */
const passedOn = (headers) => Object.fromEntries(['host', 'origin', 'referer']
  .filter((name) => headers[name]).map((name) => [name, headers[name]]));

async function main () {
  const settings = await loadSettings({ defaults: { http: { port: 7000, ip: '127.0.0.1' } } });
  refuseInvalid(settings.get('sms'));
  const logger = createLogger(settings);
  const sessions = new Map();
  const core = (method, { headers, params }, path, token) => {
    const request = superagent(method, `${settings.get('core:url')}/${params.username}/${path}`).set(passedOn(headers));
    return token ? request.set('Authorization', token) : request;
  };

  /** Call the service that sends or checks codes (src/business/mfa/Service.js). */
  async function callEndpoint (name, content) {
    const { body, headers, method, url } = settings.get(`sms:endpoints:${name}`);
    const filled = Object.entries(content).reduce((text, [key, value]) => text.replaceAll(`{{ ${key} }}`, value), body);
    const request = superagent(method, url).set(headers ?? {});
    await (method === 'POST' ? request.send(filled) : request);
  }

  async function challenge (session) {
    if (settings.get('sms:mode') === 'challenge-verify') return callEndpoint('challenge', session.content);
    session.code = crypto.randomInt(10000).toString().padStart(4, '0');
    return callEndpoint('single', { ...session.content, code: session.code });
  }

  async function verify (session, body) {
    if (settings.get('sms:mode') === 'challenge-verify') return callEndpoint('verify', { ...session.content, ...body });
    if (!session.code || body.code !== session.code) throw new ApiError(400, 'invalid-parameter', 'Invalid code.');
  }

  function open (session) {
    const token = crypto.randomUUID();
    sessions.set(token, session);
    setTimeout(() => sessions.delete(token), settings.get('sessions:ttlSeconds') * 1000).unref();
    return token;
  }

  function sessionOf (request) {
    const found = sessions.get(request.headers.authorization);
    if (!found) throw new ApiError(403, 'forbidden', 'Invalid session token.');
    return found;
  }

  const app = createApp(settings);
  const route = (path, handler) => app.post(`/:username/${path}`, async (request, response, next) => {
    try {
      const [status, body] = await handler(request);
      response.status(status).json(body);
    } catch ({ id, message, response: answered, status }) {
      // What core answers is answered (src/middlewares/errors.js).
      next(new ApiError(status ?? 500, answered?.body?.error?.id ?? id, answered?.body?.error?.message ?? message));
    }
  });
  route('login', async (request) => {
    const { body } = await core('POST', request, 'auth/login').send(request.body);
    const { body: { profile } } = await core('GET', request, 'profile/private', body.token);
    if (!profile.mfa?.content) return [200, body];
    return [302, { mfaToken: open({ content: profile.mfa.content, token: body.token }) }];
  });
  route('mfa/activate', async (request) => {
    const token = request.headers.authorization;
    const { body: access } = await core('GET', request, 'access-info', token);
    if (access.type !== 'personal') throw new ApiError(403, 'unauthorized', 'You cannot access this resource using the given access token.');
    const session = { content: request.body, token };
    await challenge(session);
    return [302, { mfaToken: open(session) }];
  });
  route('mfa/confirm', async (request) => {
    const session = sessionOf(request);
    await verify(session, request.body);
    const recoveryCodes = Array.from({ length: 10 }, () => crypto.randomUUID());
    await core('PUT', request, 'profile/private', session.token).send({ mfa: { content: session.content, recoveryCodes } });
    return [200, { recoveryCodes }];
  });
  route('mfa/challenge', async (request) => {
    await challenge(sessionOf(request));
    return [200, { message: 'Please verify the MFA challenge.' }];
  });
  route('mfa/verify', async (request) => {
    const session = sessionOf(request);
    await verify(session, request.body);
    return [200, { token: session.token }];
  });
  route('mfa/deactivate', async (request) => {
    await core('PUT', request, 'profile/private', request.headers.authorization).send({ mfa: null });
    return [200, { message: 'MFA deactivated.' }];
  });
  finish(app, logger);
  listen(app, settings, logger);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
