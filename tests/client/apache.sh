#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Apache with its keys on a token whose store belongs to root: the parent loads the keys through OpenSSL's engine, and
# children that run as www-data sign. It runs from a directory of its own; the system's Apache is not touched.
[ "$(id -u)" -eq 0 ] || . "$(dirname "$0")/../field/own_namespace.sh"
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'Apache' apache2-bin

make_token client
make_server_certificates

chmod 700 tokens
chmod 711 "$scratch"
: >module.log
chmod 666 module.log
mkdir www
echo 'served by a virtual TPM' >www/index.html
port=$(free_port)
modules=/usr/lib/apache2/modules
cat >apache.conf <<CONF
ServerName localhost
ServerRoot $scratch
DefaultRuntimeDir $scratch
PidFile $scratch/apache.pid
LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule ssl_module $modules/mod_ssl.so
User www-data
Group www-data
StartServers 2
MinSpareServers 2
MaxSpareServers 2
ErrorLog $scratch/error.log
LogLevel info
LogFormat "%P %{SSL_CIPHER}x %>s" worker
CustomLog $scratch/access.log worker
SSLCryptoDevice pkcs11
SSLSessionCache none
SSLSessionTickets off
Listen 127.0.0.1:$port
<VirtualHost *:$port>
  DocumentRoot $scratch/www
  KeepAlive off
  SSLEngine on
  SSLCertificateFile $scratch/rsa.pem
  SSLCertificateKeyFile "$(key_url rsa)"
  SSLCertificateFile $scratch/ec.pem
  SSLCertificateKeyFile "$(key_url ec)"
</VirtualHost>
CONF

# Apache ends its process group when it ends.
serve apache setsid /usr/sbin/apache2 -f "$scratch/apache.conf" -D FOREGROUND
master=${servers[apache]}
at_exit() { # of a test that has failed: else Apache is gone
  [ -z "${servers[apache]:-}" ] || tail -n 20 error.log || true # it may not have begun
}

get() { # curl's options; the client is plain OpenSSL
  OPENSSL_CONF=/dev/null curl --silent --show-error --fail --max-time 20 --cacert both.pem "$@" \
    --connect-to "localhost:443:127.0.0.1:$port" https://localhost/index.html
}
children() { pgrep -P "$master" | sort; }
serve_all() {
  for _ in 1 2 3; do
    for suite in ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256; do
      get --tls-max 1.2 --ciphers $suite >page
      cmp page www/index.html
    done
    get --tlsv1.3 >page
    cmp page www/index.html
  done
}
# FILE: none of the processes in it runs any more, and other ones serve.
others_than() { [ -n "$(children)" ] && [ -z "$(children | comm -12 "$1" -)" ]; }
graceful() {
  children >before
  kill -USR1 "$master"
  eventually others_than before
  eventually get
  serve_all
}

section 'children of www-data sign with the keys of a store of root'
eventually get
serve_all
# shellcheck disable=SC2046 # no word or two
ps -o user= -p "$(children | paste -sd,)" >users
has_not users '^root'
OPENSSL_CONF=/dev/null openssl s_client -connect "127.0.0.1:$port" -servername localhost -CAfile both.pem \
  -verify_return_error </dev/null >s_client.out 2>&1
has s_client.out 'Verify return code: 0'

section 'a graceful restart'
graceful

section 'a child is killed'
children | head -n 1 >before
kill -KILL "$(cat before)"
eventually others_than before
serve_all

if ours; then
  store=$(store_of client)
  section "the log says once for each child that it reads the store through its parent's descriptor"
  grep -o "\[[0-9]*\] warning: $store is out of reach of this process" module.log | sort >said
  [ -s said ]
  sort -u said | cmp - said

  section 'the store is given to www-data, and taken back'
  chown -R www-data tokens
  graceful
  chown -R root tokens
  serve_all
  graceful
fi

section 'a clean end'
stop apache
sed -E '/exit signal Killed/d' error.log >complaints
has_not complaints ':(emerg|alert|crit|error)\]'
