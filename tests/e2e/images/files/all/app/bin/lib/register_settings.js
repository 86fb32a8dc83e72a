// What service-register makes of its file, and what it refuses (src/config.js).
const URL_OF_HOSTING = /^http(s?):\/\/([a-zA-Z0-9.-])+$/;
const HOST = /^(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])\.)*([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])$/;
const IPV4 = /^((\d|[1-9]\d|1\d{2}|2[0-4]\d|25[0-5])(\.|$)){4}$/;

/** Custom entries and cores become entries of the zone; `hostings` become servers and regions. */
function translate (settings) {
  const zone = { ...settings.get('dns:staticDataInDomain'), ...settings.get('dns:customEntries') };
  const hostings = settings.get('net:hostings');
  if (hostings) {
    const domain = settings.get('dns:domain');
    const providers = settings.get('net:providers') ?? {};
    const unnamed = { url: 'https://hostingprovider.com', name: 'Hosting provider name' };
    const [servers, listed] = [{}, {}];
    for (const [hosting, cores] of Object.entries(hostings)) {
      listed[hosting] = providers[hosting] ?? unnamed;
      servers[hosting] = Object.keys(cores).map((core) => (
        { base_url: `https://${core}.${domain}/`, authorization: settings.get('auth:coreSystemKey') }));
      Object.assign(zone, cores);
    }
    settings.set('net:aaservers', servers);
    const zones = { zone1: { name: 'Zone 1', localizedName: { fr: 'Zone 1' }, hostings: listed } };
    const region1 = { name: 'Region 1', localizedName: { fr: 'Region 1' }, zones };
    settings.set('net:aahostings', { regions: { region1 } });
  }
  settings.set('dns:staticDataInDomain', zone);
}

function refuseInvalid (settings) {
  for (const problem of problems(settings)) throw new Error(`Configuration error: ${problem}`);
}

function * problems (settings) {
  const mail = settings.get('dns:mail');
  if (!Array.isArray(mail)) yield 'Expecting "dns:mail" to be an array (even empty) of MX entries.';
  for (const { name, ip, priority } of mail) {
    if (typeof name !== 'string' || !HOST.test(name)) yield `Invalid MX entry found: "name" attribute invalid: ${name}`;
    if (ip != null && !IPV4.test(ip)) yield `Invalid MX entry found: "ip" attribute invalid: ${ip}`;
    if (typeof priority !== 'number') yield `Invalid MX entry found: "priority" attribute invalid: ${priority}`;
  }
  const regions = settings.get('net:aahostings')?.regions;
  if (!regions) yield 'No net:aahostings key found in configuration';
  for (const [region, { zones }] of Object.entries(regions)) {
    if (!Object.keys(zones ?? {}).length) yield `Region ${region} has no zones defined.`;
    for (const [zone, { hostings }] of Object.entries(zones)) {
      if (!Object.keys(hostings ?? {}).length) yield `Zone ${zone} (region ${region}) has no hostings.`;
      for (const [name, { url }] of Object.entries(hostings)) {
        if (typeof url !== 'string' || !URL_OF_HOSTING.test(url)) yield `Hosting ${name} has invalid url: ${url}`;
      }
    }
  }
  const tokens = settings.get('invitationTokens');
  if (tokens != null && !Array.isArray(tokens)) yield '"invitationTokens" is defined, but is not an Array';
  for (const [index, token] of (tokens ?? []).entries()) {
    const where = `invitationToken at position ${index} in the "invitationTokens" array`;
    if (typeof token !== 'string') yield `${where} is not a string.`;
    if (token.length < 5) yield `${where} is less than 5 characters in length.`;
    if (token.length > 99) yield `${where} is more than 99 characters in length.`;
  }
}

module.exports = { refuseInvalid, translate };
