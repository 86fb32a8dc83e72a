// Sends e-mails as service-mail does (src/Context.js, src/mail/Template.js and Sender.js).
// Input: {settings, root, smtp, sends}: `settings` is a mail.json, `root` and `smtp` replace the
// file's folder of templates and the server's address. Output: for each mail, whether its template
// is complete, and what the server answered.
const fs = require('fs');
const nconf = require('nconf');
const EmailTemplates = require('email-templates');

const given = JSON.parse(fs.readFileSync(0, 'utf8'));
const settings = new nconf.Provider();
settings.file('base', { file: given.settings });
const email = settings.get('email');
const service = new EmailTemplates({
  message: email.message,
  views: { ...settings.get('templates'), root: given.root },
  transport: { ...settings.get('smtp'), ...given.smtp },
  preview: email.preview,
  send: email.send
});

async function send ({ template, language, to, substitutions }) {
  const root = `${template}/${language}`;
  const parts = ['subject.pug', 'html.pug'];
  const exist = await Promise.all(parts.map((part) => service.templateExists(`${root}/${part}`)));
  const message = { to: { name: to.name, address: to.email } };
  const result = await service.send({ message, template: root, locals: substitutions });
  return { complete: exist.every(Boolean), response: result.response };
}

async function main () {
  const results = [];
  for (const each of given.sends) results.push(await send(each));
  process.stdout.write(JSON.stringify(results));
}

main();
