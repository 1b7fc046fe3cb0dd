// Posts a file and prints the status that came.
const fs = require('fs'), http = require('http');
const [, , url, path] = process.argv;
const request = http.request(url, {
  method: 'POST', agent: false,
  headers: {'Content-Length': fs.statSync(path).size},
}, answer => {
  answer.resume();
  answer.on('end', () => { console.log(answer.statusCode); process.exit(0); });
});
request.on('error', error => { console.log(String(error)); process.exit(1); });
fs.createReadStream(path).pipe(request);
