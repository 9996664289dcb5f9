export { ChatServer } from './chat_room.js';
export { EchoHandler, EchoServer } from './echo_server.js';
export {
  FTPHandler,
  type FTPOptions,
  FTPServer,
  type FTPSettings,
} from './ftp_server.js';
export { JobServer } from './graceful_shutdown.js';
export { HTTPClient, HTTPDownload } from './http_client.js';
export { HTTPHandler, HTTPServer } from './http_server.js';
export { HTTPSServer } from './https_server.js';
export { show_live } from './live_view.js';
export { type HandlerClass, LoggingEchoHandler, LoggingEchoServer } from './logging_echo_server.js';
export { Discovery, type DiscoverySettings } from './multicast_discovery.js';
export { PortForward } from './port_forward.js';
export { PublicHandler, PublicServer } from './public_server.js';
export { RedisHandler, RedisServer } from './redis_server.js';
export * as smtpd from './smtp_server/smtpd.js';
export {
  type Deliver,
  type Mail,
  maildir,
  mbox,
  printed,
  relayTo,
  SMTPHandler,
  SMTPServer,
  sink,
} from './smtp_server.js';
export { Socks5Proxy } from './socks5_proxy.js';
export { StoreHandler, StoreServer } from './store_server.js';
export { SyslogDatagrams, SyslogServer } from './syslog_receiver.js';
export { TelnetServer } from './telnet_server.js';
export { TLSEchoHandler, TLSEchoServer } from './tls_echo.js';
export { UDPEcho } from './udp_echo.js';
export { UnixEchoHandler, UnixEchoServer } from './unix_echo.js';
export { WebSocketChat } from './websocket_server.js';
