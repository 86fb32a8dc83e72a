// Logs audit records as core does (components/audit/src/syslog/Syslog.js of service-core), with the
// options of a core.yml. Input: {core, options, lines}: `options` replaces some of the file's.
// Output: {alive: true}, half a second after the last record.
const fs = require('fs');
const nconf = require('nconf');
const winston = require('winston');
const yaml = require('js-yaml');
require('winston-syslog');

const given = JSON.parse(fs.readFileSync(0, 'utf8'));
const store = new nconf.Provider();
store.file('base', { file: given.core, format: { parse: yaml.load, stringify: yaml.dump } });
const options = { ...store.get('audit:syslog:options'), ...given.options };

const logger = winston.createLogger({
  levels: winston.config.syslog.levels,
  format: winston.format.printf((record) => record.message)
});
logger.add(new winston.transports.Syslog(options));

async function main () {
  for (const message of given.lines) {
    logger.log({ level: 'notice', message });
    // One at a time: an error of the first must not be hidden by the second.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  process.stdout.write(JSON.stringify({ alive: true }), () => process.exit(0));
}

main();
