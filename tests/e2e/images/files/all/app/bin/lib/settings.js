// Loads settings as Pryv's services do.
//
// @pryv/boiler 1.2.4 (src/config.js), for all services but register and dns: arguments, then the
// environment (parts of a name separated by __), then the file of --config, then what
// serviceInfoUrl returns, then defaults. The file is YAML if its name says so, else strict JSON.
// With `--older` it is service-core 1.4.17 to 1.6.12, whose metadata reads Hjson.
const fs = require('fs');
const hjson = require('hjson');
const nconf = require('nconf');
const superagent = require('superagent');
const yaml = require('js-yaml');

const YAML = { parse: (text) => yaml.load(text), stringify: (value) => yaml.dump(value) };
// What releases before 1.5 have in place of the service information: the domain in a cookie's, and
// the default of components/hfs-server/src/config.js.
const EVENT_TYPES = 'https://api.pryv.com/event-types/flat.json';

/** The settings; `withServiceInfo`: fetched once, at boot, and a failure is not retried. */
async function loadSettings ({ defaults = {}, withServiceInfo = false } = {}) {
  const store = new nconf.Provider();
  store.use('memory');
  store.argv({ parseValues: true }).env({ parseValues: true, separator: '__' });
  const file = store.get('config');
  if (file && fs.existsSync(file)) {
    const format = /\.ya?ml$/.test(file) ? YAML : store.get('older') && file.endsWith('.hjson') ? hjson : JSON;
    store.file('base', { file, format });
  }
  if (withServiceInfo) {
    const service = await serviceInformation(store);
    store.add('serviceInfo', { type: 'literal', store: { service } });
  }
  store.defaults(defaults);
  return store;
}

/** From register; releases before 1.5 do not fetch it (service-core 1.4.17). */
async function serviceInformation (store) {
  const url = store.get('serviceInfoUrl');
  if (url) return (await superagent.get(url)).body;
  return {
    api: `https://{username}${store.get('auth:ssoCookieDomain')}/`,
    eventTypes: store.get('eventTypes:sourceURL') ?? EVENT_TYPES
  };
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
