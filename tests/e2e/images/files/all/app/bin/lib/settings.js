// Loads settings as Pryv's services do.
//
// @pryv/boiler 1.2.4 (src/config.js), for all services but register and dns: arguments, then the
// environment (parts of a name separated by __), then the file of --config, then what
// serviceInfoUrl returns, then defaults. The file is YAML if its name says so, else strict JSON.
const fs = require('fs');
const nconf = require('nconf');
const superagent = require('superagent');
const yaml = require('js-yaml');

const YAML = { parse: (text) => yaml.load(text), stringify: (value) => yaml.dump(value) };

/** The settings; `withServiceInfo`: fetched once, at boot, and a failure is not retried. */
async function loadSettings ({ defaults = {}, withServiceInfo = false } = {}) {
  const store = new nconf.Provider();
  store.use('memory');
  store.argv({ parseValues: true }).env({ parseValues: true, separator: '__' });
  const file = store.get('config');
  if (file && fs.existsSync(file)) {
    store.file('base', /\.ya?ml$/.test(file) ? { file, format: YAML } : { file });
  }
  if (withServiceInfo) {
    const answer = await superagent.get(store.get('serviceInfoUrl'));
    store.add('serviceInfo', { type: 'literal', store: { service: answer.body } });
  }
  store.defaults(defaults);
  return store;
}

/**
 * Throw if a text was not replaced (components/api-server/config/config-validation.js of
 * service-core 1.9.2).
 */
function refuseUnreplaced (value, path = []) {
  if (typeof value === 'string' && value.includes('REPLACE')) {
    const where = path.join(':');
    throw new Error(`Configuration is invalid at [${where}] field content should be replaced`);
  }
  if (value === null || typeof value !== 'object') return;
  for (const [key, child] of Object.entries(value)) refuseUnreplaced(child, [...path, key]);
}

module.exports = { loadSettings, refuseUnreplaced };
