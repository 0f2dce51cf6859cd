// SPDX-License-Identifier: Apache-2.0
// Every row of the standard's attribute tables (PKCS#11 3.2, chapters 4 and 6; tests/data/conformance/attributes.txt),
// for every kind of object: which attributes a template must and must not have in creation, generation and unwrapping,
// what may be changed later, the defaults, the secret attributes, and the valid values.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "tests/conformance/harness/keys.h"
#include "tests/conformance/harness/peer.h"
#include "tests/conformance/harness/symmetric.h"

namespace vtpm::conformance {
namespace {

// --- the file ---

// clang-format off
#define NAMED(type) \
  { #type, type }
const std::map<std::string, CK_ATTRIBUTE_TYPE> kTypes = {NAMED(CKA_CLASS),
                                                         {"CKA_UNIQUE_ID", kUniqueId},
                                                         NAMED(CKA_TOKEN),
                                                         NAMED(CKA_PRIVATE),
                                                         NAMED(CKA_MODIFIABLE),
                                                         NAMED(CKA_LABEL),
                                                         NAMED(CKA_COPYABLE),
                                                         NAMED(CKA_DESTROYABLE),
                                                         NAMED(CKA_APPLICATION),
                                                         NAMED(CKA_OBJECT_ID),
                                                         NAMED(CKA_VALUE),
                                                         NAMED(CKA_CERTIFICATE_TYPE),
                                                         NAMED(CKA_TRUSTED),
                                                         NAMED(CKA_CERTIFICATE_CATEGORY),
                                                         NAMED(CKA_CHECK_VALUE),
                                                         NAMED(CKA_START_DATE),
                                                         NAMED(CKA_END_DATE),
                                                         NAMED(CKA_PUBLIC_KEY_INFO),
                                                         NAMED(CKA_SUBJECT),
                                                         NAMED(CKA_ID),
                                                         NAMED(CKA_ISSUER),
                                                         NAMED(CKA_SERIAL_NUMBER),
                                                         NAMED(CKA_OWNER),
                                                         NAMED(CKA_AC_ISSUER),
                                                         NAMED(CKA_ATTR_TYPES),
                                                         NAMED(CKA_URL),
                                                         NAMED(CKA_HASH_OF_SUBJECT_PUBLIC_KEY),
                                                         NAMED(CKA_HASH_OF_ISSUER_PUBLIC_KEY),
                                                         NAMED(CKA_JAVA_MIDP_SECURITY_DOMAIN),
                                                         NAMED(CKA_NAME_HASH_ALGORITHM),
                                                         NAMED(CKA_HASH_OF_CERTIFICATE),
                                                         NAMED(CKA_TRUST_SERVER_AUTH),
                                                         NAMED(CKA_TRUST_CLIENT_AUTH),
                                                         NAMED(CKA_TRUST_CODE_SIGNING),
                                                         NAMED(CKA_TRUST_EMAIL_PROTECTION),
                                                         NAMED(CKA_TRUST_IPSEC_IKE),
                                                         NAMED(CKA_TRUST_TIME_STAMPING),
                                                         NAMED(CKA_TRUST_OCSP_SIGNING),
                                                         NAMED(CKA_KEY_TYPE),
                                                         NAMED(CKA_DERIVE),
                                                         NAMED(CKA_LOCAL),
                                                         NAMED(CKA_KEY_GEN_MECHANISM),
                                                         NAMED(CKA_ALLOWED_MECHANISMS),
                                                         NAMED(CKA_OBJECT_VALIDATION_FLAGS),
                                                         NAMED(CKA_ENCRYPT),
                                                         NAMED(CKA_DECRYPT),
                                                         NAMED(CKA_SIGN),
                                                         NAMED(CKA_VERIFY),
                                                         NAMED(CKA_SIGN_RECOVER),
                                                         NAMED(CKA_VERIFY_RECOVER),
                                                         NAMED(CKA_WRAP),
                                                         NAMED(CKA_UNWRAP),
                                                         NAMED(CKA_ENCAPSULATE),
                                                         NAMED(CKA_DECAPSULATE),
                                                         NAMED(CKA_WRAP_TEMPLATE),
                                                         NAMED(CKA_UNWRAP_TEMPLATE),
                                                         NAMED(CKA_DERIVE_TEMPLATE),
                                                         NAMED(CKA_ENCAPSULATE_TEMPLATE),
                                                         NAMED(CKA_DECAPSULATE_TEMPLATE),
                                                         NAMED(CKA_SENSITIVE),
                                                         NAMED(CKA_EXTRACTABLE),
                                                         NAMED(CKA_ALWAYS_SENSITIVE),
                                                         NAMED(CKA_NEVER_EXTRACTABLE),
                                                         NAMED(CKA_WRAP_WITH_TRUSTED),
                                                         NAMED(CKA_ALWAYS_AUTHENTICATE),
                                                         NAMED(CKA_MODULUS),
                                                         NAMED(CKA_MODULUS_BITS),
                                                         NAMED(CKA_PUBLIC_EXPONENT),
                                                         NAMED(CKA_PRIVATE_EXPONENT),
                                                         NAMED(CKA_PRIME_1),
                                                         NAMED(CKA_PRIME_2),
                                                         NAMED(CKA_EXPONENT_1),
                                                         NAMED(CKA_EXPONENT_2),
                                                         NAMED(CKA_COEFFICIENT),
                                                         NAMED(CKA_PRIME),
                                                         NAMED(CKA_SUBPRIME),
                                                         NAMED(CKA_BASE),
                                                         NAMED(CKA_PRIME_BITS),
                                                         NAMED(CKA_EC_PARAMS),
                                                         NAMED(CKA_EC_POINT),
                                                         NAMED(CKA_VALUE_BITS),
                                                         NAMED(CKA_VALUE_LEN)};
#undef NAMED
// clang-format on

struct Row {
  std::string name;
  CK_ATTRIBUTE_TYPE type;
  std::string form;
  std::set<std::string> notes;
  std::string value;  // the default; "-": none

  bool has(const char* note) const { return notes.contains(note); }
};
using Section = std::vector<Row>;

class Tables {
 public:
  Tables() {
    std::ifstream file(VTPM_TEST_DATA "/conformance/attributes.txt");
    for (std::string text; std::getline(file, text);) {
      if (text.empty() || text[0] == '#') continue;
      std::istringstream words(text);
      std::string first;
      words >> first;
      if (first[0] == '[') {
        section_ = first.substr(1, first.size() - 2);
        sections_[section_];
      } else if (first == "here") {
        std::string section, name, change;
        words >> section >> name >> change;
        changes_.emplace_back(section, name, change);
      } else {
        Row row{first, kTypes.at(first), {}, {}, {}};
        std::string notes;
        words >> row.form >> notes >> row.value;
        std::istringstream list(notes);
        for (std::string note; std::getline(list, note, ',');) row.notes.insert(note);
        sections_[section_].push_back(row);
      }
    }
  }
  /// The rows of an object, with this token's deviations.
  Section of(const std::vector<std::string>& sections) const {
    Section all;
    for (const std::string& name : sections) {
      const Section& rows = sections_.at(name);
      all.insert(all.end(), rows.begin(), rows.end());
    }
    for (const auto& [section, name, change] : changes_) {
      if (std::find(sections.begin(), sections.end(), section) == sections.end()) continue;
      for (Row& row : all) {
        if (row.name == name) apply(change, row);
      }
    }
    return all;
  }
  const Section& section(const std::string& name) const { return sections_.at(name); }
  std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& [name, rows] : sections_) all.insert(name);
    return all;
  }

 private:
  static void apply(const std::string& change, Row& row) {
    const std::string what = change.substr(1);
    if (change[0] == '+') row.notes.insert(what);
    if (change[0] == '-') row.notes.erase(what);
    if (change[0] == '=') row.value = what;
  }
  std::string section_;
  std::map<std::string, Section> sections_;
  std::vector<std::tuple<std::string, std::string, std::string>> changes_;
};

// --- the kinds of objects ---

struct Kind {
  std::string name;
  std::vector<std::string> sections;
  Template least;  // for C_CreateObject
  CK_MECHANISM_TYPE generation = CK_UNAVAILABLE_INFORMATION;
  Template wanted = {};  // for the generation; of a pair, of its public key

  CK_OBJECT_CLASS object_class() const {
    CK_OBJECT_CLASS its = 0;
    std::memcpy(&its, least.attributes().at(0).value.data(), sizeof its);
    return its;
  }
  bool is_pair() const { return object_class() == CKO_PUBLIC_KEY || object_class() == CKO_PRIVATE_KEY; }
  bool is_unwrapped() const { return object_class() == CKO_SECRET_KEY || object_class() == CKO_PRIVATE_KEY; }
};

const Template kOpen = {{CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}};
constexpr bool kTrue = true;
const CK_ATTRIBUTE kInner = {CKA_SENSITIVE, const_cast<bool*>(&kTrue), 1};

class Attributes : public WithUser {
 protected:
  const Tables tables;
  std::vector<Kind> kinds;

  /// `start` with the attributes of a section that C_CreateObject accepts, and with the values that `object` has.
  Template with_numbers(Template start, const std::string& section, CK_OBJECT_HANDLE object) {
    for (const Row& row : tables.section(section)) {
      if (!row.has("2")) start = start.with({{row.type, session.get(object, row.type)}});
    }
    return start;
  }
  void add_pair(const std::string& name, const std::string& tables_of, CK_KEY_TYPE type, CK_MECHANISM_TYPE mechanism,
                const Template& wanted) {
    const KeyPair pair = session.generate(mechanism, wanted, kOpen);
    const Template half = {{CKA_CLASS, CKO_PUBLIC_KEY}, {CKA_KEY_TYPE, type}};
    const Template secret = {{CKA_CLASS, CKO_PRIVATE_KEY}, {CKA_KEY_TYPE, type}};
    kinds.push_back({name + "-public",
                     {"storage", "key", "pair", "public", tables_of + "-public"},
                     with_numbers(half, tables_of + "-public", pair.public_key),
                     mechanism,
                     wanted});
    kinds.push_back({name + "-private",
                     {"storage", "key", "pair", "private", tables_of + "-private"},
                     with_numbers(secret, tables_of + "-private", pair.private_key),
                     mechanism,
                     wanted});
  }
  void add_secret(const std::string& name, const std::string& table, CK_KEY_TYPE type, CK_MECHANISM_TYPE mechanism,
                  const Bytes& value) {
    const bool one_length = table == "hmac" || table == "chacha20";
    kinds.push_back({name,
                     {"storage", "key", "secret", table},
                     {{CKA_CLASS, CKO_SECRET_KEY}, {CKA_KEY_TYPE, type}, {CKA_VALUE, value}},
                     mechanism,
                     one_length ? Template() : Template{{CKA_VALUE_LEN, value.size()}}});
  }
  Template add_domain(const std::string& section, CK_KEY_TYPE type, CK_MECHANISM_TYPE mechanism, CK_ULONG bits) {
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    MUST(try_generate_key(session, mechanism, {{CKA_PRIME_BITS, bits}}, &made));
    const Template numbers = with_numbers({}, section, made);
    kinds.push_back({section,
                     {"storage", "domain", section},
                     with_numbers({{CKA_CLASS, CKO_DOMAIN_PARAMETERS}, {CKA_KEY_TYPE, type}}, section, made),
                     mechanism,
                     {{CKA_PRIME_BITS, bits}}});
    return numbers;
  }

  Attributes() {
    const peer::Certificate certificate = peer::self_signed(peer::Key::generate_ec("P-256"), "attributes");
    kinds.push_back({"data", {"storage", "data"}, {{CKA_CLASS, CKO_DATA}, {CKA_LABEL, "data"}}});
    kinds.push_back({"x509",
                     {"storage", "certificate", "x509"},
                     {{CKA_CLASS, CKO_CERTIFICATE},
                      {CKA_CERTIFICATE_TYPE, CKC_X_509},
                      {CKA_SUBJECT, certificate.subject},
                      {CKA_VALUE, certificate.der}}});
    for_each_line("attribute_certificate.txt", [&](const Line& line) {
      kinds.push_back({"attribute-certificate",
                       {"storage", "certificate", "attribute-certificate"},
                       {{CKA_CLASS, CKO_CERTIFICATE},
                        {CKA_CERTIFICATE_TYPE, CKC_X_509_ATTR_CERT},
                        {CKA_OWNER, line.bytes("holder")},
                        {CKA_VALUE, line.bytes("certificate")}}});
    });
    kinds.push_back(
        {"trust", {"storage", "trust"}, {{CKA_CLASS, CKO_TRUST}, {CKA_ISSUER, "i"}, {CKA_SERIAL_NUMBER, "s"}}});
    add_pair("rsa", "rsa", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, {{CKA_MODULUS_BITS, 1024}});
    add_pair("ec", "ec", CKK_EC, CKM_EC_KEY_PAIR_GEN, {{CKA_EC_PARAMS, kP256}});
    add_pair("edwards", "ec", CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN,
             {{CKA_EC_PARAMS, curve_parameters("Ed25519")}});
    add_pair("montgomery", "ec", CKK_EC_MONTGOMERY, CKM_EC_MONTGOMERY_KEY_PAIR_GEN,
             {{CKA_EC_PARAMS, curve_parameters("X25519")}});
    add_pair("dsa", "dsa", CKK_DSA, CKM_DSA_KEY_PAIR_GEN,
             add_domain("dsa-domain", CKK_DSA, CKM_DSA_PARAMETER_GEN, 1024));
    add_pair("dh", "dh", CKK_DH, CKM_DH_PKCS_KEY_PAIR_GEN,
             add_domain("dh-domain", CKK_DH, CKM_DH_PKCS_PARAMETER_GEN, 2048));
    const Bytes value = from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    add_secret("generic", "generic", CKK_GENERIC_SECRET, CKM_GENERIC_SECRET_KEY_GEN, value);
    add_secret("hkdf", "generic", CKK_HKDF, CKM_HKDF_KEY_GEN, value);
    add_secret("hmac", "hmac", CKK_SHA256_HMAC, CKM_SHA256_KEY_GEN, value);
    add_secret("aes", "aes", CKK_AES, CKM_AES_KEY_GEN, value);
    add_secret("camellia", "aes", CKK_CAMELLIA, CKM_CAMELLIA_KEY_GEN, value);
    add_secret("aria", "aes", CKK_ARIA, CKM_ARIA_KEY_GEN, value);
    add_secret("xts", "aes", CKK_AES_XTS, CKM_AES_XTS_KEY_GEN, value);
    add_secret("chacha20", "chacha20", CKK_CHACHA20, CKM_CHACHA20_KEY_GEN, value);
  }

  /// Runs `check` on every row of every kind.
  template <typename F>
  void for_each_row(F&& check) {
    for (const Kind& kind : kinds) {
      for (const Row& row : tables.of(kind.sections)) {
        SCOPED_TRACE(kind.name + " " + row.name);
        check(kind, row);
      }
    }
  }

  /// A valid value of the attribute that differs from that of `object`.
  Bytes another(const Row& row, CK_OBJECT_HANDLE object) {
    const Bytes now =
        session.try_get(object, row.type) == CKR_OK && row.form != "template" ? session.get(object, row.type) : Bytes();
    if (row.form == "bool") return {now.empty() || now[0] ? uint8_t{0} : uint8_t{1}};
    if (row.form == "date") return bytes("20310228");
    if (row.form == "template") return bytes_of(kInner);
    if (row.form == "mechanisms") return bytes_of<CK_MECHANISM_TYPE>(CKM_SHA256_HMAC);
    if (row.form != "ulong") return row.name.find("HASH_OF") == std::string::npos ? bytes("other") : Bytes(20, 0x5A);
    if (row.type == CKA_NAME_HASH_ALGORITHM) return bytes_of<CK_ULONG>(CKM_SHA_1);
    if (row.name.find("CKA_TRUST_") == 0) return bytes_of<CK_ULONG>(CKT_NOT_TRUSTED);  // no certificate is needed
    const Bytes two = bytes_of<CK_ULONG>(2);
    return now == two ? bytes_of<CK_ULONG>(3) : two;
  }
  /// A value that C_CreateObject accepts: attributes that follow from the key keep their value.
  Bytes acceptable(const Row& row, CK_OBJECT_HANDLE object) {
    if (row.type == CKA_OBJECT_VALIDATION_FLAGS) return bytes_of<CK_ULONG>(0);
    if (row.has("10")) return {CK_FALSE};
    const bool decided =
        row.has("key") || (row.type == CKA_PUBLIC_KEY_INFO && session.try_get(object, CKA_KEY_TYPE) == CKR_OK);
    return decided ? session.get(object, row.type) : another(row, object);
  }
  void expect_value(const Row& row, CK_OBJECT_HANDLE object, const Bytes& expected) {
    EXPECT_RV(CKR_OK, session.try_get(object, row.type));
    if (row.form != "template") {
      EXPECT_EQ(session.get(object, row.type), expected);
    }
  }
  void destroy(CK_OBJECT_HANDLE object) { p11->C_DestroyObject(session, object); }
};

bool given(const Template& object, CK_ATTRIBUTE_TYPE type) {
  const auto& rows = object.attributes();
  return std::any_of(rows.begin(), rows.end(), [&](const Attribute& row) { return row.type == type; });
}

TEST_F(Attributes, EveryTableIsOfSomeObject) {
  std::set<std::string> used;
  for (const Kind& kind : kinds) used.insert(kind.sections.begin(), kind.sections.end());
  EXPECT_EQ(used, tables.names());
}

TEST_F(Attributes, FollowTheTableInCreateObject) {
  for_each_row([&](const Kind& kind, const Row& row) {
    const CK_OBJECT_HANDLE plain = session.create(kind.least);
    if (row.has("1")) {
      EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, session.try_create(kind.least.without(row.type)));
    } else if (row.has("2")) {
      EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_create(kind.least.with({{row.type, another(row, plain)}})));
    } else {
      const Bytes value = acceptable(row, plain);
      Template with = kind.least.with({{row.type, value}});
      if (given(kind.least, row.type)) with = kind.least;
      if (row.type == CKA_URL) {
        with =
            with.with({{CKA_HASH_OF_SUBJECT_PUBLIC_KEY, Bytes(20, 1)}, {CKA_HASH_OF_ISSUER_PUBLIC_KEY, Bytes(20, 2)}});
      }
      CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
      EXPECT_RV(CKR_OK, session.try_create(with, &object));
      if (object != CK_INVALID_HANDLE && !row.has("7") && !given(kind.least, row.type))
        expect_value(row, object, value);
      destroy(object);
    }
    if (row.has("key")) {
      EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kind.least.with({{row.type, "other"}})));
    }
    if (row.has("10")) {
      EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_create(kind.least.with({{row.type, true}})));
    }
    destroy(plain);
  });
}

TEST_F(Attributes, RejectValuesOfTheWrongForm) {
  const std::map<std::string, std::vector<Bytes>> wrong = {{"bool", {{}, {0, 0}, {2}}},
                                                           {"ulong", {{}, {1}, Bytes(4), Bytes(16)}},
                                                           {"date",
                                                            {bytes("2031022"), bytes("203102280"), bytes("20311328"),
                                                             bytes("20310232"), bytes("2031022x"), bytes("18991231")}},
                                                           {"mechanisms", {Bytes(7)}},
                                                           {"template", {Bytes(7)}}};
  for_each_row([&](const Kind& kind, const Row& row) {
    const auto values = wrong.find(row.form);
    if (values == wrong.end()) return;
    for (const Bytes& value : values->second) {
      EXPECT_RV(CKR_ATTRIBUTE_VALUE_INVALID, session.try_create(kind.least.with({{row.type, value}})));
    }
  });
}

TEST_F(Attributes, HaveTheDefaultsOfTheTable) {
  const std::map<std::string, Bytes> meant = {
      {"empty", {}}, {"false", {CK_FALSE}}, {"true", {CK_TRUE}}, {"0", bytes_of<CK_ULONG>(0)}};
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.name);
    const CK_OBJECT_HANDLE object = session.create(kind.least);
    for (const Row& row : tables.of(kind.sections)) {
      if (row.value == "-" || given(kind.least, row.type)) continue;
      EXPECT_EQ(session.get(object, row.type), meant.at(row.value)) << row.name;
    }
  }
}

TEST_F(Attributes, FollowTheTableInGeneration) {
  for_each_row([&](const Kind& kind, const Row& row) {
    if (kind.generation == CK_UNAVAILABLE_INFORMATION) return;
    const CK_OBJECT_HANDLE object = session.create(kind.least);
    const auto generate = [&](const Template& wanted, const Template& extra) {
      if (!kind.is_pair()) {
        Template all = wanted;
        for (const Attribute& attribute : extra.attributes()) all = all.with({attribute});
        return try_generate_key(session, kind.generation, all);
      }
      if (kind.object_class() == CKO_PRIVATE_KEY) return session.try_generate(kind.generation, wanted, extra);
      Template half = wanted;
      for (const Attribute& attribute : extra.attributes()) half = half.with({attribute});
      return session.try_generate(kind.generation, half, {});
    };
    if (row.has("3")) {
      EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, generate(kind.wanted.without(row.type), {}));
    }
    // 4.10 names a return value for attributes that are not known yet.
    const CK_RV refusal = row.type == CKA_PUBLIC_KEY_INFO ? CKR_ATTRIBUTE_TYPE_INVALID : CKR_ATTRIBUTE_READ_ONLY;
    if (row.has("4")) {
      EXPECT_RV(refusal, generate(kind.wanted, {{row.type, another(row, object)}}));
    }
    destroy(object);
  });
}

TEST_F(Attributes, FollowTheTableInUnwrapping) {
  const CK_OBJECT_HANDLE wrapper = session.create({{CKA_CLASS, CKO_SECRET_KEY},
                                                   {CKA_KEY_TYPE, CKK_AES},
                                                   {CKA_VALUE, Bytes(32, 0x57)},
                                                   {CKA_WRAP, true},
                                                   {CKA_UNWRAP, true}});
  for (const Kind& kind : kinds) {
    if (!kind.is_unwrapped()) continue;
    SCOPED_TRACE(kind.name);
    const CK_OBJECT_HANDLE object = session.create(kind.least.with({{CKA_EXTRACTABLE, true}}));
    const Bytes wrapped = wrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, object);
    const Template wanted = {kind.least.attributes().at(0), kind.least.attributes().at(1)};
    EXPECT_RV(CKR_OK, try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped, wanted));
    for (const Row& row : tables.of(kind.sections)) {
      SCOPED_TRACE(row.name);
      const auto unwrap_with = [&](const Template& of) {
        return try_unwrap(session, CKM_AES_KEY_WRAP_KWP, wrapper, wrapped, of);
      };
      if (row.has("5")) {
        EXPECT_RV(CKR_TEMPLATE_INCOMPLETE, unwrap_with(wanted.without(row.type)));
      }
      if (row.has("6")) {
        EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, unwrap_with(wanted.with({{row.type, another(row, object)}})));
      }
      if (row.has("key")) {
        EXPECT_RV(one_of(CKR_ATTRIBUTE_VALUE_INVALID, CKR_WRAPPED_KEY_INVALID),
                  unwrap_with(wanted.with({{row.type, "other"}})));
      }
    }
  }
}

TEST_F(Attributes, FollowTheTableInSetAttributeValue) {
  for_each_row([&](const Kind& kind, const Row& row) {
    const bool one_way = row.has("11") || row.has("12");
    const bool is_private = row.type == CKA_PRIVATE;
    const Template start = one_way || is_private ? kind.least.with({{row.type, row.has("12")}}) : kind.least;
    const CK_OBJECT_HANDLE object = session.create(start);
    const Bytes value = another(row, object);
    const Template change = {{row.type, value}};
    CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
    const bool changes = row.has("8") || one_way;
    // The value of an attribute that follows from the key may be given again if the attribute may be changed.
    const bool decided = row.has("key") && (row.has("8") || row.has("erase"));
    const CK_RV refusal = decided ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_ATTRIBUTE_READ_ONLY;
    if (!changes || row.has("key")) {
      EXPECT_RV(refusal, session.try_set(object, change));
      EXPECT_RV(row.has("copy") ? CKR_OK : refusal, session.try_copy(object, change, &copy));
      if (copy != CK_INVALID_HANDLE) expect_value(row, copy, value);
      // C_SetAttributeValue rejects an attribute that can never be modified even with its present value. C_CopyObject
      // may accept that value.
      const bool known = row.form != "template" && session.try_get(object, row.type) == CKR_OK;
      if (known && !row.has("key") && !row.has("10")) {
        const Template same = {{row.type, session.get(object, row.type)}};
        EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, same)) << "its present value";
        EXPECT_RV(one_of(CKR_OK, CKR_ATTRIBUTE_READ_ONLY), session.try_copy(object, same));
      }
    } else {
      EXPECT_RV(CKR_OK, session.try_copy(object, change, &copy));
      if (copy != CK_INVALID_HANDLE) expect_value(row, copy, value);
      EXPECT_RV(CKR_OK, session.try_set(object, change));
      expect_value(row, object, value);
    }
    if (one_way) {
      const Template back = {{row.type, row.has("12")}};
      EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, back));
      EXPECT_RV(row.type == CKA_COPYABLE ? CKR_ACTION_PROHIBITED : CKR_ATTRIBUTE_READ_ONLY,
                session.try_copy(object, back));
      EXPECT_RV(CKR_OK, session.try_set(object, change)) << "it says what is";
    }
    if (is_private) {
      EXPECT_RV(CKR_TEMPLATE_INCONSISTENT, session.try_copy(copy, {{row.type, false}}))
          << "what is sealed stays sealed";
    }
    if (row.has("10")) {
      EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_set(object, {{row.type, true}}));
      EXPECT_RV(CKR_ATTRIBUTE_READ_ONLY, session.try_copy(object, {{row.type, true}}));
    }
    if (row.has("erase")) {
      EXPECT_RV(CKR_OK, session.try_set(object, {{row.type, Bytes()}}));
      EXPECT_EQ(session.get(object, row.type), Bytes());
    }
    destroy(copy);
    destroy(object);
  });
}

TEST_F(Attributes, AreReadableOnlyIfExtractableAndNotSensitive) {
  for_each_row([&](const Kind& kind, const Row& row) {
    if (!row.has("7")) return;
    for (const bool sensitive : {false, true}) {
      for (const bool extractable : {false, true}) {
        const CK_OBJECT_HANDLE object =
            session.create(kind.least.with({{CKA_SENSITIVE, sensitive}, {CKA_EXTRACTABLE, extractable}}));
        EXPECT_RV(sensitive || !extractable ? CKR_ATTRIBUTE_SENSITIVE : CKR_OK, session.try_get(object, row.type))
            << sensitive << extractable;
        destroy(object);
      }
    }
  });
}

TEST_F(Attributes, TrustedIsSetByTheSoOnly) {
  session.logout();
  session.login(CKU_SO);
  for (const Kind& kind : kinds) {
    for (const Row& row : tables.of(kind.sections)) {
      if (!row.has("10")) continue;
      SCOPED_TRACE(kind.name);
      const CK_OBJECT_HANDLE object = session.create(kind.least.with({{CKA_PRIVATE, false}}));
      EXPECT_RV(CKR_OK, session.try_copy(object, {{row.type, true}}));
      EXPECT_RV(CKR_OK, session.try_set(object, {{row.type, true}}));
      EXPECT_TRUE(session.flag(object, row.type));
    }
  }
}

}  // namespace
}  // namespace vtpm::conformance
