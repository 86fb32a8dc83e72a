// Renders an archive as Pryv's leader does. For each file it makes one map of all settings, and one
// expression of their names, whose matches are replaced by values in which names are replaced
// first; a .json file has to parse.
//
// Standard input: {"files": [[path, text], …], "internals": {…}, "variables": {…}, "rounds": n}.
// Standard output: {"seconds": [s, …], "texts": [text, …]}; seconds are of CPU, warm.
const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const groups = { ALL: { settings: {} } };
for (const [name, value] of Object.entries(input.variables)) {
  groups.ALL.settings[name] = { value };
}

function fill (template) {
  const settings = {};
  for (const group of Object.keys(groups)) {
    for (const name of Object.keys(groups[group].settings)) {
      settings[name] = groups[group].settings[name].value;
    }
  }
  const variables = { ...input.internals, ...settings };
  const names = new RegExp(Object.keys(variables).join('|'), 'g');
  const replaced = (text) => text.replace(names, (name) => {
    const value = variables[name]?.value ?? variables[name];
    return replaced(typeof value === 'string' ? value : JSON.stringify(value));
  });
  return replaced(template);
}

function render () {
  return input.files.map(([path, template]) => {
    const text = fill(template);
    if (path.endsWith('.json')) JSON.parse(text);
    return text;
  });
}

const texts = render();
const seconds = Array.from({ length: input.rounds }, () => {
  const before = process.cpuUsage();
  render();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1e6;
});
process.stdout.write(JSON.stringify({ seconds, texts }));
