/// <reference types="node" preserve="true" />
export type { datagram, datagram_peer } from './datagram_peer.js';
export { explore } from './explore.js';
export { explore_all } from './explore_all.js';
export { explore_failure } from './explore_failure.js';
export type { network } from './network.js';
export type { explore_all_options, explore_options, simulate_options } from './options.js';
export type { expected, peer } from './peer.js';
export type { peer_listener } from './peer_listener.js';
export { simulate } from './simulate.js';
