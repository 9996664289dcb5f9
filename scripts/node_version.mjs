// Imported first: an older version ends in a line here, before it meets what it does not know.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`asyncore needs Node.js 20.19 or later, and this is ${process.versions.node}`);
  process.exit(1);
}
