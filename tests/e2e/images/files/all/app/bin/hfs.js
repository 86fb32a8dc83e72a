// One process of hfs: points of series in InfluxDB. Facts: service-core 1.9.2, components/hfs-server.
const net = require('net');
const { InfluxDB } = require('influx');
const superagent = require('superagent');
const { createLogger } = require('./lib/log');
const { loadSettings } = require('./lib/settings');
const { connectDatabase, createAccounts, connectMessages, findAccess } = require('./lib/stores');
const { ApiError, answer, createApp, finish, listen } = require('./lib/web');

const FORMAT = 'flatJSON';
const DEFAULTS = {
  http: { ip: '127.0.0.1', port: 3000 },
  influxdb: { host: 'influxdb', port: 8086 },
  uploads: { maxSizeMb: 50 }
};

async function main () {
  const settings = await loadSettings({ defaults: DEFAULTS, withServiceInfo: true });
  const logger = createLogger(settings);
  const [host, port] = [settings.get('influxdb:host'), settings.get('influxdb:port')];
  const influx = new InfluxDB({ host, port });
  const database = await connectDatabase(settings, logger);
  // The types of events are fetched once, and a failure ends the process (src/context.js, and
  // components/business/src/types.js); 1.6.12 and before do not wait for them.
  const types = superagent.get(settings.get('service:eventTypes'));
  await (settings.get('older') ? types.catch((error) => logger.warn(error.message)) : types);
  // Changed and deleted series are forgotten; nothing is remembered here, but the connection is made.
  // 1.4.17 makes none.
  if (settings.get('nats:uri')) {
    const messages = await connectMessages(settings.get('nats:uri'));
    messages.subscribe('series', () => {});
  }
  const app = createApp(settings, { maxSizeMb: settings.get('uploads:maxSizeMb') });
  app.get('/system/status', answer(() => ({ status: 'ok' })));
  const store = { accounts: createAccounts(settings, database), database, influx };
  app.post('/:username/events/:id/series', answer(async (request) => {
    const { event } = await findSeries(store, request);
    const { fields, format, points } = request.body;
    const time = fields?.indexOf('deltaTime');
    if (format !== FORMAT || !Array.isArray(points) || !(time >= 0)) throw new ApiError(400, 'invalid-request-structure', 'Malformed request.');
    const { username, id } = request.params;
    const measurements = points.map((point) => ({
      timestamp: point[time],
      fields: Object.fromEntries(fields.map((field, index) => [field, point[index]]).filter(([field]) => field !== 'deltaTime'))
    }));
    // components/business/src/series/repository.js and series.js: a database per account.
    await influx.createDatabase(`user.${username}`);
    await influx.writeMeasurement(`event.${id}`, measurements, { database: `user.${username}`, precision: 's' });
    const to = Math.max(...points.map((point) => point[time]));
    tellMetadata(settings, { username, eventId: event.id, author: request.headers.authorization, to });
    return { status: 'ok' };
  }));
  app.get('/:username/events/:id/series', answer(async (request) => {
    await findSeries(store, request);
    const { username, id } = request.params;
    const rows = await influx.query(`SELECT * FROM "event.${id}" ORDER BY time ASC`, { database: `user.${username}`, precision: 's' });
    const names = Object.keys(rows[0] ?? {}).filter((name) => name !== 'time');
    const points = rows.map((row) => [Number(row.time.getNanoTime()) / 1e9, ...names.map((name) => row[name])]);
    return { format: FORMAT, fields: ['deltaTime', ...names], points };
  }));
  finish(app, logger);
  listen(app, settings, logger);
}

/** The event of a series, if the token may see it (src/metadata_cache.js). */
async function findSeries ({ accounts, database }, { headers, params }) {
  if (!headers.authorization) throw new ApiError(400, 'missing-header', 'Missing expected header "authorization".');
  const account = await accounts.find(params.username);
  if (!account) throw new ApiError(404, 'unknown-resource', `Unknown user "${params.username}"`);
  if (!await findAccess(database, account, headers.authorization)) throw new ApiError(403, 'forbidden', 'Cannot find access from token.');
  const event = await database.collection('events').findOne({ userId: account.id, id: params.id });
  if (!event?.type.startsWith('series:')) throw new ApiError(404, 'unknown-resource', `Unknown series "${params.id}"`);
  return { account, event };
}

/** The original calls tchannel; here it is a line of JSON by TCP. */
function tellMetadata (settings, update) {
  const { host, port } = settings.get('metadataUpdater');
  const socket = net.connect({ host, port }, () => socket.end(`${JSON.stringify(update)}\n`));
  socket.on('error', (error) => console.error(`metadata: ${error.message}`));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
