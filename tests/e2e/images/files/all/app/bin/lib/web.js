// What the HTTP servers of service-core 1.9.2 and service-mfa 1.1.9 share.
const express = require('express');

const USERNAME = /^[a-z0-9][a-z0-9-]{3,58}[a-z0-9]$/;

class ApiError extends Error {
  constructor (status, id, message) {
    super(message);
    Object.assign(this, { status, id });
  }
}

/** The account's name comes from the host (components/middleware/src/subdomainToPath.js). */
function usernameToPath (request, response, next) {
  const name = (request.headers.host ?? '').split('.')[0].toLowerCase();
  if (USERNAME.test(name) && !request.url.startsWith(`/${name}`)) request.url = `/${name}${request.url}`;
  next();
}

/** CORS (components/middleware/src/commonHeaders.js). */
function commonHeaders (request, response, next) {
  const asked = request.headers;
  response.header('Access-Control-Allow-Origin', asked.origin ?? '*');
  response.header('Access-Control-Allow-Methods', asked['access-control-request-method'] ?? 'POST, GET, PUT, DELETE, OPTIONS');
  response.header('Access-Control-Allow-Headers', asked['access-control-request-headers'] ?? 'Authorization, Content-Type');
  response.header('Access-Control-Allow-Credentials', 'true');
  response.header('API-Version', '1.9.2');
  if (request.method === 'OPTIONS') return response.sendStatus(200);
  next();
}

/** What every answer has (components/api-server/src/methods/helpers/setCommonMeta.js). */
function meta (settings) {
  const serial = settings.get('service:serial');
  return { meta: { apiVersion: '1.9.2', serverTime: Date.now() / 1000, serial } };
}

function createApp (settings, { maxSizeMb = 50 } = {}) {
  const app = express();
  app.disable('x-powered-by');
  app.use(usernameToPath, commonHeaders, express.json({ limit: `${maxSizeMb}mb` }));
  app.locals.settings = settings;
  return app;
}

/** Send what an asynchronous handler returns, or the error that it throws. */
function answer (handler, status = 200) {
  return async (request, response, next) => {
    try {
      const result = await handler(request, response);
      if (response.headersSent) return;
      response.status(status).json({ ...result, ...meta(request.app.locals.settings) });
    } catch (error) {
      next(error);
    }
  };
}

/** Unknown routes, and errors as `{error: {id, message}}`. */
function finish (app, logger) {
  app.use((request, response, next) => next(new ApiError(404, 'unknown-resource', 'Resource not found.')));
  app.use((error, request, response, next) => {
    const status = error.status ?? 500;
    logger[status < 500 ? 'info' : 'error'](`${request.method} ${request.path}: ${error.message}`);
    const body = { id: error.id ?? 'unexpected-error', message: error.message };
    response.status(status).json({ error: body, ...meta(app.locals.settings) });
  });
}

/** Listen on http:ip and http:port. */
function listen (app, settings, logger) {
  const [port, ip] = [settings.get('http:port'), settings.get('http:ip') ?? '127.0.0.1'];
  const server = app.listen(Number(port), ip, 511, () => logger.info(`listening on http://${ip}:${port}`));
  server.on('error', (error) => { throw error; });
}

module.exports = { ApiError, USERNAME, answer, createApp, finish, listen };
