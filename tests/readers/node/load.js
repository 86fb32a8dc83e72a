// Loads configuration files as Pryv's services do. Input: a list of paths; output: for each
// {value} or {error}.
//
// @pryv/boiler (src/config.js) takes js-yaml for .yml and .yaml, require() for .js, and for
// everything else nconf's own format: strict JSON. register and dns (src/config.js of
// service-register) take nconf's own format for whatever they are given.
const nconf = require('nconf');
const yaml = require('js-yaml');

const YAML = {
  parse: (text, options) => yaml.load(text, options),
  stringify: (value, options) => yaml.dump(value, options)
};

function load (path) {
  if (path.endsWith('.js')) return typeof require(path);
  const store = new nconf.Provider();
  store.file('base', /\.ya?ml$/.test(path) ? { file: path, format: YAML } : { file: path });
  return store.get();
}

function attempt (path) {
  try {
    return { value: load(path) };
  } catch (error) {
    return { error: error.message };
  }
}

const paths = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(paths.map(attempt)));
