// What one person keeps on a platform. `register` makes an account on the core with the fewest, or
// on the one that is named, with an event, an attachment and a series; `read` tells what it finds.
// Arguments: the domain and `register` [CORE], or `read` USERNAME TOKEN IDS. Output: JSON.
const pryv = require('pryv');
const superagent = require('superagent');

const [domain, action, ...rest] = process.argv.slice(2);
const first = (object) => Object.values(object)[0];

async function register (core) {
  const username = `user${Date.now().toString(36)}`;
  const { hostings } = first(first((await superagent.get(`https://reg.${domain}/hostings`)).body.regions).zones);
  const account = { username, password: 'a-password', email: `${username}@example.org` };
  const service = new pryv.Service(`https://reg.${domain}/service/info`);
  if ((await service.info()).version) {
    const url = core ? `https://${core}.${domain}/` : first(hostings).availableCore;
    await superagent.post(`${url}users`).send({ ...account, appId: 'person', language: 'en' });
  } else { // a release of 2019: register tells the core
    const hosting = Object.keys(hostings)[0];
    await superagent.post(`https://reg.${domain}/user`).send({ ...account, appid: 'person', hosting, languageCode: 'en' });
  }
  const connection = await service.login(username, 'a-password', 'person', `https://sw.${domain}`);
  const call = async (method, params) => {
    const [result] = await connection.api([{ method, params }]);
    if (result.error) throw new Error(`${method}: ${result.error.message}`);
    return result;
  };
  await call('streams.create', { id: 'body', name: 'Body' });
  const { event } = await connection.createEventWithFileFromBuffer({ type: 'file/attached', streamId: 'body' }, Buffer.from('attached'), 'a.txt');
  const series = (await call('events.create', { streamId: 'body', type: 'series:mass/kg' })).event;
  await connection.addPointsToHFEvent(series.id, ['deltaTime', 'value'], [[0, 70], [60, 71.5]]);
  return { username, token: connection.token, ids: JSON.stringify({ event: event.id, file: event.attachments[0].id, series: series.id }) };
}

async function read (username, token, ids) {
  const { event, file, series } = JSON.parse(ids);
  const get = (path) => superagent.get(`https://${username}.${domain}/${path}`).set('Authorization', token);
  return {
    name: (await get('service/info')).body.name,
    core: (await superagent.post(`https://reg.${domain}/${username}/server`)).body.server,
    events: (await get('events?limit=1000')).body.events.length,
    attachment: (await get(`events/${event}/${file}`).responseType('blob')).body.toString(),
    points: (await get(`events/${series}/series`)).body.points
  };
}

({ register, read })[action](...rest).then((found) => console.log(JSON.stringify(found)), (error) => {
  console.error(error.message, error.response?.text ?? error.stack);
  process.exit(1);
});
