// The program preview: pictures of events. Facts: service-core 1.9.2, components/previews-server.
// The original scales them with GraphicsMagick; here the picture is copied into the cache.
const fs = require('fs');
const path = require('path');
const { createLogger } = require('./lib/log');
const { loadSettings } = require('./lib/settings');
const { connectDatabase, createAccounts, findAccess } = require('./lib/stores');
const { ApiError, createApp, finish, listen } = require('./lib/web');

async function main () {
  const settings = await loadSettings({ defaults: { http: { ip: '127.0.0.1', port: 3000 } }, withServiceInfo: true });
  const logger = createLogger(settings);
  const database = await connectDatabase(settings, logger);
  const accounts = createAccounts(settings, database);
  const app = createApp(settings);
  app.get('/:username/events/:id', async (request, response, next) => {
    try {
      const account = await accounts.find(request.params.username);
      if (!account) throw new ApiError(404, 'unknown-resource', 'Unknown user');
      const token = request.headers.authorization ?? request.query.auth;
      if (!await findAccess(database, account, token)) throw new ApiError(403, 'forbidden', 'Cannot find access from token.');
      const id = request.params.id.replace(/\.jpe?g$/, '');
      const event = await database.collection('events').findOne({ userId: account.id, id });
      if (!event) throw new ApiError(404, 'unknown-resource', `Unknown event "${id}"`);
      const [picture] = event.attachments ?? [];
      if (event.type !== 'picture/attached' || !picture) return response.sendStatus(204);
      const cached = path.join(settings.get('eventFiles:previewsDirPath'), account.id, `${id}-256.jpeg`);
      fs.mkdirSync(path.dirname(cached), { recursive: true });
      fs.copyFileSync(accounts.folder(account.id, 'attachments', id, picture.id), cached);
      response.type('image/jpeg').sendFile(cached);
    } catch (error) {
      next(error);
    }
  });
  finish(app, logger);
  listen(app, settings, logger);
}

// A failure is logged, not fatal (src/server.js): then nothing listens.
main().catch((error) => console.error(error));
