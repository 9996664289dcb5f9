/**
 * The system's socket and poll constants, as its headers had them when the binary was compiled.
 * One that this system lacks is undefined.
 */
import { binding } from './binding.js';

// Every system has these.
export const {
  /** No address family in particular. */
  AF_UNSPEC,
  /** IPv4: ip(7). */
  AF_INET,
  /** IPv6: ipv6(7). */
  AF_INET6,
  /** Sockets of this machine, named by paths: unix(7). */
  AF_UNIX,
  /** A stream of bytes, in order: TCP. */
  SOCK_STREAM,
  /** Datagrams, each whole or not at all: UDP. */
  SOCK_DGRAM,
  /** A connection that keeps messages apart. */
  SOCK_SEQPACKET,
  /** Raw packets, for privileged programs: raw(7). */
  SOCK_RAW,
  /** Reliable datagrams in any order. */
  SOCK_RDM,
  /** The level of the SO_ options: socket(7). */
  SOL_SOCKET,
  /** The level of the IP_ options: ip(7). */
  IPPROTO_IP,
  /** The level of the IPV6_ options: ipv6(7). */
  IPPROTO_IPV6,
  /** TCP, and the level of the TCP_ options: tcp(7). */
  IPPROTO_TCP,
  /** UDP: udp(7). */
  IPPROTO_UDP,
  /** ICMP: icmp(7). */
  IPPROTO_ICMP,
  /** ICMP of IPv6. */
  IPPROTO_ICMPV6,
  /** Whether it listens; to be read only. */
  SO_ACCEPTCONN,
  /** Whether datagrams may go to a broadcast address. */
  SO_BROADCAST,
  /** Whether the kernel traces it. */
  SO_DEBUG,
  /** Whether it sends to hosts of directly attached networks only. */
  SO_DONTROUTE,
  /** The error that is pending. Reading clears it. */
  SO_ERROR,
  /** Whether a silent peer is probed, to find out if it is still there. */
  SO_KEEPALIVE,
  /** Whether closing waits for unsent data, and how long: struct linger. */
  SO_LINGER,
  /** Whether urgent bytes come in line with the others. */
  SO_OOBINLINE,
  /** The receive buffer in bytes; Linux doubles what is set. */
  SO_RCVBUF,
  /** How many bytes make it readable. */
  SO_RCVLOWAT,
  /** How long a blocking read waits: struct timeval. */
  SO_RCVTIMEO,
  /** Whether it may bind an address that connections of before still use. */
  SO_REUSEADDR,
  /** Whether several sockets may bind the same address. Linux spreads the connections among them. */
  SO_REUSEPORT,
  /** The send buffer in bytes; Linux doubles what is set. */
  SO_SNDBUF,
  /** How many bytes of room make it writable. */
  SO_SNDLOWAT,
  /** How long a blocking write waits: struct timeval. */
  SO_SNDTIMEO,
  /** Whether the time of arrival comes with datagrams. */
  SO_TIMESTAMP,
  /** Its type, SOCK_STREAM and so on; to be read only. */
  SO_TYPE,
  /** Data in the first packet; on a listener, how many such may wait. */
  TCP_FASTOPEN,
  /** How many keep-alive probes may go unanswered. */
  TCP_KEEPCNT,
  /** Seconds between keep-alive probes. */
  TCP_KEEPINTVL,
  /** The largest segment, in bytes. */
  TCP_MAXSEG,
  /** Whether small packets go out at once, not gathered by Nagle's algorithm. */
  TCP_NODELAY,
  /** Joins a multicast group: struct ip_mreq. */
  IP_ADD_MEMBERSHIP,
  /** Joins a multicast group for one source: struct ip_mreq_source. */
  IP_ADD_SOURCE_MEMBERSHIP,
  /** Leaves a multicast group: struct ip_mreq. */
  IP_DROP_MEMBERSHIP,
  /** Leaves a source of a multicast group: struct ip_mreq_source. */
  IP_DROP_SOURCE_MEMBERSHIP,
  /** Whether the program writes the IP headers of raw packets. */
  IP_HDRINCL,
  /** The interface that multicasts leave by. */
  IP_MULTICAST_IF,
  /** Whether multicasts come back to this machine. */
  IP_MULTICAST_LOOP,
  /** How many hops multicasts go. */
  IP_MULTICAST_TTL,
  /** Whether the type of service comes with datagrams. */
  IP_RECVTOS,
  /** Whether the time to live comes with datagrams. */
  IP_RECVTTL,
  /** The type of service of its packets. */
  IP_TOS,
  /** How many hops its packets go. */
  IP_TTL,
  /** Joins a multicast group: struct ipv6_mreq. */
  IPV6_JOIN_GROUP,
  /** Leaves a multicast group: struct ipv6_mreq. */
  IPV6_LEAVE_GROUP,
  /** How many hops multicasts go. */
  IPV6_MULTICAST_HOPS,
  /** The interface that multicasts leave by, by index. */
  IPV6_MULTICAST_IF,
  /** Whether multicasts come back to this machine. */
  IPV6_MULTICAST_LOOP,
  /** Whether the traffic class comes with datagrams. */
  IPV6_RECVTCLASS,
  /** The traffic class of its packets. */
  IPV6_TCLASS,
  /** How many hops its packets go. */
  IPV6_UNICAST_HOPS,
  /** Whether an IPv6 socket keeps off IPv4; to be set before it is bound. */
  IPV6_V6ONLY,
  /** In the flags of recvmsg(2): there was no room for all control messages. */
  MSG_CTRUNC,
  /** Sends to hosts of directly attached networks only. */
  MSG_DONTROUTE,
  /** This call does not wait, whatever the socket's mode. */
  MSG_DONTWAIT,
  /** The end of a record, where the protocol has such. */
  MSG_EOR,
  /** The urgent byte: out-of-band data. */
  MSG_OOB,
  /** Reads without taking. */
  MSG_PEEK,
  /** In the flags of recvmsg(2): the datagram was longer than the buffer. */
  MSG_TRUNC,
  /** A blocking read waits for all bytes asked for. */
  MSG_WAITALL,
  /** The control message that carries descriptors: unix(7). */
  SCM_RIGHTS,
  /** The control message that carries the time of arrival. */
  SCM_TIMESTAMP,
  /** For `shutdown`: nothing more will be received. */
  SHUT_RD,
  /** For `shutdown`: nothing more will be sent, and the peer sees the end. */
  SHUT_WR,
  /** For `shutdown`: both. */
  SHUT_RDWR,
  /** The most connections that may wait to be accepted, as the headers have it. */
  SOMAXCONN,
  /** There is something to read, or the end. */
  POLLIN,
  /** There is urgent data. */
  POLLPRI,
  /** There is room to write. */
  POLLOUT,
  /** An error is pending; told unasked. */
  POLLERR,
  /** The connection is over; told unasked. */
  POLLHUP,
  /** The descriptor is not open; told unasked. */
  POLLNVAL,
  /** The first descriptor that is too large for select(2). */
  FD_SETSIZE,
} = binding.constants;

const some: Partial<typeof binding.constants> = binding.constants;

// And only some systems these: each says which.
export const {
  /** The network interface it is tied to, by name. Linux. */
  SO_BINDTODEVICE,
  /** Microseconds to spin for data before a read waits. Linux. */
  SO_BUSY_POLL,
  /** Its address family; to be read only. Linux. */
  SO_DOMAIN,
  /** The processor its packets come in on. Linux. */
  SO_INCOMING_CPU,
  /** A mark on all its packets, for routing and filters. Linux. */
  SO_MARK,
  /** Whether writing to a lost peer raises no SIGPIPE. macOS, BSD. */
  SO_NOSIGPIPE,
  /** Whether SCM_CREDENTIALS come with received data. Linux. */
  SO_PASSCRED,
  /** Whether the peer's security context comes with received data. Linux. */
  SO_PASSSEC,
  /** Where MSG_PEEK looks next. Linux, Unix sockets. */
  SO_PEEK_OFF,
  /** The process at the other end; see `Socket.getpeercred`. Linux. */
  SO_PEERCRED,
  /** The priority of its packets in the queue. Linux. */
  SO_PRIORITY,
  /** Its protocol; to be read only. Linux. */
  SO_PROTOCOL,
  /** The same beyond the system's limit, for privileged programs. Linux. */
  SO_RCVBUFFORCE,
  /** Whether the number of dropped datagrams comes with received ones. Linux. */
  SO_RXQ_OVFL,
  /** The same beyond the system's limit, for privileged programs. Linux. */
  SO_SNDBUFFORCE,
  /** The congestion control algorithm, by name. Linux, BSD. */
  TCP_CONGESTION,
  /** Whether partial packets are held back, at most 200 ms. Linux. */
  TCP_CORK,
  /** Seconds to wait for data before a connection is there to be accepted. Linux. */
  TCP_DEFER_ACCEPT,
  /** All about the connection: struct tcp_info. Linux. */
  TCP_INFO,
  /** Idle seconds before the first keep-alive probe, as macOS calls it. */
  TCP_KEEPALIVE,
  /** Idle seconds before the first keep-alive probe. Linux, BSD. */
  TCP_KEEPIDLE,
  /** Seconds that an orphaned connection stays in FIN_WAIT2. Linux. */
  TCP_LINGER2,
  /** Whether partial packets are held back, as macOS and BSD call it. */
  TCP_NOPUSH,
  /** Whether acknowledgements go out at once. Linux; it does not last. */
  TCP_QUICKACK,
  /** How often an attempt to connect is repeated. Linux. */
  TCP_SYNCNT,
  /** Milliseconds that sent data may stay unacknowledged. Linux. */
  TCP_USER_TIMEOUT,
  /** The most that the receive window grows to, in bytes. Linux. */
  TCP_WINDOW_CLAMP,
  /** Whether it may bind an address that is not there (yet). Linux. */
  IP_FREEBIND,
  /** The path's known MTU; to be read only. Linux. */
  IP_MTU,
  /** Whether and how the path's MTU is discovered. Linux. */
  IP_MTU_DISCOVER,
  /** Whether interface and destination come with datagrams. Linux, macOS. */
  IP_PKTINFO,
  /** Whether errors are queued for MSG_ERRQUEUE. Linux. */
  IP_RECVERR,
  /** Whether it may stand for foreign addresses: a transparent proxy. Linux. */
  IP_TRANSPARENT,
  /** Interface and source address of what is sent: struct in6_pktinfo. Linux, BSD. */
  IPV6_PKTINFO,
  /** Whether errors are queued for MSG_ERRQUEUE. Linux. */
  IPV6_RECVERR,
  /** Whether the hop limit comes with datagrams. Linux, BSD. */
  IPV6_RECVHOPLIMIT,
  /** Whether interface and destination come with datagrams. Linux, BSD. */
  IPV6_RECVPKTINFO,
  /** Received descriptors are close-on-exec, as `recv_fds` makes them anyway. Linux. */
  MSG_CMSG_CLOEXEC,
  /** Reads the queue of errors: IP_RECVERR. Linux. */
  MSG_ERRQUEUE,
  /** More is to follow: wait with the packet. Linux. */
  MSG_MORE,
  /** No SIGPIPE for a lost peer; set on every call here. Linux. */
  MSG_NOSIGNAL,
  /** The control message that carries process, user and group id. Linux. */
  SCM_CREDENTIALS,
  /** The peer will send no more. Linux. */
  POLLRDHUP,
} = some;
