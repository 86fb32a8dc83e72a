// Loads scripts as core loads its extensions. Input: a list of paths; output: for each the type of
// what it exports, or the name of the error.
function attempt (path) {
  try {
    return typeof require(path);
  } catch (error) {
    return error.name;
  }
}

const paths = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(paths.map(attempt)));
