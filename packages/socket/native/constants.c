/* The constants of the system's headers. No value here is typed in by hand. */
#include "binding.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/select.h>
#if defined(__linux__)
#include <sys/epoll.h>
#endif

struct constant {
  const char* name;
  int64_t value;
};

/* clang-format off */
#define CONSTANT(name) {#name, name}
/* clang-format on */

static const struct constant constants[] = {
#ifdef AF_UNSPEC
    CONSTANT(AF_UNSPEC),
#endif
#ifdef AF_INET
    CONSTANT(AF_INET),
#endif
#ifdef AF_INET6
    CONSTANT(AF_INET6),
#endif
#ifdef AF_UNIX
    CONSTANT(AF_UNIX),
#endif
#ifdef SOCK_STREAM
    CONSTANT(SOCK_STREAM),
#endif
#ifdef SOCK_DGRAM
    CONSTANT(SOCK_DGRAM),
#endif
#ifdef SOCK_SEQPACKET
    CONSTANT(SOCK_SEQPACKET),
#endif
#ifdef SOCK_RAW
    CONSTANT(SOCK_RAW),
#endif
#ifdef SOCK_RDM
    CONSTANT(SOCK_RDM),
#endif
#ifdef SOL_SOCKET
    CONSTANT(SOL_SOCKET),
#endif
#ifdef IPPROTO_IP
    CONSTANT(IPPROTO_IP),
#endif
#ifdef IPPROTO_IPV6
    CONSTANT(IPPROTO_IPV6),
#endif
#ifdef IPPROTO_TCP
    CONSTANT(IPPROTO_TCP),
#endif
#ifdef IPPROTO_UDP
    CONSTANT(IPPROTO_UDP),
#endif
#ifdef IPPROTO_ICMP
    CONSTANT(IPPROTO_ICMP),
#endif
#ifdef IPPROTO_ICMPV6
    CONSTANT(IPPROTO_ICMPV6),
#endif
#ifdef SO_ACCEPTCONN
    CONSTANT(SO_ACCEPTCONN),
#endif
#ifdef SO_BINDTODEVICE
    CONSTANT(SO_BINDTODEVICE),
#endif
#ifdef SO_BROADCAST
    CONSTANT(SO_BROADCAST),
#endif
#ifdef SO_BUSY_POLL
    CONSTANT(SO_BUSY_POLL),
#endif
#ifdef SO_DEBUG
    CONSTANT(SO_DEBUG),
#endif
#ifdef SO_DOMAIN
    CONSTANT(SO_DOMAIN),
#endif
#ifdef SO_DONTROUTE
    CONSTANT(SO_DONTROUTE),
#endif
#ifdef SO_ERROR
    CONSTANT(SO_ERROR),
#endif
#ifdef SO_INCOMING_CPU
    CONSTANT(SO_INCOMING_CPU),
#endif
#ifdef SO_KEEPALIVE
    CONSTANT(SO_KEEPALIVE),
#endif
#ifdef SO_LINGER
    CONSTANT(SO_LINGER),
#endif
#ifdef SO_MARK
    CONSTANT(SO_MARK),
#endif
#ifdef SO_NOSIGPIPE
    CONSTANT(SO_NOSIGPIPE),
#endif
#ifdef SO_OOBINLINE
    CONSTANT(SO_OOBINLINE),
#endif
#ifdef SO_PASSCRED
    CONSTANT(SO_PASSCRED),
#endif
#ifdef SO_PASSSEC
    CONSTANT(SO_PASSSEC),
#endif
#ifdef SO_PEEK_OFF
    CONSTANT(SO_PEEK_OFF),
#endif
#ifdef SO_PEERCRED
    CONSTANT(SO_PEERCRED),
#endif
#ifdef SO_PRIORITY
    CONSTANT(SO_PRIORITY),
#endif
#ifdef SO_PROTOCOL
    CONSTANT(SO_PROTOCOL),
#endif
#ifdef SO_RCVBUF
    CONSTANT(SO_RCVBUF),
#endif
#ifdef SO_RCVBUFFORCE
    CONSTANT(SO_RCVBUFFORCE),
#endif
#ifdef SO_RCVLOWAT
    CONSTANT(SO_RCVLOWAT),
#endif
#ifdef SO_RCVTIMEO
    CONSTANT(SO_RCVTIMEO),
#endif
#ifdef SO_REUSEADDR
    CONSTANT(SO_REUSEADDR),
#endif
#ifdef SO_REUSEPORT
    CONSTANT(SO_REUSEPORT),
#endif
#ifdef SO_RXQ_OVFL
    CONSTANT(SO_RXQ_OVFL),
#endif
#ifdef SO_SNDBUF
    CONSTANT(SO_SNDBUF),
#endif
#ifdef SO_SNDBUFFORCE
    CONSTANT(SO_SNDBUFFORCE),
#endif
#ifdef SO_SNDLOWAT
    CONSTANT(SO_SNDLOWAT),
#endif
#ifdef SO_SNDTIMEO
    CONSTANT(SO_SNDTIMEO),
#endif
#ifdef SO_TIMESTAMP
    CONSTANT(SO_TIMESTAMP),
#endif
#ifdef SO_TYPE
    CONSTANT(SO_TYPE),
#endif
#ifdef TCP_CONGESTION
    CONSTANT(TCP_CONGESTION),
#endif
#ifdef TCP_CORK
    CONSTANT(TCP_CORK),
#endif
#ifdef TCP_DEFER_ACCEPT
    CONSTANT(TCP_DEFER_ACCEPT),
#endif
#ifdef TCP_FASTOPEN
    CONSTANT(TCP_FASTOPEN),
#endif
#ifdef TCP_INFO
    CONSTANT(TCP_INFO),
#endif
#ifdef TCP_KEEPALIVE
    CONSTANT(TCP_KEEPALIVE),
#endif
#ifdef TCP_KEEPCNT
    CONSTANT(TCP_KEEPCNT),
#endif
#ifdef TCP_KEEPIDLE
    CONSTANT(TCP_KEEPIDLE),
#endif
#ifdef TCP_KEEPINTVL
    CONSTANT(TCP_KEEPINTVL),
#endif
#ifdef TCP_LINGER2
    CONSTANT(TCP_LINGER2),
#endif
#ifdef TCP_MAXSEG
    CONSTANT(TCP_MAXSEG),
#endif
#ifdef TCP_NODELAY
    CONSTANT(TCP_NODELAY),
#endif
#ifdef TCP_NOPUSH
    CONSTANT(TCP_NOPUSH),
#endif
#ifdef TCP_QUICKACK
    CONSTANT(TCP_QUICKACK),
#endif
#ifdef TCP_SYNCNT
    CONSTANT(TCP_SYNCNT),
#endif
#ifdef TCP_USER_TIMEOUT
    CONSTANT(TCP_USER_TIMEOUT),
#endif
#ifdef TCP_WINDOW_CLAMP
    CONSTANT(TCP_WINDOW_CLAMP),
#endif
#ifdef IP_ADD_MEMBERSHIP
    CONSTANT(IP_ADD_MEMBERSHIP),
#endif
#ifdef IP_ADD_SOURCE_MEMBERSHIP
    CONSTANT(IP_ADD_SOURCE_MEMBERSHIP),
#endif
#ifdef IP_DROP_MEMBERSHIP
    CONSTANT(IP_DROP_MEMBERSHIP),
#endif
#ifdef IP_DROP_SOURCE_MEMBERSHIP
    CONSTANT(IP_DROP_SOURCE_MEMBERSHIP),
#endif
#ifdef IP_FREEBIND
    CONSTANT(IP_FREEBIND),
#endif
#ifdef IP_HDRINCL
    CONSTANT(IP_HDRINCL),
#endif
#ifdef IP_MTU
    CONSTANT(IP_MTU),
#endif
#ifdef IP_MTU_DISCOVER
    CONSTANT(IP_MTU_DISCOVER),
#endif
#ifdef IP_MULTICAST_IF
    CONSTANT(IP_MULTICAST_IF),
#endif
#ifdef IP_MULTICAST_LOOP
    CONSTANT(IP_MULTICAST_LOOP),
#endif
#ifdef IP_MULTICAST_TTL
    CONSTANT(IP_MULTICAST_TTL),
#endif
#ifdef IP_PKTINFO
    CONSTANT(IP_PKTINFO),
#endif
#ifdef IP_RECVERR
    CONSTANT(IP_RECVERR),
#endif
#ifdef IP_RECVTOS
    CONSTANT(IP_RECVTOS),
#endif
#ifdef IP_RECVTTL
    CONSTANT(IP_RECVTTL),
#endif
#ifdef IP_TOS
    CONSTANT(IP_TOS),
#endif
#ifdef IP_TRANSPARENT
    CONSTANT(IP_TRANSPARENT),
#endif
#ifdef IP_TTL
    CONSTANT(IP_TTL),
#endif
#ifdef IPV6_JOIN_GROUP
    CONSTANT(IPV6_JOIN_GROUP),
#endif
#ifdef IPV6_LEAVE_GROUP
    CONSTANT(IPV6_LEAVE_GROUP),
#endif
#ifdef IPV6_MULTICAST_HOPS
    CONSTANT(IPV6_MULTICAST_HOPS),
#endif
#ifdef IPV6_MULTICAST_IF
    CONSTANT(IPV6_MULTICAST_IF),
#endif
#ifdef IPV6_MULTICAST_LOOP
    CONSTANT(IPV6_MULTICAST_LOOP),
#endif
#ifdef IPV6_PKTINFO
    CONSTANT(IPV6_PKTINFO),
#endif
#ifdef IPV6_RECVERR
    CONSTANT(IPV6_RECVERR),
#endif
#ifdef IPV6_RECVHOPLIMIT
    CONSTANT(IPV6_RECVHOPLIMIT),
#endif
#ifdef IPV6_RECVPKTINFO
    CONSTANT(IPV6_RECVPKTINFO),
#endif
#ifdef IPV6_RECVTCLASS
    CONSTANT(IPV6_RECVTCLASS),
#endif
#ifdef IPV6_TCLASS
    CONSTANT(IPV6_TCLASS),
#endif
#ifdef IPV6_UNICAST_HOPS
    CONSTANT(IPV6_UNICAST_HOPS),
#endif
#ifdef IPV6_V6ONLY
    CONSTANT(IPV6_V6ONLY),
#endif
#ifdef MSG_CMSG_CLOEXEC
    CONSTANT(MSG_CMSG_CLOEXEC),
#endif
#ifdef MSG_CTRUNC
    CONSTANT(MSG_CTRUNC),
#endif
#ifdef MSG_DONTROUTE
    CONSTANT(MSG_DONTROUTE),
#endif
#ifdef MSG_DONTWAIT
    CONSTANT(MSG_DONTWAIT),
#endif
#ifdef MSG_EOR
    CONSTANT(MSG_EOR),
#endif
#ifdef MSG_ERRQUEUE
    CONSTANT(MSG_ERRQUEUE),
#endif
#ifdef MSG_MORE
    CONSTANT(MSG_MORE),
#endif
#ifdef MSG_NOSIGNAL
    CONSTANT(MSG_NOSIGNAL),
#endif
#ifdef MSG_OOB
    CONSTANT(MSG_OOB),
#endif
#ifdef MSG_PEEK
    CONSTANT(MSG_PEEK),
#endif
#ifdef MSG_TRUNC
    CONSTANT(MSG_TRUNC),
#endif
#ifdef MSG_WAITALL
    CONSTANT(MSG_WAITALL),
#endif
#ifdef SCM_RIGHTS
    CONSTANT(SCM_RIGHTS),
#endif
#ifdef SCM_CREDENTIALS
    CONSTANT(SCM_CREDENTIALS),
#endif
#ifdef SCM_TIMESTAMP
    CONSTANT(SCM_TIMESTAMP),
#endif
#ifdef SHUT_RD
    CONSTANT(SHUT_RD),
#endif
#ifdef SHUT_WR
    CONSTANT(SHUT_WR),
#endif
#ifdef SHUT_RDWR
    CONSTANT(SHUT_RDWR),
#endif
#ifdef SOMAXCONN
    CONSTANT(SOMAXCONN),
#endif
#ifdef POLLIN
    CONSTANT(POLLIN),
#endif
#ifdef POLLPRI
    CONSTANT(POLLPRI),
#endif
#ifdef POLLOUT
    CONSTANT(POLLOUT),
#endif
#ifdef POLLERR
    CONSTANT(POLLERR),
#endif
#ifdef POLLHUP
    CONSTANT(POLLHUP),
#endif
#ifdef POLLNVAL
    CONSTANT(POLLNVAL),
#endif
#ifdef POLLRDHUP
    CONSTANT(POLLRDHUP),
#endif
#ifdef EPOLL_CTL_ADD
    CONSTANT(EPOLL_CTL_ADD),
#endif
#ifdef EPOLL_CTL_MOD
    CONSTANT(EPOLL_CTL_MOD),
#endif
#ifdef EPOLL_CTL_DEL
    CONSTANT(EPOLL_CTL_DEL),
#endif
#ifdef FD_SETSIZE
    CONSTANT(FD_SETSIZE),
#endif
};

/* The values of errno, by name. */
static const struct constant errors[] = {
#ifdef E2BIG
    CONSTANT(E2BIG),
#endif
#ifdef EACCES
    CONSTANT(EACCES),
#endif
#ifdef EADDRINUSE
    CONSTANT(EADDRINUSE),
#endif
#ifdef EADDRNOTAVAIL
    CONSTANT(EADDRNOTAVAIL),
#endif
#ifdef EAFNOSUPPORT
    CONSTANT(EAFNOSUPPORT),
#endif
#ifdef EAGAIN
    CONSTANT(EAGAIN),
#endif
#ifdef EALREADY
    CONSTANT(EALREADY),
#endif
#ifdef EBADF
    CONSTANT(EBADF),
#endif
#ifdef EBADMSG
    CONSTANT(EBADMSG),
#endif
#ifdef EBUSY
    CONSTANT(EBUSY),
#endif
#ifdef ECANCELED
    CONSTANT(ECANCELED),
#endif
#ifdef ECONNABORTED
    CONSTANT(ECONNABORTED),
#endif
#ifdef ECONNREFUSED
    CONSTANT(ECONNREFUSED),
#endif
#ifdef ECONNRESET
    CONSTANT(ECONNRESET),
#endif
#ifdef EDESTADDRREQ
    CONSTANT(EDESTADDRREQ),
#endif
#ifdef EDOM
    CONSTANT(EDOM),
#endif
#ifdef EDQUOT
    CONSTANT(EDQUOT),
#endif
#ifdef EEXIST
    CONSTANT(EEXIST),
#endif
#ifdef EFAULT
    CONSTANT(EFAULT),
#endif
#ifdef EFBIG
    CONSTANT(EFBIG),
#endif
#ifdef EHOSTDOWN
    CONSTANT(EHOSTDOWN),
#endif
#ifdef EHOSTUNREACH
    CONSTANT(EHOSTUNREACH),
#endif
#ifdef EIDRM
    CONSTANT(EIDRM),
#endif
#ifdef EILSEQ
    CONSTANT(EILSEQ),
#endif
#ifdef EINPROGRESS
    CONSTANT(EINPROGRESS),
#endif
#ifdef EINTR
    CONSTANT(EINTR),
#endif
#ifdef EINVAL
    CONSTANT(EINVAL),
#endif
#ifdef EIO
    CONSTANT(EIO),
#endif
#ifdef EISCONN
    CONSTANT(EISCONN),
#endif
#ifdef EISDIR
    CONSTANT(EISDIR),
#endif
#ifdef ELOOP
    CONSTANT(ELOOP),
#endif
#ifdef EMFILE
    CONSTANT(EMFILE),
#endif
#ifdef EMLINK
    CONSTANT(EMLINK),
#endif
#ifdef EMSGSIZE
    CONSTANT(EMSGSIZE),
#endif
#ifdef ENAMETOOLONG
    CONSTANT(ENAMETOOLONG),
#endif
#ifdef ENETDOWN
    CONSTANT(ENETDOWN),
#endif
#ifdef ENETRESET
    CONSTANT(ENETRESET),
#endif
#ifdef ENETUNREACH
    CONSTANT(ENETUNREACH),
#endif
#ifdef ENFILE
    CONSTANT(ENFILE),
#endif
#ifdef ENOBUFS
    CONSTANT(ENOBUFS),
#endif
#ifdef ENODATA
    CONSTANT(ENODATA),
#endif
#ifdef ENODEV
    CONSTANT(ENODEV),
#endif
#ifdef ENOENT
    CONSTANT(ENOENT),
#endif
#ifdef ENOLCK
    CONSTANT(ENOLCK),
#endif
#ifdef ENOMEM
    CONSTANT(ENOMEM),
#endif
#ifdef ENOMSG
    CONSTANT(ENOMSG),
#endif
#ifdef ENONET
    CONSTANT(ENONET),
#endif
#ifdef ENOPROTOOPT
    CONSTANT(ENOPROTOOPT),
#endif
#ifdef ENOSPC
    CONSTANT(ENOSPC),
#endif
#ifdef ENOSYS
    CONSTANT(ENOSYS),
#endif
#ifdef ENOTCONN
    CONSTANT(ENOTCONN),
#endif
#ifdef ENOTDIR
    CONSTANT(ENOTDIR),
#endif
#ifdef ENOTEMPTY
    CONSTANT(ENOTEMPTY),
#endif
#ifdef ENOTSOCK
    CONSTANT(ENOTSOCK),
#endif
#ifdef ENOTSUP
    CONSTANT(ENOTSUP),
#endif
#ifdef ENOTTY
    CONSTANT(ENOTTY),
#endif
#ifdef ENXIO
    CONSTANT(ENXIO),
#endif
#ifdef EOPNOTSUPP
    CONSTANT(EOPNOTSUPP),
#endif
#ifdef EOVERFLOW
    CONSTANT(EOVERFLOW),
#endif
#ifdef EPERM
    CONSTANT(EPERM),
#endif
#ifdef EPFNOSUPPORT
    CONSTANT(EPFNOSUPPORT),
#endif
#ifdef EPIPE
    CONSTANT(EPIPE),
#endif
#ifdef EPROTO
    CONSTANT(EPROTO),
#endif
#ifdef EPROTONOSUPPORT
    CONSTANT(EPROTONOSUPPORT),
#endif
#ifdef EPROTOTYPE
    CONSTANT(EPROTOTYPE),
#endif
#ifdef ERANGE
    CONSTANT(ERANGE),
#endif
#ifdef EREMOTEIO
    CONSTANT(EREMOTEIO),
#endif
#ifdef EROFS
    CONSTANT(EROFS),
#endif
#ifdef ESHUTDOWN
    CONSTANT(ESHUTDOWN),
#endif
#ifdef ESOCKTNOSUPPORT
    CONSTANT(ESOCKTNOSUPPORT),
#endif
#ifdef ESPIPE
    CONSTANT(ESPIPE),
#endif
#ifdef ESRCH
    CONSTANT(ESRCH),
#endif
#ifdef ESTALE
    CONSTANT(ESTALE),
#endif
#ifdef ETIME
    CONSTANT(ETIME),
#endif
#ifdef ETIMEDOUT
    CONSTANT(ETIMEDOUT),
#endif
#ifdef ETOOMANYREFS
    CONSTANT(ETOOMANYREFS),
#endif
#ifdef ETXTBSY
    CONSTANT(ETXTBSY),
#endif
#ifdef EWOULDBLOCK
    CONSTANT(EWOULDBLOCK),
#endif
#ifdef EXDEV
    CONSTANT(EXDEV),
#endif
};

static void set(napi_env env, napi_value exports, const char* name, const struct constant* list,
                size_t n) {
  napi_value object;
  napi_create_object(env, &object);
  for (size_t i = 0; i < n; i++) {
    napi_set_named_property(env, object, list[i].name, answer(env, list[i].value));
  }
  napi_set_named_property(env, exports, name, object);
}

void constants_init(napi_env env, napi_value exports) {
  set(env, exports, "constants", constants, sizeof(constants) / sizeof(constants[0]));
  set(env, exports, "errors", errors, sizeof(errors) / sizeof(errors[0]));
}
