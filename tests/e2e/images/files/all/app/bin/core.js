// One process of core: accounts, accesses, streams, events. Facts: service-core 1.9.2,
// components/api-server. `--migrate` does what bin/migrate does: connect, write the version, exit.
const os = require('os');
const multer = require('multer');
const { createAudit } = require('./lib/audit');
const { createLogger } = require('./lib/log');
const { createMethods } = require('./lib/methods');
const { loadSettings, refuseUnreplaced } = require('./lib/settings');
const { connectDatabase, createAccounts, connectMessages } = require('./lib/stores');
const { ApiError, answer, createApp, finish, listen } = require('./lib/web');

// components/api-server/config/default-config.yml, components/audit/config/default-config.yml
const DEFAULTS = {
  nats: { uri: 'nats://127.0.0.1:4222' },
  uploads: { maxSizeMb: 50 },
  audit: {
    active: true,
    storage: { filter: { methods: { include: ['all'], exclude: [] } } },
    syslog: { options: { protocol: 'unix', localhost: '', app_name: 'pryv-audit' }, filter: { methods: { include: ['all'], exclude: [] } } }
  }
};

async function main () {
  const settings = await loadSettings({ defaults: DEFAULTS, withServiceInfo: true });
  const logger = createLogger(settings);
  refuseUnreplaced(settings.get());
  if (settings.get('auth:adminAccessKey') === 'REPLACE_ME') throw new Error('auth:adminAccessKey has a default value');
  const database = await connectDatabase(settings, logger);
  const accounts = createAccounts(settings, database);
  accounts.create();
  if (settings.get('migrate')) return migrate(database, logger);
  const extension = loadExtension(settings, logger);
  const core = {
    accounts,
    audit: createAudit(settings, accounts),
    database,
    logger,
    messages: await connectMessages(settings.get('nats:uri')),
    settings
  };
  listen(routes(core, createMethods(core), extension), settings, logger);
}

async function migrate (database, logger) {
  await database.collection('versions').updateOne({ _id: '1.9.2' }, { $set: { migrated: Date.now() } }, { upsert: true });
  logger.info('migrated to 1.9.2');
  process.exit(0);
}

/** customAuthStepFn.js, if there is one (components/utils/src/extension). */
function loadExtension (settings, logger) {
  const file = `${settings.get('customExtensions:defaultFolder')}/customAuthStepFn.js`;
  if (!require('fs').existsSync(file)) return null;
  const found = require(file);
  if (typeof found !== 'function') throw new Error(`Not a function (${typeof found}): ${file}`);
  logger.info(`Loaded ${file}`);
  return found;
}

function routes (core, methods, extension) {
  const { settings } = core;
  const app = createApp(settings, { maxSizeMb: settings.get('uploads:maxSizeMb') });
  const upload = multer({ storage: multer.memoryStorage(), limits: { fileSize: settings.get('uploads:maxSizeMb') * 1024 * 1024 } });
  const call = (id, status, parameters = (request) => ({ ...request.query, ...request.body, ...request.params })) =>
    answer(async (request) => methods.call(id, await context(request), parameters(request)), status);

  /** Who asks: the account of the path, and the access of the token. */
  async function context (request) {
    const { username } = request.params;
    const token = request.headers.authorization ?? request.query.auth;
    const found = { username, token, host: request.headers.host, headers: request.headers, files: request.files ?? [], source: { name: 'http', ip: request.headers['x-forwarded-for'] } };
    if (extension && token) await new Promise((resolve, reject) => extension(found, (error) => error ? reject(error) : resolve()));
    return found;
  }

  // Routes of components/api-server/src/routes: root, auth, service, accesses, streams, events, …
  const greeting = answer(() => ({ cheersFrom: 'Pryv API', learnMoreAt: 'https://pryv.github.io/' }));
  app.get('/', greeting);
  app.get('/status', greeting);
  app.get('/system/check-platform-integrity', answer((request) => {
    if (request.headers.authorization !== settings.get('auth:adminAccessKey')) throw new ApiError(404, 'unknown-resource', 'Resource not found.');
    return { checks: [], hostname: os.hostname() };
  }));
  app.post('/users', call('auth.register', 201));
  app.post('/system/create-user', call('system.createUser', 201));
  app.delete('/users/:username', call('auth.delete', 200));
  app.post('/:username/auth/login', call('auth.login', 200));
  app.get('/:username/service/info', answer(() => settings.get('service')));
  app.get('/:username/access-info', call('getAccessInfo', 200));
  app.get('/:username/profile/private', call('profile.get', 200));
  app.put('/:username/profile/private', call('profile.update', 200, (request) => ({ update: request.body })));
  app.post('/:username/account/request-password-reset', call('account.requestPasswordReset', 200));
  app.get('/:username/accesses', call('accesses.get', 200));
  app.post('/:username/accesses', call('accesses.create', 201));
  app.get('/:username/streams', call('streams.get', 200));
  app.post('/:username/streams', call('streams.create', 201));
  app.get('/:username/webhooks', call('webhooks.get', 200));
  app.post('/:username/webhooks', call('webhooks.create', 201));
  app.get('/:username/events', call('events.get', 200));
  app.get('/:username/events/:id', call('events.getOne', 200));
  app.put('/:username/events/:id', call('events.update', 200, (request) => ({ id: request.params.id, update: request.body })));
  app.post('/:username/events', upload.any(), call('events.create', 201, (request) => request.body.event ? JSON.parse(request.body.event) : request.body));
  app.post('/:username/events/:id', upload.any(), call('events.addAttachments', 200));
  app.get('/:username/events/:id/:fileId/:name?', async (request, response, next) => {
    try {
      const { file, type } = await methods.call('events.getAttachment', await context(request), { ...request.query, ...request.params });
      response.type(type).sendFile(file);
    } catch (error) { next(error); }
  });
  // A batch of calls, whose results are in its order (components/api-server/src/methods/utility.js).
  app.post('/:username', answer(async (request) => {
    const results = [];
    for (const { method, params } of request.body) {
      const result = methods.call(method, await context(request), params);
      results.push(await result.catch(({ id = 'unexpected-error', message }) => ({ error: { id, message } })));
    }
    return { results };
  }));
  finish(app, core.logger);
  return app;
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
