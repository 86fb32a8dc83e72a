// The program webhooks: calls addresses when data of an account change. Facts: service-core 1.9.2,
// components/webhooks and components/business/src/webhooks.
const superagent = require('superagent');
const { createLogger } = require('./lib/log');
const { loadSettings } = require('./lib/settings');
const { connectDatabase, createAccounts, connectMessages } = require('./lib/stores');

const BOOT_MESSAGE = 'webhooks-service-boot';

async function main () {
  const settings = await loadSettings({ withServiceInfo: true });
  const logger = createLogger(settings);
  const database = await connectDatabase(settings, logger);
  const messages = await connectMessages(settings.get('nats:uri'));
  const accounts = createAccounts(settings, database);
  const meta = { apiVersion: '1.9.2', serial: settings.get('service:serial') };

  const send = ({ url }, message) => superagent.post(url)
    .send({ messages: [message], meta: { ...meta, serverTime: Date.now() / 1000 } })
    .catch((error) => logger.warn(`${url}: ${error.message}`));
  // The name of a change is lost: Webhook.js reads `eventName` of a text, so null is sent.
  const listen = (username, webhook) => messages.subscribe(`notifications.${username}`, () => send(webhook, null));

  messages.subscribe('webhooks', ({ payload }) => {
    logger.info(`Loaded webhook ${payload.webhook.id} for ${payload.username}`);
    listen(payload.username, payload.webhook);
  });
  const found = await database.collection('webhooks').find({ state: 'active' }).toArray();
  const names = new Map((await accounts.all()).map(({ id, username }) => [id, username]));
  for (const webhook of found) {
    await send(webhook, BOOT_MESSAGE);
    listen(names.get(webhook.userId), webhook);
  }
  logger.info(`${found.length} webhook(s) listening to changes from core.`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
