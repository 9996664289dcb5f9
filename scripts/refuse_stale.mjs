/** Fails every test file while something does not compile, in watch mode: see compile.mjs. */
if (process.env.ASYNCORE_TEST_STALE === '1') {
  throw new Error('What would be tested is not what is in src: it does not compile.');
}
