#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A pre-fork server: nginx loads its TLS keys in the master, through OpenSSL's engine pkcs11; two workers sign with them.
# A worker is killed, the configuration is reloaded, and the server goes on. Then the same with Debian's set-up: the
# store belongs to root, and the workers run as www-data. It runs from a directory of its own, on a socket of its own;
# the system's nginx is not touched.
[ "$(id -u)" -eq 0 ] || . "$(dirname "$0")/../field/own_namespace.sh"
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'nginx' nginx-light

make_token client
make_server_certificates

mkdir www temporary
echo 'served by a virtual TPM' >www/index.html
configure() { # USER DIRECTIVE…: for the workers, and for the environment that they keep
  cat >nginx.conf <<CONF
user $1;
$(printf '%s\n' "${@:2}")
daemon off;
worker_processes 2;
error_log $scratch/nginx.log info;
pid $scratch/nginx.pid;
ssl_engine pkcs11;
events { worker_connections 64; }
http {
  log_format worker '\$pid \$ssl_cipher \$status';
  access_log $scratch/access.log worker;
  client_body_temp_path $scratch/temporary;
  proxy_temp_path $scratch/temporary;
  fastcgi_temp_path $scratch/temporary;
  uwsgi_temp_path $scratch/temporary;
  scgi_temp_path $scratch/temporary;
  ssl_session_tickets off;
  ssl_session_cache off;
  server {
    listen unix:$scratch/socket ssl;
    root $scratch/www;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate $scratch/rsa.pem;
    ssl_certificate_key "engine:pkcs11:$(key_url rsa)";
    ssl_certificate $scratch/ec.pem;
    ssl_certificate_key "engine:pkcs11:$(key_url ec)";
  }
}
CONF
}
nginx=$(PATH=$PATH:/usr/sbin:/sbin type -P nginx)
start() {
  "$nginx" -p "$scratch" -e "$scratch/nginx.log" -c "$scratch/nginx.conf" &
  master=$!
}
at_exit() { # of a test that has failed: else nginx is gone
  kill -TERM $master 2>/dev/null || return 0
  wait $master || true
  tail -n 20 nginx.log
}

# The client is OpenSSL without an engine.
get() { # curl's options
  OPENSSL_CONF=/dev/null curl --silent --show-error --fail --max-time 20 --cacert both.pem --unix-socket socket "$@" \
    https://localhost/
}
wait_until_served() {
  for _ in $(seq 200); do
    if get >/dev/null 2>&1; then return; fi
    sleep 0.05
  done
  get
}
workers() { pgrep -P $master | sort; }
two_workers_without() { # FILE: none of these processes is left, and there are two
  for _ in $(seq 400); do
    if [ "$(workers | wc -l)" -eq 2 ] && [ -z "$(workers | comm -12 "$1" -)" ]; then return; fi
    sleep 0.05
  done
  echo 'the workers are:' "$(workers)"
  return 1
}
serve_all() {
  for _ in 1 2 3 4 5; do
    for suite in ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256; do
      get --tls-max 1.2 --ciphers $suite >page
      cmp page www/index.html
    done
    get --tlsv1.3 >page
    cmp page www/index.html
  done
}
# Connects until every worker has signed, because the kernel decides which worker accepts a connection.
both_serve() {
  local others gets
  for _ in $(seq 50); do
    : >access.log
    gets=()
    for _ in $(seq 8); do
      get >/dev/null &
      gets+=($!)
    done
    wait "${gets[@]}"
    awk '$3 == 200 { print $1 }' access.log | sort -u >served
    others=$(workers | comm -23 - served)
    [ -n "$others" ] || return 0
  done
  echo "never served: $others"
  return 1
}

no_complaint() {
  grep -v 'exited on signal 9' nginx.log >complaints
  has_not complaints '\[(emerg|alert|crit|error)\]'
}

section 'two workers'
configure root 'env OPENSSL_CONF;' 'env VTPM_PKCS11_CONF;'
start
wait_until_served
two_workers_without /dev/null
serve_all
both_serve
OPENSSL_CONF=/dev/null openssl s_client -unix socket -servername localhost -CAfile both.pem -verify_return_error \
  </dev/null >s_client.out 2>&1
has s_client.out 'Verify return code: 0'

section 'a worker is killed: the master forks another'
workers | head -n 1 >before
kill -KILL "$(cat before)"
two_workers_without before
wait_until_served
serve_all
both_serve

section 'reload: the master loads the keys again, forks new workers, and the old ones end'
workers >before
kill -HUP $master
two_workers_without before
wait_until_served
serve_all
both_serve

section 'a clean end, and no error except for the killed worker'
kill -QUIT $master
wait $master
no_complaint

# nginx removes variables from its workers' environment unless its configuration names them. The token directory is
# 0700, the file 0600.
section 'workers of www-data, a store of root'
if ours; then
  store=$(store_of client)
  chmod 700 tokens
  stat -c '%U %a' "$store" >rights
  has rights '^root 600$'
fi
rm -f module.log nginx.log socket
: >module.log
chmod 666 module.log # of debug level, by workers too
chmod 711 "$scratch"
configure www-data
start
workers_are_not_roots() {
  # shellcheck disable=SC2046 # no word or two
  ps -o user= -p "$(workers | paste -sd,)" >users
  has_not users -v '^root'
  has users 'www-data'
}
wait_until_served
two_workers_without /dev/null
workers_are_not_roots
serve_all
both_serve

section 'workers of www-data: one is killed'
workers | head -n 1 >before
kill -KILL "$(cat before)"
two_workers_without before
wait_until_served
both_serve

section 'workers of www-data: reload'
reload() {
  workers >before
  kill -HUP $master
  two_workers_without before
  wait_until_served
  serve_all
  both_serve
}
reload

if ours; then
  section "the log says once for each worker that it reads the store through its parent's descriptor"
  for worker in $(workers); do
    [ "$(grep -c "\[$worker\] warning: $store is out of reach of this process" module.log)" -eq 1 ]
  done

  section 'the PIN is changed while the server runs: another worker logs in as its parent did'
  logged_in --change-pin --new-pin 161803
  workers | head -n 1 >before
  kill -KILL "$(cat before)"
  two_workers_without before
  both_serve
  in_token --login --pin 161803 --change-pin --new-pin "$PIN"

  section 'the store is given to www-data, and taken back'
  chown -R www-data tokens
  both_serve
  reload
  has_not <(grep "\[$(workers | head -n 1)\]" module.log) 'out of reach'
  chown -R root tokens
  serve_all
  both_serve
  reload
fi

section 'a clean end of the server with workers of www-data'
kill -QUIT $master
wait $master
no_complaint
