// The programs register and dns: one program with two files of settings. Facts: service-register
// at the commit of release 1.9.2.
const fs = require('fs');
const express = require('express');
const nconf = require('nconf');
const superagent = require('superagent');
const { Registry } = require('./lib/registry');
const { refuseInvalid, translate } = require('./lib/register_settings');
const { startDns } = require('./lib/zone');

// The console only, as of winston 2 without settings: the folder of logs stays empty.
const log = (level, text) => console.log(`${level}: ${text}`);

/** Arguments, environment (parts separated by _), then the file as strict JSON (src/config.js). */
function loadSettings () {
  nconf.argv().env({ separator: '_' });
  const file = nconf.get('config');
  if (!fs.existsSync(file)) log('error', `Cannot find custom config file: ${file}`);
  nconf.file({ file });
  nconf.defaults({
    dns: { defaultTTL: 3600, ip: '127.0.0.1', name: 'localhost', port: 2053, mail: [] },
    server: { port: 2443, ip: '0.0.0.0' }
  });
  translate(nconf);
  refuseInvalid(nconf);
  return nconf;
}

/** The answer of /service/info: addresses end with / (src/business/service-info.js). */
function serviceInfo (settings) {
  if (!settings.get('service:api')) return olderServiceInfo(settings);
  const info = { ...settings.get('service'), version: settings.get('reporting:templateVersion') };
  for (const key of ['access', 'api', 'register']) info[key] = info[key].replace(/\/?$/, '/');
  return info;
}

/** That of 1.3.44 (source/routes/service.js). */
function olderServiceInfo (settings) {
  const domain = settings.get('dns:domain');
  const given = {
    serial: 'serial', register: 'http:register:url', name: 'service:name', home: 'http:static:url',
    support: 'service:support', terms: 'service:terms', 'event-types': 'eventTypes:sourceURL'
  };
  const info = { access: `https://access.${domain}/access`, api: `https://{username}.${domain}/` };
  for (const [name, key] of Object.entries(given)) if (settings.get(key)) info[name] = settings.get(key);
  return info;
}

/** The cores of all hostings (src/business/dataservers.js). */
function cores (settings) {
  return Object.values(settings.get('net:aaservers')).flat().map((server) => server.base_url);
}

/** Regions with, for each hosting, the core for a new account: the one with the fewest. */
async function hostings (settings, registry) {
  const found = structuredClone(settings.get('net:aahostings'));
  for (const region of Object.values(found.regions)) {
    for (const zone of Object.values(region.zones)) {
      for (const [name, hosting] of Object.entries(zone.hostings)) {
        const servers = settings.get('net:aaservers')[name] ?? [];
        const best = await leastUsed(servers, registry);
        Object.assign(hosting, { available: servers.length > 0, availableCore: best?.base_url ?? '' });
      }
    }
  }
  return found;
}

/** The core with the fewest accounts, if there is one. */
async function leastUsed (servers, registry) {
  const counts = await registry.countByServer();
  const load = (server) => counts[new URL(server.base_url).hostname] ?? 0;
  return [...servers].sort((one, other) => load(one) - load(other))[0];
}

function createApp (settings, registry) {
  const app = express();
  app.use(express.urlencoded({ extended: false }), express.json({ limit: '10mb' }));
  app.use((request, response, next) => {
    response.header('Access-Control-Allow-Origin', request.headers.origin ?? '*');
    response.header('Access-Control-Allow-Headers', 'Authorization, Content-Type');
    response.header('Access-Control-Allow-Methods', 'POST, GET, PUT, OPTIONS, DELETE');
    return request.method === 'OPTIONS' ? response.sendStatus(200) : next();
  });
  const info = serviceInfo(settings);
  const answer = (handler) => (request, response, next) =>
    Promise.resolve(handler(request, response)).then((body) => response.headersSent || response.json(body), next);
  // Keys and roles: src/middleware/requireRoles.js.
  const needs = (role) => (request, response, next) => {
    const key = settings.get('auth:authorizedKeys')[request.headers.authorization];
    return key?.roles.includes(role) ? next() : response.status(401).json({ id: 'unauthorized' });
  };
  const username = (request) => {
    const found = request.params.username.trim().toLowerCase();
    if (registry.isUsername(found)) return found;
    throw Object.assign(new Error('Invalid user name'), { status: 400, id: 'INVALID_USER_NAME' });
  };

  // src/routes/service.js, server.js, cores.js, users.js, admin.js, records.js
  app.get(['/service/info', '/service/infos'], answer(() => info));
  app.get('/hostings', answer(() => hostings(settings, registry)));
  app.get('/cores', answer(async (request, response) => {
    const { email, username: name } = request.query;
    const owner = name ?? await registry.ownerOf('email', email);
    if (name == null && owner == null) return { core: { url: cores(settings)[0] } };
    const server = await registry.serverOf(owner);
    const url = cores(settings).find((core) => new URL(core).hostname === server);
    return url ? { core: { url } } : response.status(404).json({ id: 'UNKNOWN_USER_NAME' });
  }));
  app.get('/:username/check_username', answer(async (request) =>
    ({ reserved: await registry.isTaken(username(request)) })));
  app.get('/:username/server', answer(async (request, response) => {
    const name = username(request);
    const server = await registry.serverOf(name);
    if (!server) return response.status(404).json({ id: 'UNKNOWN_USER_NAME' });
    response.redirect(`https://${server}/?username=${name}`);
  }));
  app.post('/:username/server', answer(async (request, response) => {
    const name = username(request);
    const server = await registry.serverOf(name);
    if (!server) return response.status(404).json({ id: 'UNKNOWN_USER_NAME' });
    return { server, alias: `${name}.${settings.get('dns:domain')}` };
  }));
  app.post('/users/validate', needs('system'), answer(async (request, response) => {
    const error = await registry.reserve(request.body, settings.get('invitationTokens'));
    if (error) response.status(400);
    return error ? { reservation: false, error } : { reservation: true };
  }));
  app.post('/users', needs('system'), answer(async (request, response) => {
    const { user, host, unique } = request.body;
    await registry.save(user.username, host.name, user, unique);
    response.status(201);
    const server = `${user.username}.${settings.get('dns:domain')}`;
    return { username: user.username, server, apiEndpoint: info.api.replace('{username}', user.username) };
  }));
  // The registration of 1.3.44, deprecated since: the core is told to make the account.
  app.post('/user', answer(async (request, response) => {
    const { appid, email, hosting, languageCode, password, username: name } = request.body;
    const core = await leastUsed(settings.get('net:aaservers')[hosting] ?? [], registry);
    const complete = appid && email && password && registry.isUsername(name);
    if (!core || !complete) return response.status(400).json({ id: core ? 'INVALID_DATA' : 'INVALID_HOSTING' });
    if (await registry.isTaken(name) || await registry.ownerOf('email', email)) return response.status(400).json({ id: 'EXISTING_USER_NAME' });
    await superagent.post(new URL('system/create-user', core.base_url).href).set('Authorization', core.authorization)
      .send({ username: name, password, email, language: languageCode });
    await registry.save(name, new URL(core.base_url).hostname, { email, language: languageCode }, ['email']);
    return { username: name, server: `${name}.${settings.get('dns:domain')}` };
  }));
  app.delete('/users/:username', needs('system'), answer(async (request, response) => {
    const dryRun = request.query.dryRun === 'true';
    if (!await registry.isTaken(request.params.username)) return response.status(404).json({ id: 'NO_SUCH_USER' });
    if (!dryRun) await registry.delete(request.params.username);
    return { result: { dryRun, deleted: !dryRun } };
  }));
  app.get('/admin/servers', needs('admin'), answer(async () => ({ servers: await registry.countByServer() })));
  app.post('/records', needs('admin'), answer((request) => {
    const entries = settings.get('dns:staticDataInDomain');
    settings.set('dns:staticDataInDomain', { ...entries, ...request.body });
    return Object.entries(request.body).map(([name, value]) => ({ [name]: value }));
  }));
  app.use((error, request, response, next) => {
    log('error', `${request.method} ${request.path}: ${error.message}`);
    response.status(error.status ?? 500).json({ id: error.id ?? 'INTERNAL_ERROR', message: error.message });
  });
  return app;
}

const settings = loadSettings();
const registry = new Registry(settings, log);
const { ip, port } = settings.get('server');
createApp(settings, registry).listen(port, ip, () => {
  log('info', `Registration server listening on http://${ip}:${port}, domain ${settings.get('dns:domain')}`);
  // Both programs answer DNS queries (src/server.js).
  startDns(settings, registry, log);
});
