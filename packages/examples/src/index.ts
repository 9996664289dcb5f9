export { EchoHandler, EchoServer } from './echo_server.js';
export { HTTPClient } from './http_client.js';
