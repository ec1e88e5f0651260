#!/usr/bin/env bash
# peers.sh - real third-party STARTTLS peers on loopback, for interop tests (Debian 12, root, no systemd).
#
#   peers.sh install               packages (apt + unpacked .debs + a Python venv); idempotent
#   peers.sh start NAME|all [DIR]  start one server (or all) with its state under DIR/NAME
#   peers.sh check NAME|all [DIR]  verify it with existing clients: "NAME ok ..." or "NAME FAILED: why"
#   peers.sh stop [DIR [NAME]]     stop everything started under DIR (or only NAME)
#   peers.sh certs [DIR]           only the certificates and keys
#   peers.sh list                  one line a listener: NAME PROTOCOL PORT PACKAGE VERSION
#
# DIR gets ca.pem (trust this), server.pem/server.key (ECDSA P-256; SAN DNS:localhost, IP:127.0.0.1),
# rsa.pem/rsa.key (same names, RSA 2048) and client.pem/client.key (clientAuth). DIR must be a path that other
# users may enter, shorter than ~70 characters (unix socket paths). PEERS_LEAF=rsa serves the RSA leaf instead.
# PEERS_BASE (21000) moves every port; PEERS_HOME holds what `install` unpacks. PEERS_TLS=off starts a server that has no
# TLS on the same port, to see what it says to those who ask for it. PEERS_CONNECTIONS is how many connections nats takes at once (1000).
# Logins: test / secret everywhere (postgres and mariadb too; mariadb has open / nothing besides); LDAP cn=admin,dc=example,dc=com / secret.
set -uo pipefail; ulimit -c 0        # inspircd dumps core whenever it is stopped
HOME_=${PEERS_HOME:-/tmp/starttls-peers/opt}
BASE=${PEERS_BASE:-21000}
LEAF=${PEERS_LEAF:-server}
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/sbin:$PATH
X=$HOME_/x VENV=$HOME_/venv

# name protocol offset package        ("x:" = unpacked with dpkg-deb, because it conflicts with another one)
PEERS='
postfix smtp 25 postfix
postfix smtp+proxy 26 postfix
dovecot imap 143 dovecot-imapd
dovecot imap+proxy 144 dovecot-imapd
dovecot pop3 110 dovecot-pop3d
dovecot lmtp 24 dovecot-lmtpd
dovecot sieve 190 dovecot-managesieved
dovecot submission 187 dovecot-submissiond
slapd ldap 389 slapd
postgres postgres 432 postgresql
mariadb mysql 306 mariadb-server
vsftpd ftp 21 vsftpd
proftpd ftp 22 x:proftpd-core
prosody xmpp 222 prosody
prosody xmpp-server 269 prosody
inspircd irc 667 inspircd
nnrpd nntp 119 x:inn2
innd nntp 120 x:inn2
nbdkit nbd 809 nbdkit
qemu-nbd nbd 810 qemu-utils
tigervnc vencrypt 900 tigervnc-standalone-server
xrdp rdp 339 xrdp
nats nats 422 nats-server
upsd nut 493 x:nut-server
munin-node munin 949 munin-node
cups http-upgrade 631 cups-daemon
origin tls 443 openssl
squid connect 128 squid
microsocks socks5-auth 181 microsocks
dante socks4 180 dante-server
haproxy proxy-v1 80 haproxy
haproxy proxy-v2 81 haproxy
haproxy backend 82 haproxy
jetblack ping 101 pip:jetblack-upgradeable-streams
'
NAMES=$(awk 'NF{if(!s[$1]++)print $1}' <<<"$PEERS")
port() { awk -v n="$1" -v p="${2:-}" -v b="$BASE" '$1==n && (p=="" || $2==p){print b+$3; exit}' <<<"$PEERS"; }
ports() { awk -v n="$1" -v b="$BASE" '$1==n{print b+$3}' <<<"$PEERS"; }
die() { echo "$*" >&2; exit 1; }

# ---------------------------------------------------------------- install
APT='procps openssl gnutls-bin curl swaks msmtp postfix dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd
 dovecot-managesieved dovecot-submissiond slapd ldap-utils postgresql mariadb-server vsftpd prosody
 inspircd nbdkit libnbd-bin qemu-utils tigervnc-standalone-server squid haproxy
 microsocks libhiredis0.14 libmemcachedutil2 libmemcached11 libpcre2-posix3 libgdk-pixbuf-2.0-0
 libpulse0 libsasl2-2 libperl5.36 libgnutls-dane0 libpython3.11 libcanlock3 python3-venv python3-ldap lftp
 dante-server xrdp nats-server irssi munin-node cups-daemon cups-client s3270 sslscan libnss3-tools libwrap0 libnet-ssleay-perl
 s-nail isync sieve-connect prometheus'
UNPACK='proftpd-core proftpd-mod-crypto inn2 inn2-inews gvncviewer libgvnc-1.0-0 nut-server nut-client libupsclient6'

do_install() {
  local want=() p made=
  for p in $APT; do dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || want+=("$p"); done
  if [ ${#want[@]} -gt 0 ]; then
    # nothing may start by itself, also where invoke-rc.d would
    [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made=1; }
    echo "apt: ${want[*]}"
    apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${want[@]}" >"/tmp/peers-apt.$$" 2>&1 ||
      { tail -20 "/tmp/peers-apt.$$"; [ -n "$made" ] && rm -f /usr/sbin/policy-rc.d; die "apt-get install failed (apt-get update first?)"; }
    [ -n "$made" ] && rm -f /usr/sbin/policy-rc.d; rm -f "/tmp/peers-apt.$$"
  fi
  mkdir -p "$X" "$HOME_/dl"
  for p in $UNPACK; do
    [ -d "$X/$p" ] && continue
    (cd "$HOME_/dl" && apt-get download -o APT::Sandbox::User=root "$p" >/dev/null 2>&1) || die "apt-get download $p failed"
    dpkg-deb -x "$HOME_/dl/$p"_*.deb "$X/$p"
  done
  if ! "$VENV/bin/python" -c 'import nats, prometheus_client, psycopg2, pymysql, slixmpp' 2>/dev/null; then
    python3 -m venv "$VENV" && "$VENV/bin/pip" -q --disable-pip-version-check install \
      jetblack-upgradeable-streams ldap3 nats-py prometheus-client psycopg2-binary PyMySQL slixmpp || die "pip install failed"
  fi
  echo "install ok"
}

# ---------------------------------------------------------------- certificates
make_certs() {
  mkdir -p "$DIR"; chmod 755 "$DIR"; [ -s "$DIR/client.pem" ] && return
  local q="openssl req -x509 -nodes -days 3650 -subj" ca="-CA $DIR/ca.pem -CAkey $DIR/ca.key"
  local ec='-newkey ec -pkeyopt ec_paramgen_curve:P-256' san='-addext subjectAltName=DNS:localhost,IP:127.0.0.1'
  local leaf='-addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature,keyEncipherment'
  { $q '/CN=STARTTLS test CA' $ec -keyout "$DIR/ca.key" -out "$DIR/ca.pem" -addext keyUsage=critical,keyCertSign,cRLSign &&
    $q /CN=localhost $ec $ca $leaf $san -addext extendedKeyUsage=serverAuth,clientAuth -keyout "$DIR/server.key" -out "$DIR/server.pem" &&
    $q /CN=localhost -newkey rsa:2048 $ca $leaf $san -addext extendedKeyUsage=serverAuth,clientAuth -keyout "$DIR/rsa.key" -out "$DIR/rsa.pem" &&
    $q /CN=test $ec $ca $leaf -addext extendedKeyUsage=clientAuth -keyout "$DIR/client.key" -out "$DIR/client.pem"
  } 2>"$DIR/openssl.log" || die "making certificates failed: $(tail -3 "$DIR/openssl.log")"
  chmod 644 "$DIR"/*.key "$DIR"/*.pem      # throw-away keys: daemons that dropped root must read them
}

# ---------------------------------------------------------------- start / stop
launch() { # launch CMD...: in the foreground but in a session of its own, so that stop can end the whole group
  setsid -f sh -c 'echo $$ >"$0"; exec "$@"' "$D/pid" "$@" >"$D/log" 2>&1 </dev/null
  until [ -s "$D/pid" ]; do sleep 0.02; done
}
as() { local u=$1; shift; launch setpriv --reuid="$u" --regid="$(id -g "$u")" --init-groups "$@"; }
answers() { # it listens; no test connection, which some of them (jetblack, nbdkit) take badly
  awk -v p="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == p {f = 1} END {exit !f}' /proc/net/tcp /proc/net/tcp6
}
alive() { [ -s "$1/pid" ] && grep -q '^State:.[^ZX]' "/proc/$(cat "$1/pid")/status" 2>/dev/null; }

do_start() {
  local n=$1 p t0 i; D=$DIR/$n
  grep -qx "$n" <<<"$NAMES" || die "no peer named $n (see: peers.sh list)"
  alive "$D" && { echo "$n already running"; return 0; }
  for p in $(ports "$n"); do answers "$p" && die "$n: port $p is taken"; done
  make_certs; rm -rf "$D"; mkdir -p "$D"; t0=$(date +%s%N)
  "start_${n//-/_}" || { fail_log "set-up failed"; return 1; }
  for p in $(ports "$n"); do
    for ((i = 0; ; i++)); do
      answers "$p" && break
      if ! alive "$D"; then fail_log "exited before port $p answered"; return 1; fi
      if [ $i -ge 200 ]; then fail_log "port $p does not answer after 20 s"; do_stop "$n"; return 1; fi
      sleep 0.1
    done
  done
  echo "$n started in $(( ($(date +%s%N) - t0) / 1000000 )) ms: 127.0.0.1:$(ports "$n" | paste -sd,)"
}
fail_log() { echo "$n FAILED to start: $1" >&2; tail -n 15 "$D"/log "$D"/*log 2>/dev/null | sort -u | sed 's/^/  | /' >&2; }

runs() { pgrep -g "$1" -r D,I,R,S,T,t >/dev/null; }     # a zombie, which init collects when it likes, is gone
do_stop() { # all get the signal first, then each gets ten seconds at most
  local d pid i pids=()
  for d in "$DIR"/${1:-*}/; do
    [ -s "$d/pid" ] || continue; pid=$(cat "$d/pid")
    [ -d "/proc/$pid" ] && [ "$(ps -o sid= -p "$pid" | tr -d ' ')" != "$pid" ] && { rm -f "$d/pid"; continue; }   # that pid is another's by now
    kill -"$(cat "$d/sig" 2>/dev/null || echo TERM)" -- "-$pid" 2>/dev/null
    pids+=("$pid:$(basename "$d")")
  done
  for pid in "${pids[@]}"; do
    for ((i = 0; i < 100; i++)); do runs "${pid%%:*}" || break; sleep 0.1; done
    kill -KILL -- "-${pid%%:*}" 2>/dev/null; rm -f "$DIR/${pid#*:}/pid"; echo "${pid#*:} stopped"
  done
}

# ---------------------------------------------------------------- the servers
rows() { sed 's/ | /\n/g' >"$1"; }       # standard input to a file, " | " standing for a line end
if_tls() { [ "${PEERS_TLS:-on}" != off ] && echo "$1" || echo "${2:-}"; }     # if_tls ON [OFF]: the words for a server with TLS, or without
start_postfix() {
  rows "$D/main.cf" <<C
compatibility_level = 3.6 | queue_directory = $D/queue | data_directory = $D/data
maillog_file = $D/maillog | maillog_file_prefixes = $D
inet_interfaces = 127.0.0.1 | inet_protocols = ipv4 | mynetworks = 127.0.0.0/8 | smtpd_peername_lookup = no
myhostname = localhost | mydestination = localhost | local_recipient_maps = | local_transport = discard: | alias_maps =
smtpd_tls_security_level = $(if_tls may none) | smtpd_tls_auth_only = $(if_tls yes no) | smtpd_tls_chain_files = $KEY, $CERT | smtpd_tls_loglevel = 1
C
  rows "$D/master.cf" <<C
127.0.0.1:$(port postfix smtp) inet n - n - - smtpd
127.0.0.1:$(port postfix smtp+proxy) inet n - n - - smtpd -o smtpd_upstream_proxy_protocol=haproxy
pickup unix n - n 60 1 pickup | cleanup unix n - n - 0 cleanup | qmgr unix n - n 300 1 qmgr | tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite | bounce unix - - n - 0 bounce | defer unix - - n - 0 bounce | trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap | smtp unix - - n - - smtp | error unix - - n - - error | retry unix - - n - - error
discard unix - - n - - discard | anvil unix - - n - 1 anvil | postlog unix-dgram n - n - 1 postlogd
C
  mkdir -p "$D/queue/pid" "$D/data"; chown postfix "$D/data"
  launch postfix -c "$D" start-fg
  for p in {1..100}; do [ -s "$D/queue/pid/master.pid" ] && break; sleep 0.1; done
  tr -d ' ' <"$D/queue/pid/master.pid" >"$D/pid"     # master leads a process group of its own
}
start_dovecot() {
  mkdir -p "$D/mail"; chown mail:mail "$D/mail"
  service() { # service LOGIN-PROCESS LISTENER PORT OPTION
    printf 'service %s {\n inet_listener %s {\n  address = 127.0.0.1\n  port = %s\n  %s\n }\n}\n' "$@"
  }
  rows "$D/dovecot.conf" <<C
protocols = imap pop3 lmtp sieve submission | base_dir = $D/run | state_dir = $D/state | log_path = /dev/stderr
ssl = $(if_tls required no) | ssl_cert = <$CERT | ssl_key = <$KEY | haproxy_trusted_networks = 127.0.0.0/8
first_valid_uid = 8 | mail_location = maildir:$D/mail/%u
passdb { | driver = static | args = user=test password=secret | }
userdb { | driver = static | args = uid=mail gid=mail home=$D/mail/%u allow_all_users=yes | }
submission_relay_host = 127.0.0.1 | submission_relay_port = $(port postfix)
$(service imap-login imap "$(port dovecot imap)" '')
$(service imap-login imap_haproxy "$(port dovecot imap+proxy)" 'haproxy = yes')
$(service imap-login imaps 0 '')
$(service pop3-login pop3 "$(port dovecot pop3)" '')
$(service pop3-login pop3s 0 '')
$(service lmtp lmtp "$(port dovecot lmtp)" '')
$(service managesieve-login sieve "$(port dovecot sieve)" '')
$(service submission-login submission "$(port dovecot submission)" '')
C
  launch dovecot -F -c "$D/dovecot.conf"
}
start_slapd() {
  mkdir -p "$D/db"
  rows "$D/slapd.conf" <<C
include /etc/ldap/schema/core.schema | pidfile $D/slapd.pid | modulepath /usr/lib/ldap | moduleload back_mdb
$(if_tls "TLSCACertificateFile $DIR/ca.pem | TLSCertificateFile $CERT | TLSCertificateKeyFile $KEY")
database mdb | suffix "dc=example,dc=com" | rootdn "cn=admin,dc=example,dc=com" | rootpw secret | directory $D/db
C
  printf 'dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n' |
    slapadd -f "$D/slapd.conf" >"$D/slapadd.log" 2>&1 || return 1
  chown -R openldap "$D"
  launch slapd -h "ldap://127.0.0.1:$(port slapd)" -f "$D/slapd.conf" -u openldap -g openldap -d stats
}
start_postgres() {
  local bin; bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
  cp "$CERT" "$D/cert.pem"; cp "$KEY" "$D/key.pem"; echo secret >"$D/pw"; chown -R postgres "$D"; chmod 600 "$D/key.pem"
  setpriv --reuid=postgres --regid=postgres --init-groups "$bin/initdb" -D "$D/data" -U test --pwfile="$D/pw" \
    --auth-host=scram-sha-256 --auth-local=trust --no-sync >"$D/initdb.log" 2>&1 || return 1
  if_tls 'hostssl all all 127.0.0.1/32 scram-sha-256' 'host all all 127.0.0.1/32 password' >"$D/data/pg_hba.conf"
  echo INT >"$D/sig"       # fast shutdown
  as postgres "$bin/postgres" -D "$D/data" -p "$(port postgres)" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c fsync=off -c ssl=$(if_tls on off) -c ssl_cert_file="$D/cert.pem" -c ssl_key_file="$D/key.pem"
}
start_mariadb() {
  chown mysql "$D"
  mariadb-install-db --no-defaults --user=mysql --datadir="$D/data" --auth-root-authentication-method=normal \
    --skip-test-db --skip-log-bin --innodb-flush-log-at-trx-commit=0 >"$D/install.log" 2>&1 || return 1
  printf "CREATE USER test@'%%' IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO test@'%%';\nCREATE USER open@'%%';\n" >"$D/init.sql"
  launch mariadbd --no-defaults --user=mysql --datadir="$D/data" --socket="$D/sock" --pid-file="$D/mariadb.pid" \
    --bind-address=127.0.0.1 --port="$(port mariadb)" --skip-name-resolve --max-connect-errors=1000000 \
    --init-file="$D/init.sql" --require-secure-transport=$(if_tls ON OFF) \
    $(if_tls "--ssl-ca=$DIR/ca.pem --ssl-cert=$CERT --ssl-key=$KEY" --skip-ssl)
}
start_vsftpd() {
  mkdir -p "$D/root" "$D/empty"; echo hello >"$D/root/hello.txt"
  rows "$D/vsftpd.conf" <<C
background=NO | listen=YES | listen_address=127.0.0.1 | listen_port=$(port vsftpd)
pasv_min_port=$((BASE + 500)) | pasv_max_port=$((BASE + 549)) | seccomp_sandbox=NO
anonymous_enable=YES | no_anon_password=YES | anon_root=$D/root | secure_chroot_dir=$D/empty | vsftpd_log_file=$D/vsftpd.log
ssl_enable=$(if_tls YES NO) | allow_anon_ssl=YES | force_anon_logins_ssl=YES | force_anon_data_ssl=YES | require_ssl_reuse=NO
ssl_ciphers=HIGH | rsa_cert_file=$CERT | rsa_private_key_file=$KEY
C
  launch vsftpd "$D/vsftpd.conf"
}
start_proftpd() {
  local kind=EC; [ "$LEAF" = rsa ] && kind=RSA
  mkdir -p "$D/root"; echo hello >"$D/root/hello.txt"
  rows "$D/proftpd.conf" <<C
ModulePath $X/proftpd-mod-crypto/usr/lib/proftpd | LoadModule mod_tls.c | ServerType standalone | ServerName peers
SocketBindTight on | DefaultAddress 127.0.0.1 | Port $(port proftpd) | PassivePorts $((BASE + 550)) $((BASE + 599))
UseIPv6 off | UseReverseDNS off | User nobody | Group nogroup | DelayEngine off | WtmpLog off
PidFile $D/proftpd.pid | ScoreboardFile $D/scoreboard | SystemLog $D/system.log | TLSLog $D/tls.log
TLSEngine $(if_tls on off) | TLSRequired auth | TLSOptions NoSessionReuseRequired
TLS${kind}CertificateFile $CERT | TLS${kind}CertificateKeyFile $KEY
<Anonymous $D/root> | User ftp | UserAlias anonymous ftp | RequireValidShell off | <Limit LOGIN> | AllowAll | </Limit> | </Anonymous>
C
  launch "$X/proftpd-core/usr/sbin/proftpd" -n -c "$D/proftpd.conf"
}
start_prosody() {
  mkdir -p "$D/data" "$D/plugins"; cp "$(dirname "$0")/mod_auth_bound.lua" "$D/plugins/"
  chown -R prosody "$D"
  cat >"$D/prosody.cfg.lua" <<C
daemonize = false; pidfile = "$D/prosody.pid"; data_path = "$D/data"
log = { { levels = { min = "debug" }, to = "file", filename = "$D/prosody.log" } }
interfaces = { "127.0.0.1" }; c2s_ports = { $(port prosody xmpp) }; s2s_ports = { $(port prosody xmpp-server) }
c2s_direct_tls_ports = {}; s2s_direct_tls_ports = {}; http_ports = {}; https_ports = {}
modules_enabled = { $(if_tls '"tls",') "saslauth", "roster", "disco", "ping", "dialback" }; modules_disabled = { "s2s_auth_certs" }
c2s_require_encryption = $(if_tls true false); s2s_require_encryption = $(if_tls true false); s2s_secure_auth = false
plugin_paths = { "$D/plugins" }; authentication = "bound"; bound_certificate = "$CERT"; ssl = { certificate = "$CERT"; key = "$KEY" }
VirtualHost "localhost"
C
  as prosody prosody -F --config "$D/prosody.cfg.lua"
}
start_inspircd() {
  cat >"$D/inspircd.conf" <<C
<config format="xml"> <path configdir="$D" datadir="$D" logdir="$D" runtimedir="$D" moduledir="/usr/lib/inspircd/modules">
<server name="irc.localhost" description="peer" network="peers"> <admin name="a" nick="a" email="a@localhost">
<bind address="127.0.0.1" port="$(port inspircd)" type="clients"> <pid file="$D/inspircd.pid">
<connect allow="*" timeout="60" resolvehostnames="no" useident="no" commandrate="100000" threshold="1000" localmax="1000" globalmax="1000">
<class name="none"> <type name="none" classes="none"> <log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="$D/inspircd.log">
<dns enabled="no" server="127.0.0.1" sourceip="127.0.0.1"> <module name="ssl_gnutls"> $(if_tls '<module name="starttls"> <starttls provider="gnutls">')
<sslprofile name="gnutls" provider="gnutls" cafile="$DIR/ca.pem" certfile="$CERT" keyfile="$KEY" hash="sha256">
C
  launch inspircd --nofork --runasroot --config "$D/inspircd.conf"
}
inn() { # what innd and nnrpd need: no articles, enough for CAPABILITIES, STARTTLS, GROUP, LIST
  inn=$X/inn2; mkdir -p "$D"/{db,spool/overview,spool/articles,logs,run,tmp}
  rows "$D/inn.conf" <<C
mta: "/bin/true" | organization: peers | ovmethod: tradindexed | hismethod: hisv6 | domain: localhost | pathhost: news.localhost
pathnews: $inn/usr/lib/news | pathbin: $inn/usr/lib/news/bin | pathfilter: $inn/etc/news/filter | pathetc: $D | pathdb: $D/db
patharticles: $D/spool/articles | pathoverview: $D/spool/overview | pathspool: $D/spool | pathlog: $D/logs | pathrun: $D/run | pathtmp: $D/tmp | nnrpdloadlimit: 0
$(if_tls "tlscafile: $DIR/ca.pem | tlscapath: $DIR | tlscertfile: $CERT | tlskeyfile: $D/key.pem")
C
  cp "$KEY" "$D/key.pem"; cp "$inn/etc/news/storage.conf" "$D/"; : >"$D/db/newsgroups"
  printf 'auth all { hosts: "*" default: "test" }\naccess all { users: "*" newsgroups: "*" access: RP }\n' >"$D/readers.conf"
  printf 'local.test 0000000000 0000000001 y\n' >"$D/db/active"; printf 'local.test 1 news\n' >"$D/db/active.times"
  export INNCONF=$D/inn.conf LD_LIBRARY_PATH=$inn/usr/lib/news:$X/inn2-inews/usr/lib/news
  as_news=(setpriv --reuid=news --regid=news --clear-groups)
}
inn_files() { # they are the news user's
  chown -R news:news "$D"; chmod 640 "$D/key.pem"
  "${as_news[@]}" "$inn/usr/lib/news/bin/overchan" </dev/null   # makes the empty overview
}
start_nnrpd() { # the reader daemon alone
  inn; inn_files
  launch "$inn/usr/lib/news/bin/nnrpd" -D -f -b 127.0.0.1 -p "$(port nnrpd)"      # as root it binds by itself, then turns into news
  unset INNCONF LD_LIBRARY_PATH
}
start_innd() { # loopback is a peer that feeds: who wants to read says MODE READER, and nnrpd takes over
  inn; printf 'port: %s\nbindaddress: 127.0.0.1\nbindaddress6: "::1"\n' "$(port innd)" >>"$D/inn.conf"
  printf '%s 0000000000 0000000001 n\n' junk control control.cancel >>"$D/db/active"
  printf 'ME:!*::\nnobody:!*:Tf:/dev/null\n' >"$D/newsfeeds"
  printf 'peer ME { hostname: "localhost, 127.0.0.1" }\n' >"$D/incoming.conf"
  : >"$D/db/history"; inn_files
  "${as_news[@]}" sh -c 'cd "$1" && exec "$2" -i -o -f history' sh "$D/db" "$inn/usr/lib/news/bin/makedbz" || return 1
  launch "${as_news[@]}" "$inn/usr/lib/news/bin/innd" -d -f -P "$(port innd)" -4 127.0.0.1
  unset INNCONF LD_LIBRARY_PATH
}
pki() { mkdir -p "$D/pki"; cp "$DIR/ca.pem" "$D/pki/ca-cert.pem"; cp "$CERT" "$D/pki/server-cert.pem"; cp "$KEY" "$D/pki/server-key.pem"; }
start_nbdkit() { pki; launch nbdkit -f -v -i 127.0.0.1 -p "$(port nbdkit)" --tls=$(if_tls require off) --tls-certificates="$D/pki" memory 1M; }
start_qemu_nbd() {
  pki; truncate -s 1M "$D/disk"
  local creds="--object tls-creds-x509,id=tls0,endpoint=server,dir=$D/pki,verify-peer=no --tls-creds tls0"
  launch qemu-nbd $(if_tls "$creds") \
    -b 127.0.0.1 -p "$(port qemu-nbd)" -t -e 10 -x disk -f raw "$D/disk"
}
start_tigervnc() {
  local p; p=$(port tigervnc); mkdir -p "$D/home"
  launch env HOME="$D/home" Xtigervnc ":$((p % 30000))" -rfbport "$p" -interface 127.0.0.1 -nolisten unix -nolisten tcp \
    -geometry 64x48 -depth 24 -SecurityTypes $(if_tls X509None None) -X509Cert "$CERT" -X509Key "$KEY" -Log '*:stderr:100'
}
start_xrdp() { # enough to come as far as a login
  rows "$D/xrdp.ini" <<C
[Globals] | port=tcp://127.0.0.1:$(port xrdp) | security_layer=$(if_tls tls rdp) | certificate=$CERT | key_file=$KEY | ssl_protocols=TLSv1.2, TLSv1.3
[Logging] | LogFile=$D/xrdp.log | LogLevel=INFO | EnableSyslog=false | EnableConsole=false
[Xvnc] | name=Xvnc | lib=libvnc.so | username=ask | password=ask | ip=127.0.0.1 | port=-1
C
  launch xrdp --nodaemon --config "$D/xrdp.ini"
}
start_nats() {
  printf 'listen: "127.0.0.1:%s"\npid_file: "%s/nats.pid"\nmax_connections: %s\n%s\n' "$(port nats)" "$D" "${PEERS_CONNECTIONS:-1000}" "$(if_tls "tls { cert_file: \"$CERT\", key_file: \"$KEY\" }")" >"$D/nats.conf"
  launch nats-server -c "$D/nats.conf"
}
start_upsd() { # with one UPS whose driver is not running; NSS wants a database
  mkdir -p "$D"/{etc,state,nss}; chmod 750 "$D/state"
  openssl pkcs12 -export -in "$CERT" -inkey "$KEY" -name server -passout pass: -out "$D/both.p12" &&
    certutil -N -d "$D/nss" --empty-password && certutil -A -d "$D/nss" -n ca -t CT,, -i "$DIR/ca.pem" &&
    pk12util -i "$D/both.p12" -d "$D/nss" -W '' >"$D/nss.log" || return 1
  rows "$D/etc/upsd.conf" <<C
LISTEN 127.0.0.1 $(port upsd) | $(if_tls "CERTPATH $D/nss | CERTIDENT server \"\"")
C
  printf '[test]\ndriver = dummy-ups\nport = none\n' >"$D/etc/ups.conf"
  printf '[test]\npassword = secret\nactions = SET\n' >"$D/etc/upsd.users"; chmod 640 "$D"/etc/*
  launch env NUT_CONFPATH="$D/etc" NUT_STATEPATH="$D/state" NUT_ALTPIDPATH="$D/state" "$X/nut-server/lib/nut/upsd" -FF -u root
}
start_munin_node() { # its folders are fixed at build time, in a module of which it gets a copy
  mkdir -p "$D"/{plugins,plugin-conf.d,state,perl/Munin/Common}
  sed "s#{/etc/munin}#{$D}#; s#{/var/lib/munin[^}]*}#{$D/state}#" /usr/share/perl5/Munin/Common/Defaults.pm >"$D/perl/Munin/Common/Defaults.pm"
  printf '#!/bin/sh\n[ "$1" = config ] && echo graph_title Load && echo load.label load && exit\necho load.value 0.5\n' >"$D/plugins/load"
  rows "$D/munin-node.conf" <<C
log_level 4 | log_file $D/munin.log | pid_file $D/munin.pid | background 0 | setsid 0 | user root | group root | host_name localhost
allow ^127\.0\.0\.1\$ | host 127.0.0.1 | port $(port munin-node) | tls enabled
$(if_tls "tls_private_key $KEY | tls_certificate $CERT") | tls_ca_certificate $DIR/ca.pem | tls_verify_certificate no
C
  chmod 755 "$D/plugins/load"; launch perl -T "-I$D/perl" /usr/sbin/munin-node --config "$D/munin-node.conf"
}
start_cups() { # it takes the certificate by the name that the client says: keep the one that there is
  mkdir -p "$D"/{spool,cache,state,ssl,root}; cp "$CERT" "$D/ssl/localhost.crt"; cp "$KEY" "$D/ssl/localhost.key"
  rows "$D/cupsd.conf" <<C
Listen 127.0.0.1:$(port cups) | ServerName localhost | ServerAlias * | Browsing Off | WebInterface No | DefaultAuthType None
DefaultEncryption IfRequested | <Location /> | Order allow,deny | Allow all | </Location>
C
  rows "$D/cups-files.conf" <<C
SystemGroup root | User nobody | Group nogroup | ServerRoot $D | CacheDir $D/cache | StateDir $D/state | RequestRoot $D/spool
DataDir $D/root | DocumentRoot $D/root | ServerKeychain ssl | CreateSelfSignedCerts no
AccessLog $D/access.log | ErrorLog $D/error.log | PageLog $D/page.log
C
  launch cupsd -f -c "$D/cupsd.conf" -s "$D/cups-files.conf"
}
start_origin() { launch openssl s_server -accept "127.0.0.1:$(port origin)" -www -quiet -cert "$CERT" -key "$KEY"; }
need() { alive "$DIR/$1" || "$0" start "$1" "$DIR"; }   # another peer that this one forwards to
start_squid() {
  need origin || return 1; mkdir -p "$D/run"; chown -R proxy "$D"
  rows "$D/squid.conf" <<C
http_port 127.0.0.1:$(port squid) | http_access allow all | cache deny all | visible_hostname localhost | shutdown_lifetime 0 seconds
access_log stdio:$D/access.log | cache_log $D/cache.log | cache_store_log none | pid_filename $D/run/squid.pid
coredump_dir $D/run | netdb_filename none | pinger_enable off | udp_incoming_address 127.0.0.1 | udp_outgoing_address 127.0.0.1
C
  launch squid -N -n "peers$BASE" -f "$D/squid.conf"
}
start_microsocks() { need origin || return 1; as nobody microsocks -i 127.0.0.1 -p "$(port microsocks)" -u test -P secret; }
start_dante() { # `danted` becomes the user that it is told to
  rows "$D/danted.conf" <<C
logoutput: stderr | internal: 127.0.0.1 port = $(port dante) | external: 127.0.0.1 | clientmethod: none | socksmethod: none
user.privileged: root | user.unprivileged: nobody
client pass { | from: 127.0.0.0/8 to: 0.0.0.0/0 | } | socks pass { | from: 127.0.0.0/8 to: 0.0.0.0/0 | command: connect | }
C
  need origin && launch danted -f "$D/danted.conf" -p "$D/danted.pid"
}
start_haproxy() { # v1 and v2 front ends send a PROXY header to HAPROXY_BACKEND (default: haproxy's own echo back end)
  local to; to=127.0.0.1:${HAPROXY_BACKEND:-$(port haproxy backend)}; cat "$CERT" "$KEY" >"$D/both.pem"
  rows "$D/haproxy.cfg" <<C
defaults | mode tcp | timeout connect 5s | timeout client 60s | timeout server 60s
listen v1 | bind 127.0.0.1:$(port haproxy proxy-v1) | server b $to send-proxy
listen v2 | bind 127.0.0.1:$(port haproxy proxy-v2) | server b $to send-proxy-v2 proxy-v2-options unique-id,crc32c | unique-id-format %ci:%cp
frontend echo | mode http | bind 127.0.0.1:$(port haproxy backend) accept-proxy ssl crt $D/both.pem
http-request return status 200 content-type text/plain lf-string "src=%[src]:%[src_port] dst=%[dst]:%[dst_port] uid=%[fc_pp_unique_id]\n"
C
  launch haproxy -db -f "$D/haproxy.cfg"
}

jetblack_demo() { # jetblack_demo N FILE: the N-th python block of the package's README (its demos), with our port and files
  awk -v k="$1" '/^```python/{n++; on=1; next} /^```/{on=0} on && n==k' "$VENV"/lib/python3*/site-packages/jetblack_upgradeable_streams-*.dist-info/METADATA |
    sed "s#socket.getfqdn()#'localhost'#; s#10001#$(port jetblack)#; s#/etc/ssl/certs/ca-certificates.crt#$DIR/ca.pem#; s#~/.keys/server.crt#$CERT#
         s#~/.keys/server.key#$KEY#; s#reader, writer = await writer#old = writer; &#" >"$2"    # "old": README.md tells why
}
start_jetblack() ( # its read loop spins for ever, logging, once a client goes without QUIT: cap the log (print then fails, which ends it)
  jetblack_demo 1 "$D/client.py"; jetblack_demo 2 "$D/server.py"; ulimit -f 1024
  launch "$VENV/bin/python" -u "$D/server.py"
)

# ---------------------------------------------------------------- checks, each with clients that nobody here wrote
SAID='' BAD=''
run() { # run LABEL REGEX CMD...: CMD's output must match; leaves it in OUT
  local label=$1 re=$2; shift 2
  OUT=$(timeout "${T:-20}" "$@" 2>&1 </dev/null | tr -d '\0')
  if grep -Eq -- "$re" <<<"$OUT"; then SAID+=" +$label"; else BAD+=" $label: $(grep -v '^$' <<<"$OUT" | tail -3 | tr '\n' '|' | cut -c1-300);"; return 1; fi
}
tls() { # tls PROTO PORT [s_client options]: in-band upgrade with openssl s_client, certificate and name verified
  local proto=$1 port=$2; shift 2
  SAID+="${SAID:+;} $proto"
  run s_client '^Verification: OK' openssl s_client -starttls "$proto" -connect "localhost:$port" -CAfile "$DIR/ca.pem" \
    -verify_return_error -verify_hostname localhost -brief "$@" &&
    SAID+=" $(sed -n 's/^Protocol version: //p' <<<"$OUT") $(sed -n 's/^Ciphersuite: //p' <<<"$OUT")"
}
gtls() { run gnutls-cli 'Handshake was completed' gnutls-cli --starttls-proto="$1" --x509cafile="$DIR/ca.pem" -p "$2" localhost; }
CURL() { local label=$1 re=$2; shift 2; run "$label" "$re" curl -sS -v --cacert "$DIR/ca.pem" "$@"; }
SWAKS() { run "swaks $1" '~> QUIT' swaks --server localhost --to test@localhost --from a@localhost --tls --tls-verify --tls-ca-path "$DIR/ca.pem" "${@:2}"; }

smtp() { tls smtp "$1"; gtls smtp "$1"; SWAKS '' --port "$1"; CURL curl 'SSL certificate verify ok' "smtp://localhost:$1" --ssl-reqd --mail-from a@localhost --mail-rcpt test@localhost -T /etc/hostname; }
check_postfix() { smtp "$(port postfix smtp)"; SWAKS PROXYv1 --port "$(port postfix smtp+proxy)" --proxy 'TCP4 192.0.2.9 127.0.0.1 9999 25'; SWAKS PROXYv2 --port "$(port postfix smtp+proxy)" --proxy-version 2 --proxy-family AF_INET --proxy-protocol STREAM --proxy-command PROXY --proxy-source 192.0.2.9 --proxy-source-port 9999 --proxy-dest 127.0.0.1 --proxy-dest-port 25; }

check_dovecot() {
  local p
  p=$(port dovecot imap); tls imap "$p"; gtls imap "$p"; CURL curl 'OK .*[Cc]ompleted' "imap://localhost:$p/" --ssl-reqd -u test:secret
  CURL PROXYv1 'OK .*[Cc]ompleted' --haproxy-protocol "imap://localhost:$(port dovecot imap+proxy)/" --ssl-reqd -u test:secret
  p=$(port dovecot pop3); tls pop3 "$p"; gtls pop3 "$p"; CURL curl '\+OK Logged in' "pop3://localhost:$p/" --ssl-reqd -u test:secret
  p=$(port dovecot lmtp); tls lmtp "$p"; gtls lmtp "$p"; SWAKS lmtp --port "$p" --protocol LMTP
  p=$(port dovecot sieve); tls sieve "$p"; gtls sieve "$p"
  p=$(port dovecot submission); tls smtp "$p"
}
check_slapd() { # libldap takes "localhost" for this machine's host name when it checks the certificate: use the IP SAN
  local p; p=$(port slapd); tls ldap "$p"; gtls ldap "$p"
  run 'ldapsearch -ZZ' '^dc: example' env LDAPTLS_CACERT="$DIR/ca.pem" LDAPTLS_REQCERT=demand ldapsearch -x -ZZ -H "ldap://127.0.0.1:$p" \
    -D cn=admin,dc=example,dc=com -w secret -b dc=example,dc=com -s base
}
PSQL() { run psql "$2" psql "host=localhost port=$1 user=test password=secret dbname=$3 sslmode=verify-full sslrootcert=$DIR/ca.pem${4:-}" -Atc "$5"; }
check_postgres() {
  local p; p=$(port postgres); tls postgres "$p"; gtls postgres "$p"
  PSQL "$p" '^t.TLSv1' postgres ' channel_binding=require' 'select ssl,version,cipher from pg_stat_ssl where pid=pg_backend_pid()'
}
check_mariadb() {
  tls mysql "$(port mariadb)"
  run mariadb '^Ssl_version.TLS' mariadb --no-defaults --protocol=tcp -h localhost -P "$(port mariadb)" -u test -psecret \
    --ssl-ca="$DIR/ca.pem" --ssl-verify-server-cert -Ne "show status like 'Ssl_version'"
}
ftp() { tls ftp "$1"; gtls ftp "$1"; CURL curl '^hello' "ftp://${2:-}localhost:$1/hello.txt" --ssl-reqd; }
check_vsftpd() { ftp "$(port vsftpd)"; }
check_proftpd() { ftp "$(port proftpd)"; CURL 'curl CCC' '^hello' "ftp://localhost:$(port proftpd)/hello.txt" --ssl-reqd --ftp-ssl-ccc; }
xmpp() { tls xmpp "$(port "$1" xmpp)" -xmpphost localhost; gtls xmpp "$(port "$1" xmpp)"; tls xmpp-server "$(port "$1" xmpp-server)" -xmpphost localhost; }
check_prosody() { xmpp prosody; }
check_inspircd() { tls irc "$(port inspircd)"; }
check_innd() {
  local p; p=$(port innd)
  run nntplib 'local.test' python3 -W ignore -c "import nntplib,ssl; n=nntplib.NNTP('localhost',$p,readermode=True); n.starttls(ssl.create_default_context(cafile='$DIR/ca.pem')); print(n.list())"
}
check_nnrpd() {
  local p; p=$(port nnrpd); tls nntp "$p"; gtls nntp "$p"
  run nntplib 'local.test' python3 -W ignore -c "import nntplib,ssl; n=nntplib.NNTP('localhost',$p); n.starttls(ssl.create_default_context(cafile='$DIR/ca.pem')); print(n.list())"
}
NBD() { # with libnbd and with QEMU
  local p=$1 e=$2 d=$DIR/$3/client; mkdir -p "$d"; cp "$DIR/ca.pem" "$d/ca-cert.pem"; cp "$DIR/client.pem" "$d/client-cert.pem"; cp "$DIR/client.key" "$d/client-key.pem"
  run nbdinfo 'with TLS' nbdinfo "nbds://test@localhost:$p/$e?tls-certificates=$d"
  run 'qemu-img' 'virtual size: 1 MiB' qemu-img info --object "tls-creds-x509,id=t,endpoint=client,dir=$d" \
    --image-opts "driver=nbd,host=localhost,port=$p,export=$e,tls-creds=t"
}
check_nbdkit() { NBD "$(port nbdkit)" '' nbdkit; }
check_qemu_nbd() { NBD "$(port qemu-nbd)" disk qemu-nbd; }
check_tigervnc() { # gvnccapture takes its CA from ~/.pki, whatever HOME says: give it a /root of its own
  local h=$DIR/tigervnc/viewer; mkdir -p "$h/.pki/CA"; cp "$DIR/ca.pem" "$h/.pki/CA/cacert.pem"
  run gvnccapture 'Saved display|created|Done' env LD_LIBRARY_PATH="$X/libgvnc-1.0-0/usr/lib/x86_64-linux-gnu" unshare -m sh -c \
    'mount --bind "$1" /root && exec "$2" "$3" /root/shot.png' sh "$h" "$X/gvncviewer/usr/bin/gvnccapture" "localhost:$(( $(port tigervnc) - 5900 ))"
  SAID+=" $(grep -o '(TLS1[^ ]*' "$DIR/tigervnc/log" | tail -1)"
}
via() { CURL curl 'SSL connection using' "https://localhost:$(port origin)/" "$@" && SAID+=" $(sed -n 's/.*SSL connection using \([^ ]*\) . /\1 /p' <<<"$OUT" | tail -1)"; }
check_origin() { via; }
check_squid() { via -p -x "http://localhost:$(port squid)"; }
check_microsocks() { via --socks5-hostname "test:secret@localhost:$(port microsocks)"; }
check_dante() { via --socks4 "localhost:$(port dante)"; }
check_xrdp() { run sslscan 'Subject: +localhost' sslscan --no-colour --rdp "localhost:$(port xrdp)"; }
check_nats() { run nats-py '^pong' "$VENV/bin/python" "$(dirname "$0")/python/nats_client.py" --port "$(port nats)" --cafile "$DIR/ca.pem"; }
check_upsd() { run upsc 'handshake done successfully' env LD_LIBRARY_PATH="$X/libupsclient6/lib/x86_64-linux-gnu" "$X/nut-client/bin/upsc" -l "localhost:$(port upsd)"; }
check_munin_node() { run munin '^load.value' perl "$(dirname "$0")/munin_client.pl" "$(port munin-node)" "$DIR/ca.pem" 'fetch load'; }
check_cups() { run lpstat 'scheduler is running' lpstat -E -h "localhost:$(port cups)" -r; }
check_haproxy() { for v in 1 2; do CURL "curl v$v" '^src=127' "https://localhost:$(port haproxy proxy-v$v)/" && SAID+=" $(grep -o 'src=.*' <<<"$OUT")"; done; }
check_jetblack() { # the demo client sends its ClientHello right after STARTTLS, so one run in five hangs: allow ten tries
  local i T=2
  for i in {1..10}; do
    BAD=''; run "demo client (try $i)" 'SSLContext.*Received: PONG' \
      sh -c '"$0" "$1" 2>&1 | tr "\n" "|"' "$VENV/bin/python" "$DIR/jetblack/client.py" && break
    do_stop jetblack >/dev/null; do_start jetblack >/dev/null     # a client that went without QUIT leaves it spinning
  done
}
do_check() {
  SAID='' BAD=''
  alive "$DIR/$1" || { echo "$1 FAILED: not running under $DIR"; return 1; }
  "check_${1//-/_}"
  if [ -z "$BAD" ]; then echo "$1 ok$SAID"; else echo "$1 FAILED:$BAD (ok:$SAID)"; return 1; fi
}

# ---------------------------------------------------------------- main
each() { local f=$1 n rc=0; shift; for n in $([ "$1" = all ] && echo $NAMES || echo "$1"); do "$f" "$n" || rc=1; done; return $rc; }
setdir() { DIR=${1:-${PEERS_DIR:-/tmp/starttls-peers/run}}; mkdir -p "$DIR"; DIR=$(realpath "$DIR"); CERT=$DIR/$LEAF.pem; KEY=$DIR/$LEAF.key; }
case ${1:-} in
  install) do_install ;;
  start) setdir "${3:-}"; each do_start "${2:?NAME or all}" ;;
  check) setdir "${3:-}"; each do_check "${2:?NAME or all}" ;;
  certs) setdir "${2:-}"; make_certs ;;
  stop) setdir "${2:-}"; do_stop "${3:-}" ;;
  list)
    while read -r n proto off pkg; do [ -n "$n" ] || continue
      case $pkg in
        x:*) v=$(basename "$HOME_/dl/${pkg#x:}"_*.deb 2>/dev/null | cut -d_ -f2) ;;
        pip:*) v=$("$VENV/bin/pip" show "${pkg#pip:}" 2>/dev/null | sed -n 's/^Version: //p') ;;
        *) v=$(dpkg-query -W -f '${Version}' "$pkg" 2>/dev/null) ;;
      esac
      printf '%-11s %-12s %5d  %-24s %s\n' "$n" "$proto" $((BASE + off)) "${pkg#*:}" "${v:-not-installed}"
    done <<<"$PEERS" ;;
  *) sed -n '2,16s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
