#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenDNSSEC's ods-hsmutil: keys of a repository, their DNSKEY records, and its own test of the module.
. "$(dirname "$0")/client.sh"
client 'ods-hsmutil' libhsm-bin

make_token client
cat >conf.xml <<XML
<?xml version="1.0" encoding="UTF-8"?>
<Configuration>
  <RepositoryList>
    <Repository name="token">
      <Module>$VTPM_MODULE</Module>
      <TokenLabel>client</TokenLabel>
      <PIN>$PIN</PIN>
    </Repository>
  </RepositoryList>
</Configuration>
XML
hsmutil() { command ods-hsmutil -f -c conf.xml "$@"; }
hex_of() { od -An -tx1 -v "$1" | tr -d ' \n'; }

section 'generate and list: RSA and ECDSA'
into rsa hsmutil generate token rsa 2048
into ecdsa hsmutil generate token ecdsa 256
into list hsmutil list token
[ "$(grep -c '^token' list)" = 2 ]
id_of() { awk -v type="$1" '$1 == "token" && toupper($3) ~ type { print $2; exit }' list; }

section 'dnskey: the record has the public key of the token'
into record hsmutil dnskey "$(id_of RSA)" example. 257 8
sed -E 's/.*DNSKEY[[:space:]]+257 3 8 //; s/[; ].*//' record | tr -d ' ' | openssl base64 -d -A >dnskey
in_token --read-object --type pubkey --id "$(id_of RSA)" -o rsa.der
modulus=$(openssl rsa -pubin -inform DER -in rsa.der -noout -modulus | cut -d = -f 2)
[ "$(hex_of dnskey | tail -c 512 | tr a-f A-F)" = "$modulus" ]

section 'test: what OpenDNSSEC asks of a module'
hsmutil test token >test.out 2>&1 || true # it ends with the number of failures
has test.out 'OK'
grep 'Failed$' test.out | grep -v -E '(512|768)-bit|GOST' >missing || true # sizes of the past
has_not missing .

section 'remove and purge'
id=$(id_of RSA)
hsmutil remove "$id"
into list hsmutil list token
has list '^token'
has_not list "$id"
hsmutil purge token <<<YES >purged
into list hsmutil list token
has_not list '^token'
