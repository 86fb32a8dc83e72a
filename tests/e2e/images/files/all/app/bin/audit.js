// The program audit of releases 1.4 to 1.6, which shows what syslog wrote into `dataFolder`. Its code
// is not public; known are its settings (audit.json) and its address (nginx' files).
const fs = require('fs');
const path = require('path');
const { createLogger } = require('./lib/log');
const { loadSettings } = require('./lib/settings');
const { answer, createApp, finish, listen } = require('./lib/web');

async function main () {
  const settings = await loadSettings();
  const logger = createLogger(settings);
  const folder = settings.get('dataFolder');
  fs.accessSync(folder, fs.constants.W_OK);
  const app = createApp(settings);
  app.get('/:username/audit/logs', answer(() => {
    const lines = fs.readdirSync(folder, { withFileTypes: true }).filter((file) => file.isFile())
      .flatMap(({ name }) => fs.readFileSync(path.join(folder, name), 'utf8').split('\n').filter(Boolean));
    return { auditLogs: lines };
  }));
  finish(app, logger);
  listen(app, settings, logger);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
