#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Java's SunPKCS11: keytool, jarsigner, and a program that signs, decrypts, agrees on a secret and speaks TLS.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'Java SunPKCS11' openjdk-17-jdk-headless openjdk-21-jdk-headless

make_token client
make_ca
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
slot=$(p11 --list-token-slots | awk '/^Slot [0-9]+ \(/ { slot = $3; gsub(/[():]/, "", slot) } /token label +: client$/ { print slot; exit }')
printf 'name = Token\nlibrary = %s\nslot = %d\n' "$VTPM_MODULE" "$slot" >pkcs11.cfg
# One small heap is enough; a JIT of the first level starts fastest.
export JAVA_TOOL_OPTIONS='-Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto'
store=(-keystore NONE -storetype PKCS11 -storepass "$PIN" -providerClass sun.security.pkcs11.SunPKCS11 -providerArg pkcs11.cfg)

cat >Client.java <<'JAVA'
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.X509Certificate;
import java.security.spec.*;
import javax.crypto.*;
import javax.crypto.spec.*;
import javax.net.ssl.*;

public class Client {
  static Provider token = Security.getProvider("SunPKCS11").configure("pkcs11.cfg");
  static KeyStore store;

  static PrivateKey key(String alias) throws Exception { return (PrivateKey) store.getKey(alias, null); }
  static byte[] read(String name) throws Exception { return Files.readAllBytes(Path.of(name)); }
  static void write(String name, byte[] bytes) throws Exception { Files.write(Path.of(name), bytes); }

  static void sign(String algorithm, String alias, String out) throws Exception {
    Signature signature = Signature.getInstance(algorithm, token);
    signature.initSign(key(alias));
    signature.update(read("message"));
    write(out, signature.sign());
  }

  // The session key is extractable, because generateSecret reads its value.
  static void agree(String peer, String out) throws Exception {
    KeyAgreement agreement = KeyAgreement.getInstance("ECDH", token);
    agreement.init(key("ec"));
    agreement.doPhase(KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(read(peer))), true);
    write(out, agreement.generateSecret());
  }

  static void aes() throws Exception {
    KeyGenerator generator = KeyGenerator.getInstance("AES", token);
    generator.init(256);
    SecretKey secret = generator.generateKey();
    for (String mode : new String[] {"AES/CBC/PKCS5Padding", "AES/GCM/NoPadding", "AES/CTR/NoPadding"}) {
      Cipher cipher = Cipher.getInstance(mode, token);
      AlgorithmParameterSpec parameters =
          mode.contains("GCM") ? new GCMParameterSpec(128, new byte[12]) : new IvParameterSpec(new byte[16]);
      cipher.init(Cipher.ENCRYPT_MODE, secret, parameters);
      byte[] sealed = cipher.doFinal(read("message"));
      cipher = Cipher.getInstance(mode, token);
      cipher.init(Cipher.DECRYPT_MODE, secret, parameters);
      if (!java.util.Arrays.equals(cipher.doFinal(sealed), read("message"))) throw new Exception(mode);
    }
    // The key is known, so that OpenSSL can compute the same result.
    Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding", token);
    cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(read("aes"), "AES"), new IvParameterSpec(new byte[16]));
    write("aes.sealed", cipher.doFinal(read("message")));
    Mac mac = Mac.getInstance("HmacSHA256", token);
    mac.init(new SecretKeySpec(read("aes"), "HmacSHA256"));
    write("mac", mac.doFinal(read("message")));
  }

  static SSLContext context() throws Exception {
    KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
    keys.init(store, null);
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null);
    trusted.setCertificateEntry("ca", java.security.cert.CertificateFactory.getInstance("X.509")
        .generateCertificate(new FileInputStream("ca.pem")));
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  // Prints the names of the client and the server, and ends when its input ends.
  static void serve() throws Exception {
    SSLServerSocket server = (SSLServerSocket) context().getServerSocketFactory()
        .createServerSocket(0, 5, InetAddress.getByName("127.0.0.1"));
    server.setNeedClientAuth(true);
    write("port.new", Integer.toString(server.getLocalPort()).getBytes());
    Files.move(Path.of("port.new"), Path.of("port"));
    while (true) {
      try (SSLSocket socket = (SSLSocket) server.accept()) {
        BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream()));
        String line = in.readLine();
        if (line == null) continue;
        socket.getOutputStream().write((line + " over " + socket.getSession().getProtocol() + " by "
            + socket.getSession().getPeerPrincipal() + "\n").getBytes());
        if (line.equals("end")) return;
      } catch (IOException e) {
        System.out.println(e);
      }
    }
  }

  static void connect(int port, String protocol) throws Exception {
    try (SSLSocket socket = (SSLSocket) context().getSocketFactory().createSocket("localhost", port)) {
      socket.setEnabledProtocols(new String[] {protocol});
      socket.getOutputStream().write("GET / HTTP/1.0\r\n\r\n".getBytes());
      socket.getInputStream().transferTo(System.out);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Security.insertProviderAt(token, 1);
    store = KeyStore.getInstance("PKCS11", token);
    store.load(null, System.getenv("PIN").toCharArray());
    switch (arguments[0]) {
      case "sign" -> {
        for (String a : new String[] {"SHA256withRSA", "SHA512withRSA"}) sign(a, "rsa", a);
        for (String a : new String[] {"SHA256withECDSA"}) sign(a, "ec", a);
        Signature pss = Signature.getInstance("RSASSA-PSS", token);
        pss.setParameter(new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1));
        pss.initSign(key("rsa"));
        pss.update(read("message"));
        write("pss", pss.sign());
      }
      case "decrypt" -> {
        Cipher cipher = Cipher.getInstance("RSA/ECB/PKCS1Padding", token);
        cipher.init(Cipher.DECRYPT_MODE, key("rsa"));
        write("opened", cipher.doFinal(read("sealed")));
      }
      case "agree" -> agree("peer.der", "agreed");
      case "aes" -> aes();
      case "serve" -> serve();
      case "connect" -> connect(Integer.parseInt(arguments[1]), arguments[2]);
    }
  }
}
JAVA
javac -d classes Client.java
java_client() { java -cp classes Client "$@"; }
printf 'a message' >message

section 'keytool -list: keys with their certificates'
keytool -list "${store[@]}" >list
has list '^rsa, PrivateKeyEntry'
has list '^ec, PrivateKeyEntry'

section 'keytool -genkeypair, RSA and EC, with a certificate that OpenSSL verifies'
keytool -genkeypair "${store[@]}" -alias made-rsa -keyalg RSA -keysize 2048 -dname CN=made-rsa -validity 30
keytool -genkeypair "${store[@]}" -alias made-ec -keyalg EC -groupname secp384r1 -dname CN=made-ec -validity 30
for alias in made-rsa made-ec; do
  keytool -exportcert "${store[@]}" -alias $alias -rfc -file $alias.pem
  openssl verify -CAfile $alias.pem -check_ss_sig $alias.pem
done

section 'keytool -certreq, and the answer of a plain CA imported with -importcert'
keytool -certreq "${store[@]}" -alias made-rsa -file request.pem
openssl req -in request.pem -noout -verify
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 30 -extfile extensions -out made-rsa.pem
cat made-rsa.pem ca.pem >chain.pem
keytool -importcert "${store[@]}" -alias made-rsa -file chain.pem -noprompt
keytool -exportcert "${store[@]}" -alias made-rsa -rfc -file answer.pem
openssl verify -CAfile ca.pem answer.pem

section 'keytool -changealias and -delete'
keytool -changealias "${store[@]}" -alias made-ec -destalias renamed
keytool -delete "${store[@]}" -alias renamed
keytool -list "${store[@]}" >list
has_not list 'renamed|made-ec'

section 'jarsigner signs, OpenSSL verifies'
printf 'content' >content
jar --create --file signed.jar content
jarsigner "${store[@]}" signed.jar rsa
jarsigner -verify -keystore NONE -storetype PKCS11 -storepass "$PIN" -providerClass sun.security.pkcs11.SunPKCS11 \
  -providerArg pkcs11.cfg signed.jar >verified
has verified 'jar verified'
jar --extract --file signed.jar META-INF
openssl cms -verify -binary -inform DER -in META-INF/RSA.RSA -content META-INF/RSA.SF -CAfile ca.pem -purpose any -out /dev/null

section 'signatures: RSA, PSS and ECDSA'
java_client sign
for hash in 256 512; do openssl dgst -sha$hash -verify rsa.pub -signature SHA${hash}withRSA message; done
openssl dgst -sha256 -verify ec.pub -signature SHA256withECDSA message
openssl dgst -sha256 -verify rsa.pub -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -signature pss message

section 'decryption'
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in message -out sealed
java_client decrypt
cmp message opened

section 'KeyAgreement: generateSecret of ECDH'
openssl ecparam -name prime256v1 -genkey -noout -out peer.pem
openssl pkey -in peer.pem -pubout -outform DER -out peer.der
java_client agree
openssl pkeyutl -derive -inkey peer.pem -peerkey ec.pub -out expected
cmp agreed expected

section 'AES and HMAC with session keys'
head -c 32 /dev/urandom >aes
java_client aes
openssl enc -aes-256-cbc -K "$(od -An -tx1 -v aes | tr -d ' \n')" -iv 00000000000000000000000000000000 -in message | cmp - aes.sealed
openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -tx1 -v aes | tr -d ' \n')" -binary message | cmp - mac

section 'a TLS server in Java, with OpenSSL as its client'
plain_certificate plain
serve java java -cp classes Client serve
eventually test -e port
port=$(cat port)
for version in 1_2 1_3; do
  line="hello"
  [ $version = 1_2 ] || line=end
  { echo $line && sleep 2; } | into handshake openssl s_client -connect "localhost:$port" -CAfile ca.pem -cert plain.pem \
    -key plain.key -verify_return_error -tls$version
  has handshake 'Verify return code: 0'
  has handshake "$line over TLSv${version/_/.} by CN=plain"
done
stop java

section 'a TLS client in Java with a certificate of the token'
plain_certificate server
port=$(free_port)
serve server openssl s_server -accept "127.0.0.1:$port" -cert server.pem -key server.key -CAfile ca.pem -Verify 1 \
  -verify_return_error -www
eventually listening "$port"
for version in 1.2 1.3; do
  into page java_client connect "$port" TLSv$version
  has page "Protocol *: TLSv$version"
  has page 'CN *= *(rsa|ec|made-rsa)'
done
stop server
