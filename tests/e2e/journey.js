// What a person and their applications do on a platform, with Pryv's client library.
// Argument: the domain. Output: what they saw. It ends with a failure at the first surprise.
const pryv = require('pryv');
const superagent = require('superagent');

const domain = process.argv[2];
const username = `user${Date.now().toString(36)}`;
const password = 'a-password';
const first = (object) => Object.values(object)[0];

async function register (service) {
  const { regions } = (await superagent.get(`https://reg.${domain}/hostings`)).body;
  const { availableCore } = first(first(first(regions).zones).hostings);
  const account = { appId: 'journey', username, password, email: `${username}@example.org`, language: 'fr' };
  await superagent.post(`${availableCore}users`).send(account);
  const connection = await service.login(username, password, 'journey', `https://sw.${domain}`);
  return { connection, core: new URL(availableCore).hostname };
}

async function main () {
  const service = new pryv.Service(`https://reg.${domain}/service/info`);
  const { name } = await service.info();
  const { connection, core } = await register(service);
  const call = async (method, params) => {
    const [result] = await connection.api([{ method, params }]);
    if (result.error) throw new Error(`${method}: ${result.error.message}`);
    return result;
  };
  await call('streams.create', { id: 'body', name: 'Body' });
  await call('events.create', { streamId: 'body', type: 'mass/kg', content: 70 });
  await call('accesses.create', { name: 'doctor', permissions: [{ streamId: 'body', level: 'read' }] });

  const data = Buffer.from('attached');
  const { event } = await connection.createEventWithFileFromBuffer({ type: 'file/attached', streamId: 'body' }, data, 'a.txt');
  const file = `https://${username}.${domain}/events/${event.id}/${event.attachments[0].id}`;
  const attachment = await superagent.get(file).set('Authorization', connection.token).responseType('blob');

  const series = (await call('events.create', { streamId: 'body', type: 'series:mass/kg' })).event;
  await connection.addPointsToHFEvent(series.id, ['deltaTime', 'value'], [[0, 70], [60, 71.5]]);
  const points = await superagent.get(`https://${username}.${domain}/events/${series.id}/series`).set('Authorization', connection.token);

  // hfs' second process writes the duration, 10 seconds later.
  let duration;
  for (const end = Date.now() + 60000; duration === undefined && Date.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    duration = (await call('events.getOne', { id: series.id })).event.duration;
  }
  const { events } = await call('events.get', {});
  const seen = { name, username, core, events: events.length, attachment: attachment.body.toString(), points: points.body.points, duration };
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error.message, error.response?.text ?? error.stack);
  process.exit(1);
});
