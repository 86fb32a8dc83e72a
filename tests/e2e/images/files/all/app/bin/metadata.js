// The second process of hfs: it writes the duration of a series into its event, some seconds after
// points were stored. Facts: service-core 1.9.2, components/metadata.
const net = require('net');
const readline = require('readline');
const { createLogger } = require('./lib/log');
const { loadSettings } = require('./lib/settings');
const { connectDatabase, createAccounts } = require('./lib/stores');

// The longest wait of an update (src/metadata_updater/pending_updates.js).
const FLUSH_AFTER_MS = 10000;

async function main () {
  const settings = await loadSettings({ withServiceInfo: true });
  const logger = createLogger(settings);
  const database = await connectDatabase(settings, logger);
  const accounts = createAccounts(settings, database);
  const pending = new Map();

  async function flush (key) {
    const { author, eventId, to, username } = pending.get(key);
    pending.delete(key);
    const account = await accounts.find(username);
    if (!account) return;
    const ours = { userId: account.id, id: eventId, $or: [{ duration: { $exists: false } }, { duration: { $lt: to } }] };
    const change = { duration: to, modified: Date.now() / 1000, modifiedBy: author };
    await database.collection('events').updateOne(ours, { $set: change });
    logger.info(`flushed ${key}`);
  }

  const server = net.createServer((socket) => {
    readline.createInterface({ input: socket }).on('line', (line) => {
      const update = JSON.parse(line);
      const key = `${update.username}.${update.eventId}`;
      if (!pending.has(key)) setTimeout(() => flush(key).catch((error) => logger.error(error.message)), FLUSH_AFTER_MS);
      pending.set(key, { ...update, to: Math.max(update.to, pending.get(key)?.to ?? 0) });
    });
  });
  const { host, port } = settings.get('metadataUpdater');
  server.listen(port, host, () => logger.info(`started. (@ ${host}:${port})`));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
