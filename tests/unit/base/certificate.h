/* SPDX-License-Identifier: Apache-2.0 */
/* A self-signed certificate for tests, made when they run. */
#pragma once

#include <glib.h>

typedef struct {
  char *directory;
  char *certificate_file; /* PEM; also usable as the authority */
  char *key_file;
  char *fingerprint; /* "AB:CD:..." SHA-256 */
} TestCertificate;

/* For the DNS name @name and the address 127.0.0.1. */
TestCertificate *test_certificate_new (const char *name);
void test_certificate_free (TestCertificate *certificate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestCertificate, test_certificate_free)
