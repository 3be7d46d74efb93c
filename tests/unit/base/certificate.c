/* SPDX-License-Identifier: Apache-2.0 */
/* An EC key and a self-signed certificate by OpenSSL. */
#include "certificate.h"

#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static X509 *
make_certificate (EVP_PKEY *key, const char *name)
{
  X509 *x509 = X509_new ();
  X509_set_version (x509, X509_VERSION_3);
  ASN1_INTEGER_set (X509_get_serialNumber (x509), 1);
  X509_gmtime_adj (X509_getm_notBefore (x509), -3600);
  X509_gmtime_adj (X509_getm_notAfter (x509), 3600);
  X509_set_pubkey (x509, key);
  X509_NAME *subject = X509_get_subject_name (x509);
  X509_NAME_add_entry_by_txt (subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
  X509_set_issuer_name (x509, subject);
  g_autofree char *names = g_strdup_printf ("DNS:%s,IP:127.0.0.1", name);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid (NULL, NULL, NID_subject_alt_name, names);
  g_assert_nonnull (extension);
  X509_add_ext (x509, extension, -1);
  X509_EXTENSION_free (extension);
  g_assert_cmpint (X509_sign (x509, key, EVP_sha256 ()), >, 0);
  return x509;
}

static char *
format_fingerprint (X509 *x509)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  g_assert_true (X509_digest (x509, EVP_sha256 (), digest, &n));
  GString *text = g_string_new (NULL);
  for (unsigned i = 0; i < n; i++)
    g_string_append_printf (text, i ? ":%02X" : "%02X", digest[i]);
  return g_string_free (text, FALSE);
}

TestCertificate *
test_certificate_new (const char *name)
{
  TestCertificate *certificate = g_new0 (TestCertificate, 1);
  certificate->directory = g_dir_make_tmp ("sluice-test-XXXXXX", NULL);
  certificate->certificate_file = g_build_filename (certificate->directory, "certificate.pem", NULL);
  certificate->key_file = g_build_filename (certificate->directory, "key.pem", NULL);

  EVP_PKEY *key = EVP_EC_gen ("P-256");
  X509 *x509 = make_certificate (key, name);
  certificate->fingerprint = format_fingerprint (x509);
  FILE *file = fopen (certificate->certificate_file, "w");
  PEM_write_X509 (file, x509);
  fclose (file);
  file = fopen (certificate->key_file, "w");
  PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL);
  fclose (file);
  X509_free (x509);
  EVP_PKEY_free (key);
  return certificate;
}

void
test_certificate_free (TestCertificate *certificate)
{
  g_unlink (certificate->certificate_file);
  g_unlink (certificate->key_file);
  g_rmdir (certificate->directory);
  g_free (certificate->directory);
  g_free (certificate->certificate_file);
  g_free (certificate->key_file);
  g_free (certificate->fingerprint);
  g_free (certificate);
}
